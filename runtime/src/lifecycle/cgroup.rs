//! A box's cgroup: who is in it, freezing, signalling, limits, removal.

use std::path::{Component, PathBuf};
use std::time::{Duration, Instant};

use libcgroups::common::{
    AnyCgroupManager, CgroupConfig, CgroupManager, ControllerOpt, FreezerState,
};
use oci_spec::runtime::LinuxResources;
use nix::errno::Errno;
use nix::unistd::Pid;

use crate::state::BoxState;
use crate::sys::pidfd::PidFd;

/// How long a killed process may take to leave its cgroup.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);
/// How often the cgroup is looked at meanwhile.
const LEAVE_STEP: Duration = Duration::from_millis(5);

/// Why the cgroup could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// The hierarchy cannot be used.
    #[error("cannot use the cgroups of container \"{id}\"")]
    Open {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: Box<libcgroups::common::CreateCgroupSetupError>,
    },
    /// A step failed.
    #[error("cannot {step} the cgroup of container \"{id}\"")]
    Step {
        /// What was tried.
        step: &'static str,
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: Box<libcgroups::common::AnyManagerError>,
    },
    /// Others live there, and they would end with the box.
    #[error("the cgroup `{}` of container \"{id}\" is in use by {processes} other processes: give the container one of its own", path.display())]
    Taken {
        /// The container.
        id: String,
        /// `linux.cgroupsPath`.
        path: PathBuf,
        /// How many live there.
        processes: usize,
    },
    /// A path that leads out of the hierarchy.
    #[error("the cgroup path `{}` of container \"{id}\" has `..`: name one without", path.display())]
    Outside {
        /// The container.
        id: String,
        /// `linux.cgroupsPath`.
        path: PathBuf,
    },
    /// Killed, and still there.
    #[error(
        "{processes} killed processes of container \"{id}\" do not end: a device or a file system of the network may hold them"
    )]
    Remains {
        /// The container.
        id: String,
        /// How many.
        processes: usize,
    },
    /// A signal was refused.
    #[error("cannot send a signal to process {pid} of container \"{id}\": {}", .source.desc())]
    Signal {
        /// The process.
        pid: i32,
        /// The container.
        id: String,
        /// The kernel's word.
        source: Errno,
    },
}

/// A box's cgroup.
pub struct Cgroup {
    id: String,
    manager: AnyCgroupManager,
}

impl Cgroup {
    /// The cgroup of `state`'s box.
    ///
    /// # Errors
    /// The hierarchy cannot be used.
    pub fn of(state: &BoxState) -> Result<Cgroup, CgroupError> {
        let config = CgroupConfig {
            cgroup_path: state.cgroup.path.clone(),
            systemd_cgroup: state.cgroup.systemd || state.user_namespace,
            container_name: state.id.clone(),
        };
        let manager = libcgroups::common::create_cgroup_manager(config).map_err(|source| {
            CgroupError::Open {
                id: state.id.clone(),
                source: Box::new(source),
            }
        })?;
        Ok(Cgroup {
            id: state.id.clone(),
            manager,
        })
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
        // systemd itself refuses a unit that exists.
        if state.cgroup.systemd {
            return Ok(());
        }
        match Cgroup::of(state)?.pids().len() {
            0 => Ok(()),
            processes => Err(CgroupError::Taken {
                id,
                path,
                processes,
            }),
        }
    }

    fn failed(
        &self,
        step: &'static str,
    ) -> impl Fn(libcgroups::common::AnyManagerError) -> CgroupError {
        let id = self.id.clone();
        move |source| CgroupError::Step {
            step,
            id: id.clone(),
            source: Box::new(source),
        }
    }

    /// The processes in it; none when it is gone.
    #[must_use]
    pub fn pids(&self) -> Vec<Pid> {
        // A cgroup that does not exist is reported as an error by the manager, and means nobody is in it.
        self.manager.get_all_pids().unwrap_or_default()
    }

    /// Stop all processes where they are.
    ///
    /// # Errors
    /// The freezer cannot be written.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        self.manager
            .freeze(FreezerState::Frozen)
            .map_err(self.failed("freeze"))
    }

    /// Let them go on.
    ///
    /// # Errors
    /// The freezer cannot be written.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        self.manager
            .freeze(FreezerState::Thawed)
            .map_err(self.failed("thaw"))
    }

    /// Send `signal` to everyone in it. Frozen meanwhile, so that nobody can fork away.
    ///
    /// # Errors
    /// A signal was refused.
    pub fn signal_all(&self, signal: i32) -> Result<(), CgroupError> {
        // On a kernel without a freezer the loop below still reaches everyone, only in more rounds.
        let frozen = self.freeze().is_ok();
        let sent = self
            .pids()
            .into_iter()
            .try_for_each(|pid| self.signal(pid, signal));
        if frozen {
            self.thaw()?;
        }
        sent
    }

    fn signal(&self, pid: Pid, signal: i32) -> Result<(), CgroupError> {
        match PidFd::open(pid).and_then(|process| process.send(signal)) {
            // It ended on its own.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(source) => Err(CgroupError::Signal {
                pid: pid.as_raw(),
                id: self.id.clone(),
                source,
            }),
        }
    }

    /// Kill everyone in it and wait until it is empty.
    ///
    /// # Errors
    /// A signal was refused, or a process does not end.
    pub fn empty(&self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + LEAVE_LIMIT;
        while !self.pids().is_empty() {
            if Instant::now() > deadline {
                return Err(CgroupError::Remains {
                    id: self.id.clone(),
                    processes: self.pids().len(),
                });
            }
            self.signal_all(libc::SIGKILL)?;
            if !self.pids().is_empty() {
                std::thread::sleep(LEAVE_STEP);
            }
        }
        Ok(())
    }

    /// Remove it; a cgroup that is gone is fine.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self) -> Result<(), CgroupError> {
        self.manager.remove().map_err(self.failed("remove"))
    }

    /// What it has used.
    ///
    /// # Errors
    /// A controller's numbers cannot be read.
    pub fn stats(&self) -> Result<libcgroups::stats::Stats, CgroupError> {
        self.manager
            .stats()
            .map_err(self.failed("read the numbers of"))
    }

    /// Change its limits.
    ///
    /// # Errors
    /// A controller refuses a value.
    pub fn apply(&self, resources: &LinuxResources) -> Result<(), CgroupError> {
        let options = ControllerOpt {
            resources,
            disable_oom_killer: false,
            oom_score_adj: None,
            freezer_state: None,
        };
        self.manager
            .apply(&options)
            .map_err(self.failed("change the limits of"))
    }
}
