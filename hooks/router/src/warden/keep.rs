//! What must outlive the whole router: `<state_dir>/router/<sandbox>/`, root's alone, beside the runtime's own state.
//!
//! `egress.json` is the hand-over with the policies in force, in the form that the hook's `resume` reads; `identity.json`
//! holds the CA with its key, the virtual addresses and the policy's generation; `spent` what its budgets have seen, by the
//! worker's own hand. All go when the sandbox does. The state
//! directory is a tmpfs, so a key is never on a disk.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nemoclaw_api::approvals::Approval;
use nemoclaw_policy::handover::{self, Handover};
use serde::{Deserialize, Serialize};

use super::boxes::is_name;
use super::{WardenError, log};
use crate::link::Saved;

const DIRECTORY: &str = "router";
const IDENTITY: &str = "identity.json";
const SPENT: &str = "spent";
const MODELS: &str = "models";
/// Where the start time stands in `/proc/<pid>/stat`, counted behind the name in brackets.
const START_FIELD: usize = 19;

/// A process that cannot be mistaken for a later one with its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its pid, as the warden sees it.
    pub pid: i32,
    /// Its start time in clock ticks since boot.
    pub start: u64,
}

impl Process {
    /// The process that `pid` names now; a zombie is none.
    #[must_use]
    pub fn of(pid: i32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let start = start_in(&stat)?;
        Some(Process { pid, start })
    }

    /// The process behind a pidfd.
    #[must_use]
    pub fn behind(pidfd: &OwnedFd) -> Option<Process> {
        let path = format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd());
        let info = std::fs::read_to_string(path).ok()?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
        Process::of(pid.trim().parse().ok()?)
    }

    /// Whether it still runs.
    #[must_use]
    pub fn alive(self) -> bool {
        Process::of(self.pid) == Some(self)
    }
}

fn start_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    fields.get(START_FIELD)?.parse().ok()
}

/// What makes a sandbox the same to its programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Its first process.
    pub process: Process,
    /// Cookie of its network namespace.
    pub netns_cookie: u64,
    /// Generation of the policies in force.
    pub generation: u64,
    /// Who owned the policy files when they were first read.
    pub owners: BTreeMap<PathBuf, u32>,
    /// CA and names.
    pub saved: Saved,
    /// What people have allowed.
    #[serde(default)]
    pub approvals: Vec<Approval>,
}

/// A sandbox as it was kept.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The hand-over, with the policies in force.
    pub handover: Handover,
    /// The rest.
    pub identity: Identity,
}

/// The directory.
#[derive(Debug, Clone)]
pub struct Keep(PathBuf);

impl Keep {
    /// Use the directory below `state_dir`, which is made if it is missing.
    ///
    /// # Errors
    /// It cannot be made, or others can look into it.
    pub fn open(state_dir: &Path) -> Result<Keep, WardenError> {
        let path = state_dir.join(DIRECTORY);
        let failed = |source| WardenError::File {
            path: path.clone(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(failed)?;
        let found = std::fs::symlink_metadata(&path).map_err(failed)?;
        let own = found.uid() == nix::unistd::geteuid().as_raw();
        if found.is_dir() && own && found.mode() & 0o077 == 0 {
            return Ok(Keep(path));
        }
        Err(WardenError::Open { path })
    }

    /// A sandbox's directory.
    #[must_use]
    pub fn directory(&self, sandbox: &str) -> PathBuf {
        self.0.join(sandbox)
    }

    /// Keep a sandbox as it is now.
    ///
    /// # Errors
    /// A file cannot be written; what was kept before stays.
    pub fn store(&self, kept: &Kept) -> io::Result<()> {
        let directory = self.directory(&kept.handover.sandbox);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        replace(&directory.join(handover::FILE), &kept.handover)?;
        replace(&directory.join(IDENTITY), &kept.identity)
    }

    /// The files of what a sandbox has spent, in traffic and on models; only the worker knows what they say.
    ///
    /// # Errors
    /// One cannot be opened.
    pub fn spent(&self, sandbox: &str) -> io::Result<[OwnedFd; 2]> {
        Ok([self.file(sandbox, SPENT)?, self.file(sandbox, MODELS)?])
    }

    fn file(&self, sandbox: &str, name: &str) -> io::Result<OwnedFd> {
        let directory = self.directory(sandbox);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(name))?;
        Ok(file.into())
    }

    /// A sandbox as it was kept, if it was.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn load(&self, sandbox: &str) -> io::Result<Option<Kept>> {
        let directory = self.directory(sandbox);
        if !directory.join(IDENTITY).exists() {
            return Ok(None);
        }
        Ok(Some(Kept {
            handover: read(&directory.join(handover::FILE))?,
            identity: read(&directory.join(IDENTITY))?,
        }))
    }

