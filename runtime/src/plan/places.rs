//! The box's file tree: which paths stay writable, which become read-only again, what must be made.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

use super::make::Given;
use super::paths::{Access, PathRules, TMP};
use super::writable::{self, Place};
use super::{Inputs, LandlockPlan, NewDirectory, PathKind, Refusal, Walls, mounts};

/// What becomes of every path of the policy.
#[derive(Default)]
pub struct Places {
    /// For the walls.
    pub walls: Walls,
    /// Directories to make; true = owned by the process's user, false = by root.
    make: Vec<(PathBuf, bool)>,
    absent: Vec<PathBuf>,
    /// `/tmp` is a fresh tmpfs.
    pub tmpfs: bool,
}

impl Places {
    /// Decides about every path of the policy.
    pub fn of(
        inputs: &Inputs<'_>,
        given: &Given<'_>,
        box_mounts: &[Mount],
        rules: &PathRules,
        remarks: &mut Vec<String>,
    ) -> Result<Places, Refusal> {
        let readonly_root = given.root.readonly().unwrap_or(false);
        let walls = Walls {
            kept: mounts::KEPT.iter().map(PathBuf::from).collect(),
            readonly_root,
            writable_root: rules.writable_root() && !readonly_root,
            mounts: mounts::left_to_walls(box_mounts, rules),
            ..Walls::default()
        };
        let mut places = Places {
            walls,
            ..Places::default()
        };
        let writable = |path: &&PathBuf| is_files(path) && rules.access(path) == Access::Write;
        for path in rules.read_write.iter().filter(writable) {
            let place = writable::place(path, box_mounts, inputs.rootfs, readonly_root)?;
            places.add_writable(path, place, remarks);
        }
        if readonly_root {
            places.add_volumes(box_mounts, rules);
        }
        for path in rules
            .nested_read_only()
            .into_iter()
            .filter(|path| is_files(path))
        {
            places.add_read_only(path, inputs, box_mounts);
        }
        Ok(places)
    }

    fn add_writable(&mut self, path: &Path, place: Place, remarks: &mut Vec<String>) {
        match place {
            Place::There => {}
            Place::Make => self.make.push((path.to_path_buf(), true)),
            Place::Tmpfs => self.tmpfs = true,
            Place::Absent => {
                remarks.push(format!(
                    "`{}` is not in the image as a real directory: skipped",
                    path.display()
                ));
                self.absent.push(path.to_path_buf());
                return;
            }
        }
        self.walls.writable.push(path.to_path_buf());
    }

    /// Below a read-only root the image's directories stay read-only, so each writable mount is named itself.
    fn add_volumes(&mut self, box_mounts: &[Mount], rules: &PathRules) {
        let writable = |path: &Path| is_files(path) && rules.mount_writable(path);
        for mount in box_mounts
            .iter()
            .filter(|mount| writable(mount.destination()))
        {
            if !self.walls.writable.contains(mount.destination()) {
                self.walls.writable.push(mount.destination().clone());
            }
        }
    }

    /// Mounts of ours that stay writable, also where only the root layer's name says so (policy `dev`).
    pub fn keep_writable(&mut self, mounts: Vec<PathBuf>) {
        for path in mounts {
            if !self.walls.writable.contains(&path) {
                self.walls.writable.push(path);
            }
        }
    }

    /// A read-only path below a writable one must be there from the start, or the agent could make it.
    fn add_read_only(&mut self, path: PathBuf, inputs: &Inputs<'_>, box_mounts: &[Mount]) {
        let under_mount = box_mounts
            .iter()
            .any(|mount| path.starts_with(mount.destination()));
        let missing = inputs.rootfs.kind(&path) == PathKind::Missing;
        let elsewhere =
            under_mount || self.walls.readonly_root || (self.tmpfs && path.starts_with(TMP));
        if missing && !elsewhere {
            self.make.push((path.clone(), false));
        }
        self.walls.readonly.push(path);
    }

    /// Whether the box can write at `path`.
    pub fn may_write(&self, path: &Path, rules: &PathRules) -> bool {
        rules.access(path) == Access::Write
            && !self.absent.iter().any(|absent| path.starts_with(absent))
    }

    /// Rules of paths that are not there cannot be required.
    pub fn adjusted(&self, mut plan: LandlockPlan) -> LandlockPlan {
        for rule in plan
            .rules
            .iter_mut()
            .filter(|rule| self.absent.contains(&rule.path))
        {
            rule.required = false;
        }
        plan
    }

    /// The directories to make.
    pub fn made(&self, user: Option<(u32, u32)>) -> Vec<NewDirectory> {
        let owner = |users: bool| {
            if users {
                user.unwrap_or((0, 0))
            } else {
                (0, 0)
            }
        };
        let directory = |(path, users): &(PathBuf, bool)| {
            let (uid, gid) = owner(*users);
            NewDirectory {
                path: path.clone(),
                uid,
                gid,
            }
        };
        self.make.iter().map(directory).collect()
    }
}

/// Whether the walls have to do with `path`: the kernel's file systems keep their own flags, `/` is the root layer.
fn is_files(path: &Path) -> bool {
    path != Path::new("/")
        && !["/proc", "/sys", "/dev"]
            .iter()
            .any(|kernel| path.starts_with(kernel))
}
