//! A box's cgroup in all hierarchies of this machine: made, limited, joined, watched, emptied and removed.
//!
//! Version 1, version 2 and both beside each other are one thing here: every limit goes to the hierarchy that has its
//! controller. Only where systemd shall make the cgroup does another crate do a part of it ([`systemd`]).

mod devices;
mod entry;
mod error;
mod files;
mod layout;
mod limits;
mod make;
pub mod oom;
mod place;
mod processes;
pub mod stats;
mod systemd;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

pub use entry::Entry;
pub use error::CgroupError;
pub use place::CgroupPlace;

use crate::state::{BoxState, ProcessId};
use layout::{Hierarchy, Version};

/// A box's cgroup.
#[derive(Debug)]
pub struct Cgroup {
    id: String,
    init: Option<ProcessId>,
    /// The first is where processes are counted and frozen.
    branches: Vec<Branch>,
    systemd: Option<systemd::Unit>,
}

/// It in one hierarchy.
#[derive(Debug)]
struct Branch {
    hierarchy: &'static Hierarchy,
    directory: PathBuf,
    /// Nothing is limited there unless a limit is asked for: it may be missing.
    optional: bool,
}

/// One directory of a `cgroup` file system inside a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The directory's name, `cpu,cpuacct`; empty where it is the file system itself (version 2).
    pub name: String,
    /// Links to it, by the names of its controllers, where it has several.
    pub aliases: Vec<String>,
    /// What is seen there: the box's own cgroup on the host.
    pub directory: PathBuf,
}

impl Cgroup {
    /// The cgroup of `state`'s box, which need not exist.
    ///
    /// # Errors
    /// This machine has no cgroups, or not those that the box was made with.
    pub fn of(state: &BoxState) -> Result<Cgroup, CgroupError> {
        let cgroup = Cgroup::at(&state.id, &state.cgroup)?;
        Ok(cgroup.with_init(state.init))
    }

    /// The same, of a box with this first process: where that has moved on, below the box's cgroup, others follow it.
    #[must_use]
    pub fn with_init(self, init: Option<ProcessId>) -> Cgroup {
        Cgroup { init, ..self }
    }

