//! What is remembered of a box: `<state_dir>/boxes/<id>/state.json`.
//!
//! Processes are remembered by pid *and* start time, so that a reused pid is never taken for ours.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::Pid;
use oci_spec::runtime::{Hook, LinuxPersonality, Process as Configured};
use procfs::process::Process;
use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupPlace;
use crate::enforce::last::WAITING_NAME;
use crate::enforce::seccomp::Filters;
use crate::plan::{Confinement, ResourceLimits};
use crate::raise::rdt::Group;
use crate::sys::pidfd::PidFd;

mod store;

pub use store::{Store, check_id};

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
    #[error("cannot read the state of container \"{id}\" in `{}`", path.display())]
    Read {
        /// The id.
        id: String,
        /// The file.
        path: PathBuf,
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

    /// Whether it has not become its program yet: it still has the name that we gave it.
    #[must_use]
    pub fn waits(self) -> bool {
        let stat = Process::new(self.pid).and_then(|process| process.stat());
        stat.is_ok_and(|stat| {
            stat.starttime == self.start && stat.comm.as_bytes() == WAITING_NAME.to_bytes()
        })
    }

    /// Take hold of it.
    ///
    /// # Errors
    /// `ESRCH` when it is gone, also when another process has its pid now.
    pub fn hold(self) -> Result<PidFd, Errno> {
        let held = PidFd::open(Pid::from_raw(self.pid))?;
        // Asked by pid after the open: ours that has the pid now had it at the open too, since a pid that was given away
        // never comes back to the process that lost it.
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

/// How strong the walls are on this kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strength {
    /// The Landlock ABI in force; 0 = none.
    pub landlock_abi: u32,
    /// What the policy wanted and this kernel lacks (`best_effort`).
    pub degraded: Vec<String>,
}

/// Hooks of the engine, and of the egress, that run after create.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaterHooks {
    /// When the program runs.
    pub poststart: Vec<Hook>,
    /// When the box is removed.
    pub poststop: Vec<Hook>,
    /// The egress hook, after these.
    pub release: Option<Hook>,
}

/// What exec repeats: `<state_dir>/boxes/<id>/walls.json`. In a file of its own, since it is long and only exec reads it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Repeated {
    /// The plan's values, with the identities of the paths.
    pub confinement: Confinement,
    /// The compiled filters that init got.
    pub filters: Filters,
    /// Whoever listens to filters that notify.
    pub agent: Option<Agent>,
    /// init's process, of which an exec by arguments changes a part.
    pub process: Option<Configured>,
    /// The execution domain of every process.
    pub personality: Option<LinuxPersonality>,
}

/// A seccomp listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its unix socket.
    pub path: PathBuf,
    /// The configuration's words for it.
    pub metadata: Option<String>,
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
    /// What `update` may not lift.
    pub limits: ResourceLimits,
    /// The cgroup.
    pub cgroup: CgroupPlace,
    /// Its processes keep the session keyring of whoever starts them (only under `unconfined`).
    #[serde(default)]
    pub keeps_keyring: bool,
    /// Its share of cache and memory bandwidth.
    #[serde(default)]
    pub rdt: Option<Group>,
    /// Hooks that later verbs run.
    pub hooks: LaterHooks,
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
            // A `start` that was killed after its word to init has not written that the program runs.
            (Phase::Created, Some(init)) if init.waits() => Status::Created,
            _ if self.paused => Status::Paused,
            _ => Status::Running,
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

#[cfg(test)]
mod tests {
    use super::*;

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