    /// Forget a sandbox.
    pub fn forget(&self, sandbox: &str) {
        if !is_name(sandbox) {
            return;
        }
        let path = self.directory(sandbox);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log(&format!("cannot remove `{}`: {error}", path.display()));
            }
            _ => {}
        }
    }

    /// The sandboxes that still live. Those that ended meanwhile are forgotten.
    #[must_use]
    pub fn living(&self) -> Vec<Kept> {
        let names = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
            Err(error) => {
                log(&format!("cannot read `{}`: {error}", self.0.display()));
                return Vec::new();
            }
        };
        let mut living: Vec<Kept> = names.filter_map(|name| self.living_one(&name)).collect();
        living.sort_by(|a, b| a.handover.sandbox.cmp(&b.handover.sandbox));
        living
    }

    fn living_one(&self, name: &str) -> Option<Kept> {
        match self.load(name) {
            Ok(Some(kept)) if kept.handover.sandbox == name && kept.identity.process.alive() => {
                return Some(kept);
            }
            Ok(_) => {}
            Err(error) => log(&format!("what was kept of sandbox {name} is lost: {error}")),
        }
        self.forget(name);
        None
    }
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Replace a file as a whole: a warden that is killed meanwhile leaves the old one.
fn replace(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let next = path.with_extension("next");
    let text = serde_json::to_vec(value)?;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(&text)?;
    std::fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::SavedCa;
    use nemoclaw_policy::handover::{Capture, Egress};
    use std::os::unix::fs::PermissionsExt;

    fn kept(sandbox: &str, process: Process) -> Kept {
        Kept {
            handover: Handover {
                version: 1,
                sandbox: sandbox.to_owned(),
                egress: Egress::Router,
                policies: Vec::new(),
                router_socket: "/router.sock".into(),
                capture: Capture::Tproxy,
                inbound: None,
            },
            identity: Identity {
                process,
                netns_cookie: 1,
                generation: 7,
                owners: BTreeMap::new(),
                saved: Saved {
                    ca: Some(SavedCa {
                        certificate: "certificate".into(),
                        key: "key".into(),
                    }),
                    names: Vec::new(),
                },
                approvals: Vec::new(),
            },
        }
    }

    fn own() -> Process {
        Process::of(std::process::id().cast_signed()).expect("this process")
    }

    #[test]
    fn the_living_are_kept_and_the_dead_are_forgotten() {
        let root = tempfile::tempdir().expect("directory");
        let keep = Keep::open(root.path()).expect("keep");
        let later = Process {
            start: own().start + 1,
            ..own()
        };
        for one in [kept("lives", own()), kept("ended", later)] {
            keep.store(&one).expect("stored");
        }
        let living = keep.living();
        assert_eq!(living.len(), 1);
        assert_eq!(living[0].identity.generation, 7);
        assert!(!keep.directory("ended").exists());
        keep.forget("lives");
        assert!(keep.load("lives").expect("load").is_none());
    }

    #[test]
    fn a_key_is_for_root_alone_and_an_open_directory_is_refused() {
        let root = tempfile::tempdir().expect("directory");
        let keep = Keep::open(root.path()).expect("keep");
        keep.store(&kept("a", own())).expect("stored");
        let mode = |path: PathBuf| std::fs::metadata(path).expect("file").permissions().mode();
        assert_eq!(mode(keep.directory("a").join(IDENTITY)) & 0o777, 0o600);
        assert_eq!(mode(keep.directory("a")) & 0o777, 0o700);
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(root.path().join(DIRECTORY), open).expect("mode");
        assert!(matches!(
            Keep::open(root.path()),
            Err(WardenError::Open { .. })
        ));
    }

    #[test]
    fn a_start_time_is_read_behind_any_name_and_a_zombie_is_no_process() {
        let stat = |state: &str| {
            let zeros = "0 ".repeat(18);
            format!("7 (a) b) {state} {zeros}4711 0 0")
        };
        assert_eq!(start_in(&stat("S")), Some(4711));
        assert_eq!(start_in(&stat("Z")), None);
    }
}
