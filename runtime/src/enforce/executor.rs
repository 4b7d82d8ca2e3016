//! The last steps of init and of every exec'ed process, in the order that makes each hold for the next:
//! working directory, no_new_privs, Landlock, system-call filters, program.
//!
//! libcontainer calls [`Executor::validate`] in the box before it says «created», and [`Executor::exec`] after the
//! start. The session keyring is new before the fork, so that its key is charged to root's quota and not the user's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::time::Duration;

use libcontainer::oci_spec::runtime::{LinuxCapabilities, Process, Spec, User};
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::capabilities::{self, CapabilityError};
use super::landlock::{self, LandlockError};
use super::program::{self, ProgramError, Ready};
use super::report;
use super::seccomp::{Filters, SeccompError};
use crate::plan::Confinement;
use crate::sys::pidfd::PidFd;
use crate::sys::{descriptors, namespace, signals};

/// What `ps` on the host shows until the program runs.
pub const WAITING_NAME: &std::ffi::CStr = c"nemoclaw:init";
/// Variables that libcontainer adds and that a process may lack.
const ADDED: [&str; 3] = ["HOME", "LISTEN_FDS", "LISTEN_PID"];

/// Everything the last steps need, made before the fork.
pub struct Parts {
    /// The plan's values, with identities when this is an exec.
    pub confinement: Confinement,
    /// The compiled filters.
    pub filters: Filters,
    /// The kernel's Landlock ABI.
    pub kernel_abi: u32,
    /// The sets to cut down to here, where libcontainer was told to leave more than the plan allows.
    pub final_capabilities: Option<LinuxCapabilities>,
    /// The user namespace to enter and the user to become, for an exec into a box that has one.
    pub user_namespace: Option<(OwnedFd, User)>,
    /// Descriptors after the third that the caller asked to keep.
    pub preserve: u32,
    /// Where a failing step is told to the verb.
    pub report: OwnedFd,
    /// The verb that an exec'ed process must not outlive before its program runs.
    pub verb: Option<PidFd>,
    /// Where `start` waits for init.
    pub start: Option<UnixListener>,
}

/// Our executor. A clone shares its parts, as libcontainer wants for its forks.
#[derive(Clone)]
pub struct Confined {
    parts: Rc<Parts>,
    /// The first descriptor that the program does not get.
    first_closed: u32,
    added: Rc<RefCell<Vec<(String, String)>>>,
}

/// Why the program could not be started in its walls.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// libcontainer's spec has no process.
    #[error("the configuration names no process")]
    NoProcess,
    /// A step that needs no words of its own.
    #[error("cannot {step}: {}", .source.desc())]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// The kernel's word.
        source: Errno,
    },
    /// The verb was killed.
    #[error("the command that starts the process has ended")]
    VerbEnded,
    /// The working directory is outside the box.
    #[error("the working directory is not inside the box's root")]
    Outside,
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

impl Confined {
    /// Make it.
    #[must_use]
    pub fn new(parts: Parts) -> Confined {
        // The caller's own variable, read before libcontainer sets the box's.
        let sockets = std::env::var("LISTEN_FDS").ok();
        let sockets: u32 = sockets.and_then(|count| count.parse().ok()).unwrap_or(0);
        Confined {
            first_closed: 3_u32.saturating_add(sockets).saturating_add(parts.preserve),
            parts: Rc::new(parts),
            added: Rc::default(),
        }
    }

    fn prepare(&self, spec: &Spec) -> Result<(), StepError> {
        let process = process(spec)?;
        nix::sys::prctl::set_name(WAITING_NAME).map_err(kernel("name the process"))?;
        if let Some((namespace, user)) = &self.parts.user_namespace {
            enter(namespace.as_fd(), user)?;
        }
        if let Some(verb) = &self.parts.verb {
            end_with(verb)?;
        }
        program::find(process)?;
        Ok(())
    }

    fn confine_and_run(&self, spec: &Spec) -> Result<std::convert::Infallible, StepError> {
        let process = process(spec)?;
        let parts = &self.parts;
        if parts.verb.is_some() {
            nix::sys::prctl::set_pdeathsig(None).map_err(kernel("outlive the command"))?;
        }
        change_directory(process)?;
        let ready = Ready::new(process, &self.added.borrow())?;
        descriptors::close_on_exec_from(self.first_closed)
            .map_err(kernel("close inherited descriptors"))?;
        signals::reset().map_err(kernel("reset the signal mask"))?;
        if parts.confinement.no_new_privileges {
            self.cut_capabilities()?;
            nix::sys::prctl::set_no_new_privs().map_err(kernel("set no_new_privs"))?;
            if let Some(plan) = &parts.confinement.landlock {
                landlock::restrict(plan, parts.kernel_abi)?;
            }
            parts.filters.load()?;
        } else {
            // Without no_new_privs only CAP_SYS_ADMIN may load a filter, so the capabilities are cut afterwards.
            parts.filters.load()?;
            self.cut_capabilities()?;
        }
        Err(ready.run().into())
    }

