//! What is remembered of a box: `<state_dir>/boxes/<id>/state.json`.
//!
//! libcontainer keeps its own file below the engine's `--root`. Ours holds what it lacks: the engine's bundle, the
//! walls that exec must raise again, and processes by pid *and* start time, so that a reused pid is never taken for ours.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use libcontainer::oci_spec::runtime::LinuxCapabilities;
use nix::errno::Errno;
use nix::unistd::Pid;
use procfs::process::Process;
use serde::{Deserialize, Serialize};

use crate::enforce::seccomp::Filters;
use crate::plan::{Confinement, ResourceLimits};
use crate::sys::pidfd::PidFd;

/// The file's name.
const FILE: &str = "state.json";
/// The longest id, which is also a directory's name and part of socket paths.
const LONGEST_ID: usize = 1024;

/// Why a box's state cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not a name.
    #[error(
        "the container id `{0}` is not valid: use letters, digits and `_+-.`, at most 1024, and not `.` or `..`"
    )]
    BadId(String),
    /// The words that engines look for.
    #[error("container \"{0}\" does not exist")]
    NotFound(String),
    /// The id is taken.
    #[error("container with id \"{id}\" exists{}", other_engine(.root))]
    Exists {
        /// The id.
        id: String,
        /// The other engine's root, when it is another's.
        root: Option<PathBuf>,
    },
    /// The file is there and cannot be read.
    #[error("cannot read the state of container \"{id}\"")]
    Read {
        /// The id.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the state of container \"{id}\"")]
    Write {
        /// The id.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

fn other_engine(root: &Option<PathBuf>) -> String {
    root.as_ref()
        .map(|root| format!(": it belongs to the engine with root `{}`", root.display()))
        .unwrap_or_default()
}

/// A process that cannot be mistaken for a later one with its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid on the host.
    pub pid: i32,
    /// Its start time in clock ticks since boot.
    pub start: u64,
}

impl ProcessId {
    /// The process that `pid` names now.
    #[must_use]
    pub fn of(pid: i32) -> Option<ProcessId> {
        let stat = Process::new(pid).ok()?.stat().ok()?;
        Some(ProcessId {
            pid,
            start: stat.starttime,
        })
    }

    /// Whether it still runs; a zombie does not.
    #[must_use]
    pub fn alive(self) -> bool {
        let stat = Process::new(self.pid).and_then(|process| process.stat());
        stat.is_ok_and(|stat| {
            stat.starttime == self.start && !matches!(stat.state, 'Z' | 'X' | 'x')
        })
    }

    /// Take hold of it.
    ///
    /// # Errors
    /// `ESRCH` when it is gone, also when another process has its pid now.
    pub fn hold(self) -> Result<PidFd, Errno> {
        let held = PidFd::open(Pid::from_raw(self.pid))?;
        // The descriptor is open, so the pid is not given away between the check and its use.
        if self.alive() {
            Ok(held)
        } else {
            Err(Errno::ESRCH)
        }
    }
}

/// How far a box has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// `create` has begun.
    Creating,
    /// init waits for `start`.
    Created,
    /// The program was started.
    Running,
}

/// What `state` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// `create` is at work.
    Creating,
    /// init waits.
    Created,
    /// The program runs.
    Running,
    /// Frozen.
    Paused,
    /// init has ended.
    Stopped,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        })
    }
}

/// Where the box's processes are counted and limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupPlace {
    /// `linux.cgroupsPath` of the private bundle.
    pub path: PathBuf,
    /// `--systemd-cgroup`.
    pub systemd: bool,
}

/// How strong the walls are on this kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strength {
    /// The Landlock ABI in force; 0 = none.
    pub landlock_abi: u32,
    /// What the policy wanted and this kernel lacks (`best_effort`).
    pub degraded: Vec<String>,
}

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BoxState {
    /// Container id, which is the sandbox's name.
    pub id: String,
    /// The engine's `--root`.
    pub root: PathBuf,
    /// The engine's bundle.
    pub bundle: PathBuf,
    /// The box's root file system on the host.
    pub rootfs: PathBuf,
    /// The policy's name.
    pub policy: String,
    /// No wall of ours stands: policy `unconfined`.
    pub unconfined: bool,
    /// Strength on this kernel.
    pub strength: Strength,
    /// What exec repeats.
    pub confinement: Confinement,
    /// The compiled filters that init got.
    pub filters: Filters,
    /// The sets that init ended with, where libcontainer's configuration names more so that filters could be loaded.
    pub final_capabilities: Option<LinuxCapabilities>,
    /// What `update` may not lift.
    pub limits: ResourceLimits,
    /// The cgroup.
    pub cgroup: CgroupPlace,
    /// The box has a user namespace of its own.
    pub user_namespace: bool,
    /// How far it has come.
    pub phase: Phase,
    /// Frozen by `pause`.
    pub paused: bool,
    /// The `create` that made it.
    pub creator: ProcessId,
    /// init, once it is there.
    pub init: Option<ProcessId>,
    /// RFC 3339.
    pub created: String,
    /// Who called `create`.
    pub owner: u32,
    /// The engine's annotations.
    pub annotations: BTreeMap<String, String>,
}

impl BoxState {
    /// What it is now.
    #[must_use]
    pub fn status(&self) -> Status {
        match (self.phase, self.init) {
            (Phase::Creating, _) if self.creator.alive() => Status::Creating,
            (Phase::Creating, _) | (_, None) => Status::Stopped,
            (_, Some(init)) if !init.alive() => Status::Stopped,
            (Phase::Created, _) => Status::Created,
            (Phase::Running, _) if self.paused => Status::Paused,
            (Phase::Running, _) => Status::Running,
        }
    }

