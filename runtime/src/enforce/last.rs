//! The last steps of init and of every exec'ed process, in the order that makes each hold for the next:
//! no_new_privs, capabilities, Landlock, system-call filters, program.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use oci_spec::runtime::Process;

use super::capabilities::{self, CapabilityError, Five, Later};
use super::landlock::{self, LandlockError};
use super::program::{ProgramError, Ready};
use super::seccomp::{Filters, SeccompError};
use crate::plan::Confinement;
use crate::raise::hooks::{self, Stage, View};
use crate::sys::{descriptors, signals, terminal};

/// What `ps` on the host shows until the program runs.
pub const WAITING_NAME: &std::ffi::CStr = c"nemoclaw:init";

/// Everything the last steps need.
pub struct Last<'a> {
    /// The plan's values, with identities when this is an exec.
    pub confinement: &'a Confinement,
    /// The compiled filters.
    pub filters: &'a Filters,
    /// Set no_new_privs: the plan's word, or also an exec's own.
    pub no_new_privileges: bool,
    /// The kernel's Landlock ABI.
    pub kernel_abi: u32,
    /// The process's capabilities; `None` leaves what the user change left.
    pub sets: Option<Five>,
    /// Descriptors after the third that the program gets.
    pub kept: u32,
    /// The user's home, for a process that names none.
    pub home: Option<String>,
    /// This process's number on the host, as far as it is known.
    pub pid: Option<i32>,
    /// Who is told the descriptor of a filter that notifies.
    pub listener: Option<Listener>,
}

/// Whoever answers for the system calls that a filter notifies.
pub struct Listener {
    /// Its socket, connected.
    pub socket: OwnedFd,
    /// The container, as it is told.
    pub view: View,
    /// How far the container has come.
    pub stage: Stage,
    /// The configuration's own words for it.
    pub metadata: Option<String>,
}

/// Why the program could not be started in its walls.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A step that needs no words of its own.
    #[error("cannot {step}: {}", .source.desc())]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// The kernel's word.
        source: Errno,
    },
    /// Landlock.
    #[error(transparent)]
    Landlock(#[from] LandlockError),
    /// Filters.
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    /// Capabilities.
    #[error(transparent)]
    Capabilities(#[from] CapabilityError),
    /// The program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A filter notifies and nobody listens.
    #[error("the seccomp filter notifies a listener, and none was connected")]
    NoListener,
}

/// An error with all its causes, in one line.
#[must_use]
pub fn sentence(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn kernel(step: &'static str) -> impl Fn(Errno) -> StepError {
    move |source| StepError::Kernel { step, source }
}

impl Last<'_> {
    /// Whether capabilities are still needed when everything else is done: only `CAP_SYS_ADMIN` may load a filter
    /// without no_new_privs.
    #[must_use]
    pub fn later(&self) -> Later {
        if self.no_new_privileges || self.filters.programs.is_empty() {
            Later::Nothing
        } else {
            Later::Filters
        }
    }

    /// Do them all and become `process`'s program; comes back only with an error.
    ///
    /// # Errors
    /// The step that failed.
    pub fn run(&self, process: &Process) -> Result<std::convert::Infallible, StepError> {
        let ready = Ready::new(process, &self.added())?;
        descriptors::close_on_exec_from(3_u32.saturating_add(self.kept))
            .map_err(kernel("close inherited descriptors"))?;
        signals::reset().map_err(kernel("reset the signal mask"))?;
        if self.no_new_privileges {
            self.verify()?;
            nix::sys::prctl::set_no_new_privs().map_err(kernel("set no_new_privs"))?;
            if let Some(plan) = &self.confinement.landlock {
                landlock::restrict(plan, self.kernel_abi)?;
            }
            self.filter()?;
        } else {
            self.filter()?;
            if let (Later::Filters, Some(sets)) = (self.later(), &self.sets) {
                capabilities::cut(sets, Later::Nothing)?;
            }
            self.verify()?;
        }
        Err(ready.run().into())
    }

    fn verify(&self) -> Result<(), StepError> {
        if let Some(allowed) = &self.confinement.capabilities {
            capabilities::verify(allowed)?;
        }
        Ok(())
    }

    fn filter(&self) -> Result<(), StepError> {
        if self.filters.listens() && self.listener.is_none() {
            return Err(StepError::NoListener);
        }
        // Written before the filters are on: what they notify must not be needed for it.
        let words = self.listener.as_ref().map(|listener| {
            let metadata = listener.metadata.as_deref();
            hooks::process_state(&listener.view, listener.stage, self.pid, metadata)
        });
        let notifying = self.filters.load()?;
        if let (Some(notifying), Some(listener), Some(words)) = (notifying, &self.listener, words) {
            terminal::send_descriptor(listener.socket.as_fd(), notifying.as_fd(), &words)
                .map_err(kernel("send the seccomp listener"))?;
        }
        Ok(())
    }

    /// Variables that the process may lack: its home, and which sockets it was handed, as systemd names them.
    fn added(&self) -> Vec<(String, String)> {
        let home = self.home.clone().map(|home| ("HOME".to_owned(), home));
        let handed = handed_sockets().map(|count| {
            let own = std::process::id().to_string();
            [
                ("LISTEN_FDS".to_owned(), count.to_string()),
                ("LISTEN_PID".to_owned(), own),
            ]
        });
        home.into_iter()
            .chain(handed.into_iter().flatten())
            .collect()
    }
}

/// How many sockets the caller of the runtime hands to the program.
#[must_use]
pub fn handed_sockets() -> Option<u32> {
    std::env::var("LISTEN_FDS").ok()?.parse().ok()
}