    /// The cgroup of container `id` at `place`.
    ///
    /// # Errors
    /// As for [`Cgroup::of`].
    pub fn at(id: &str, place: &CgroupPlace) -> Result<Cgroup, CgroupError> {
        let layout = layout::of_this_machine().map_err(CgroupError::NoHierarchy)?;
        let unified = layout.unified();
        let (systemd, path) = match place.unit() {
            Some(unit) if unified => {
                let unit = systemd::Unit::new(id, unit)?;
                let path = unit.path()?;
                (Some(unit), path)
            }
            Some(_) => return Err(systemd::SystemdError::Version1.into()),
            None => (None, place.path.clone()),
        };
        // Beside version 1, version 2 is joined only for a limit: a join there makes the kernel wait for all CPUs.
        let first = ["freezer", "devices"].map(|name| layout.0.iter().any(|each| each.has(name)));
        let branch = |hierarchy: &'static Hierarchy| Branch {
            hierarchy,
            directory: place.directory(hierarchy, &path),
            optional: match hierarchy.version {
                Version::One => hierarchy.only_counts(),
                Version::Two => !unified && first == [true, true],
            },
        };
        let mut branches: Vec<Branch> = layout.0.iter().map(branch).collect();
        branches.sort_by_key(|branch| (!branch.hierarchy.has("freezer"), branch.optional));
        match branches.first() {
            Some(_) => Ok(Cgroup {
                id: id.to_owned(),
                init: None,
                branches,
                systemd,
            }),
            None => Err(CgroupError::Empty),
        }
    }

    /// Check that a new box may have its cgroup: it lies in the hierarchy and nobody lives there, whom the end of the
    /// box would kill.
    ///
    /// # Errors
    /// Why not.
    pub fn check_free(state: &BoxState) -> Result<(), CgroupError> {
        let (id, path) = (state.id.clone(), state.cgroup.path.clone());
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(CgroupError::Outside { id, path });
        }
        let cgroup = Cgroup::of(state)?;
        match cgroup.pids().len() {
            0 => Ok(()),
            processes => Err(CgroupError::Taken {
                id,
                path,
                processes,
            }),
        }
    }

    /// Make it in every hierarchy. It may be there already, as after an interrupted create.
    ///
    /// # Errors
    /// A directory cannot be made.
    pub fn make(&self) -> Result<(), CgroupError> {
        if self.systemd.is_some() {
            // systemd makes it for its first process.
            return Ok(());
        }
        self.branches.iter().try_for_each(Branch::make)?;
        if self.is_frozen() {
            // Left so by an earlier box: who joined would never go on.
            self.thaw()?;
        }
        Ok(())
    }

    /// Set the limits of a new box, and which devices it may use where a rule says so.
    ///
    /// # Errors
    /// The first value that this machine refuses or has no place for.
    pub fn limit(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        if let Some(unit) = &self.systemd
            && unit.keep(resources)
        {
            return Ok(());
        }
        self.set(resources)?;
        // A sandbox's plan always has a rule; a plain container without one keeps what its parent has.
        match resources.devices().as_deref() {
            Some(rules) if !rules.is_empty() => self.allow(rules),
            _ => Ok(()),
        }
    }

    /// Change the limits of a living box; what is not named stays.
    ///
    /// # Errors
    /// The first value that this machine refuses or has no place for.
    pub fn change(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        self.set(resources)?;
        match resources.devices().as_deref() {
            Some(rules) if !rules.is_empty() => self.allow(rules),
            _ => Ok(()),
        }
    }

    /// Put a process into it: the first one, or one of exec.
    ///
    /// # Errors
    /// The kernel refuses it in a hierarchy.
    pub fn join(&self, pid: Pid) -> Result<(), CgroupError> {
        if let Some(unit) = &self.systemd {
            if let Some(kept) = unit.start(pid)? {
                self.limit(&kept)?;
            }
            return Ok(());
        }
        self.branches
            .iter()
            .try_for_each(|branch| branch.join(pid, self.init))
    }

    /// Its directory, for `clone3(CLONE_INTO_CGROUP)`; nothing where version 1 is in use or systemd must be asked.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_for_clone(&self) -> Result<Option<OwnedFd>, CgroupError> {
        match self.branches.as_slice() {
            [only] if only.hierarchy.version == Version::Two && self.systemd.is_none() => {
                only.open(&only.habitable(self.init)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What a `cgroup` file system inside the box shows: as on the host, but the box's own part.
    #[must_use]
    pub fn views(&self) -> Vec<View> {
        let version = self.main().hierarchy.version;
        let shown = self
            .branches
            .iter()
            .filter(|branch| branch.hierarchy.version == version);
        shown.map(Branch::view).collect()
    }

    /// Remove it; a cgroup that is gone is fine. Whoever still lives there is killed.
    ///
    /// # Errors
    /// It cannot be removed in a hierarchy; the others are tried all the same.
    pub fn remove(&self) -> Result<(), CgroupError> {
        let unit = match &self.systemd {
            Some(unit) => unit.stop().map_err(CgroupError::from),
            None => Ok(()),
        };
        let removed = self.branches.iter().map(Branch::remove);
        std::iter::once(unit)
            .chain(removed)
            .fold(Ok(()), Result::and)
    }

    /// The hierarchy that has `controller`, by any of its names.
    fn branch(&self, names: &[&str]) -> Option<&Branch> {
        self.branches
            .iter()
            .find(|branch| names.iter().any(|name| branch.hierarchy.has(name)))
    }

    /// Where processes are counted.
    fn main(&self) -> &Branch {
        // `at` makes none without a branch.
        &self.branches[0]
    }

    /// The branch of version 2, beside version 1 or alone.
    fn second(&self) -> Option<&Branch> {
        self.branches
            .iter()
            .find(|branch| branch.hierarchy.version == Version::Two)
    }
}

impl Branch {
    fn open(&self, directory: &Path) -> Result<OwnedFd, CgroupError> {
        let mut options = File::options();
        options.read(true).custom_flags(libc::O_DIRECTORY);
        let opened = options.open(directory);
        opened
            .map(OwnedFd::from)
            .map_err(|source| CgroupError::Open {
                path: directory.to_path_buf(),
                source,
            })
    }

    fn view(&self) -> View {
        let name = match self.hierarchy.version {
            Version::One => self.hierarchy.mount.file_name().unwrap_or_default(),
            Version::Two => Default::default(),
        };
        let name = name.to_string_lossy().into_owned();
        let aliases = match self.hierarchy.controllers.as_slice() {
            several @ [_, _, ..] if !name.is_empty() => several.to_vec(),
            _ => Vec::new(),
        };
        View {
            name,
            aliases,
            directory: self.directory.clone(),
        }
    }
}