    /// init's pid, 0 when it has ended.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.init
            .filter(|init| init.alive())
            .map_or(0, |init| init.pid)
    }
}

/// All boxes of one engine.
#[derive(Debug, Clone)]
pub struct Store {
    boxes: PathBuf,
    /// The engine's `--root`.
    pub root: PathBuf,
}

/// Check a container id. Done by every verb, before it becomes part of a path.
///
/// # Errors
/// It is empty, too long, `.`, `..`, or holds another character than letters, digits and `_+-.`.
pub fn check_id(id: &str) -> Result<&str, StateError> {
    let plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(&byte));
    if id.is_empty() || id.len() > LONGEST_ID || !plain || id == "." || id == ".." {
        return Err(StateError::BadId(id.to_owned()));
    }
    Ok(id)
}

impl Store {
    /// The boxes below `state_dir` that belong to the engine with `root`.
    #[must_use]
    pub fn new(state_dir: &Path, root: PathBuf) -> Store {
        Store {
            boxes: state_dir.join("boxes"),
            root,
        }
    }

    /// The directory of a box.
    ///
    /// # Errors
    /// The id is not valid.
    pub fn directory(&self, id: &str) -> Result<PathBuf, StateError> {
        Ok(self.boxes.join(check_id(id)?))
    }

    /// libcontainer's directory of a box.
    ///
    /// # Errors
    /// The id is not valid.
    pub fn libcontainer_directory(&self, id: &str) -> Result<PathBuf, StateError> {
        Ok(self.root.join(check_id(id)?))
    }

    /// Make a box's directory with its first state, at once: there is never a directory without a state.
    ///
    /// # Errors
    /// The id is taken, or the directory cannot be made.
    pub fn claim(&self, state: &BoxState) -> Result<PathBuf, StateError> {
        use std::os::unix::fs::PermissionsExt;
        let target = self.directory(&state.id)?;
        let failed = |source| StateError::Write {
            id: state.id.clone(),
            source,
        };
        // `~` is in no id, so this name is nobody's.
        let draft = self.boxes.join(format!("~{}", std::process::id()));
        fs::create_dir_all(&draft).map_err(failed)?;
        fs::set_permissions(&self.boxes, fs::Permissions::from_mode(0o711)).map_err(failed)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o711)).map_err(failed)?;
        let made = write(&draft, state).and_then(|()| fs::rename(&draft, &target));
        if let Err(source) = made {
            fs::remove_dir_all(&draft).map_err(failed)?;
            let taken = matches!(
                source.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            );
            return Err(if taken {
                self.taken(&state.id)
            } else {
                failed(source)
            });
        }
        Ok(target)
    }

    /// Read a box's state.
    ///
    /// # Errors
    /// There is no such box of this engine, or its file cannot be read.
    pub fn load(&self, id: &str) -> Result<BoxState, StateError> {
        let state = self.load_any(id)?;
        if state.root == self.root {
            Ok(state)
        } else {
            Err(StateError::NotFound(id.to_owned()))
        }
    }

    /// Read a box's state, whichever engine it belongs to.
    ///
    /// # Errors
    /// There is no such box, or its file cannot be read.
    pub fn load_any(&self, id: &str) -> Result<BoxState, StateError> {
        let path = self.directory(id)?.join(FILE);
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename
                ) =>
            {
                return Err(StateError::NotFound(id.to_owned()));
            }
            Err(source) => {
                return Err(StateError::Read {
                    id: id.to_owned(),
                    source,
                });
            }
        };
        serde_json::from_slice(&bytes).map_err(|error| StateError::Read {
            id: id.to_owned(),
            source: error.into(),
        })
    }

    /// Write a box's state.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, state: &BoxState) -> Result<(), StateError> {
        let directory = self.directory(&state.id)?;
        write(&directory, state).map_err(|source| StateError::Write {
            id: state.id.clone(),
            source,
        })
    }

    /// All boxes of this engine, by id.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<BoxState>> {
        let entries = match fs::read_dir(&self.boxes) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            // A box that is being removed has no state any more; another engine's is not ours to show.
            if let Some(state) = name.to_str().and_then(|id| self.load(id).ok()) {
                all.push(state);
            }
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    fn taken(&self, id: &str) -> StateError {
        let other = self
            .load_any(id)
            .ok()
            .map(|state| state.root)
            .filter(|root| *root != self.root);
        StateError::Exists {
            id: id.to_owned(),
            root: other,
        }
    }
}

/// Write beside and rename: a reader sees the old state or the new one.
fn write(directory: &Path, state: &BoxState) -> io::Result<()> {
    let draft = directory.join(format!("{FILE}.{}", std::process::id()));
    fs::write(&draft, serde_json::to_vec(state)?)?;
    fs::rename(&draft, directory.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_can_never_leave_its_directory() {
        let long = "a".repeat(1025);
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "a b",
            "a\0b",
            "ä",
            "~1",
            long.as_str(),
        ] {
            assert!(check_id(id).is_err(), "{id:?}");
        }
        for id in ["a", "A_+-.9", "...", "0123456789abcdef"] {
            assert!(check_id(id).is_ok(), "{id:?}");
        }
    }

    #[test]
    fn a_process_with_another_start_time_is_not_ours() {
        let own = ProcessId::of(i32::try_from(std::process::id()).expect("pid")).expect("running");
        assert!(own.alive());
        let earlier = ProcessId {
            start: own.start - 1,
            ..own
        };
        assert!(!earlier.alive());
        assert!(matches!(earlier.hold(), Err(Errno::ESRCH)));
    }
}