    fn cut_capabilities(&self) -> Result<(), StepError> {
        if let Some(wanted) = &self.parts.final_capabilities {
            capabilities::cut_to(wanted)?;
        }
        if let Some(allowed) = &self.parts.confinement.capabilities {
            capabilities::verify(allowed)?;
        }
        Ok(())
    }

    fn tell(&self, error: &StepError) -> String {
        let text = sentence(error);
        report::tell(&self.parts.report, &text);
        text
    }
}

impl Executor for Confined {
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        self.prepare(spec)
            .map_err(|error| ExecutorValidationError::ArgValidationError(self.tell(&error)))
    }

    fn setup_envs(&self, variables: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The program gets its variables from the specification, in its order; here only what libcontainer added.
        let added = variables
            .into_iter()
            .filter(|(name, _)| ADDED.contains(&name.as_str()));
        self.added.borrow_mut().extend(added);
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        match self.confine_and_run(spec) {
            Ok(never) => match never {},
            Err(error) => {
                let text = self.tell(&error);
                if let Some(start) = &self.parts.start {
                    report::tell_start(start, &text);
                }
                Err(ExecutorError::Other(text))
            }
        }
    }
}

fn process(spec: &Spec) -> Result<&Process, StepError> {
    spec.process().as_ref().ok_or(StepError::NoProcess)
}

fn kernel(step: &'static str) -> impl Fn(Errno) -> StepError {
    move |source| StepError::Kernel { step, source }
}

/// Have the kernel kill this process when the verb dies: nobody else would ever end its wait for the start, which is
/// before Landlock and filters. Changes of user undo the order, so it comes after them.
fn end_with(verb: &PidFd) -> Result<(), StepError> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(kernel("end with the command"))?;
    // The verb may have ended before the order was given. Its pid cannot tell: it is none in here.
    match verb.wait_end(Duration::ZERO) {
        Ok(false) => Ok(()),
        Ok(true) => Err(StepError::VerbEnded),
        Err(source) => Err(kernel("look for the command")(source)),
    }
}

/// Enter again: the mounts changed since libcontainer entered it. A directory that only root may enter keeps the place
/// that libcontainer, then root, found; that one lies on a read-only mount.
fn change_directory(process: &Process) -> Result<(), StepError> {
    let cwd = process.cwd();
    if !cwd.as_os_str().is_empty() {
        match nix::unistd::chdir(cwd) {
            Ok(()) | Err(Errno::EACCES) => {}
            Err(source) => return Err(kernel("enter the working directory")(source)),
        }
    }
    // The kernel answers ENOENT, or a path that does not begin with a slash, for a directory outside the root.
    match nix::unistd::getcwd() {
        Ok(path) if path.is_absolute() => Ok(()),
        Ok(_) | Err(Errno::ENOENT) => Err(StepError::Outside),
        // The directory's parents cannot be read by this user; it was entered from the box's own root.
        Err(Errno::EACCES) => Ok(()),
        Err(source) => Err(kernel("read the working directory")(source)),
    }
}

/// libcontainer never joins a box's user namespace for an exec: it would run as the host's user of that number.
fn enter(namespace: BorrowedFd<'_>, user: &User) -> Result<(), StepError> {
    namespace::enter_user(namespace).map_err(kernel("enter the box's user namespace"))?;
    for fd in [
        std::io::stdin().as_fd(),
        std::io::stdout().as_fd(),
        std::io::stderr().as_fd(),
    ] {
        match namespace::own_terminal(fd, user.uid()) {
            Ok(()) | Err(Errno::EPERM | Errno::EINVAL | Errno::EROFS) => {}
            Err(source) => return Err(kernel("hand the terminal to the user")(source)),
        }
    }
    let groups = user.additional_gids().as_deref().unwrap_or_default();
    namespace::become_user(user.uid(), user.gid(), groups)
        .map_err(kernel("become the process's user"))
}
