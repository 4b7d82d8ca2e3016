//! A child that runs a closure and never execs: for work that must happen in another namespace.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, pipe2};

/// Why a child's answer did not arrive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The child could not be made.
    #[error("cannot start a helper process")]
    Start(#[source] Errno),
    /// The answer could not be read.
    #[error("cannot read from a helper process")]
    Read(#[source] std::io::Error),
    /// The child ended before it had answered.
    #[error("a helper process ended early ({0})")]
    Died(String),
}

/// Run `work` in a forked child and return the bytes it answers with.
///
/// The child ends with `_exit`, so nothing of the parent's is flushed or dropped twice.
///
/// # Errors
/// The child could not be made, or ended without an answer.
pub fn answer_of(work: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, ForkError> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(ForkError::Start)?;
    // SAFETY: the child only runs `work`, writes to its end of the pipe and calls `_exit`. `fork` of libc holds the
    // allocator's locks across the call, so the child may allocate; this process runs no other thread of ours, and
    // `work` takes no lock that another thread could hold.
    match unsafe { fork() }.map_err(ForkError::Start)? {
        ForkResult::Child => {
            drop(reader);
            let sent = catch_unwind(AssertUnwindSafe(work))
                .is_ok_and(|bytes| File::from(writer).write_all(&bytes).is_ok());
            // SAFETY: `_exit` never returns and runs no destructor or exit handler, which is what a forked copy wants.
            unsafe { libc::_exit(i32::from(!sent)) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut bytes = Vec::new();
            let read = File::from(reader).read_to_end(&mut bytes);
            let status = loop {
                match waitpid(child, None) {
                    Err(Errno::EINTR) => {}
                    other => break other,
                }
            };
            read.map_err(ForkError::Read)?;
            match status {
                Ok(WaitStatus::Exited(_, 0)) => Ok(bytes),
                Ok(other) => Err(ForkError::Died(format!("{other:?}"))),
                Err(error) => Err(ForkError::Died(error.to_string())),
            }
        }
    }
}

/// Have the kernel kill `command`'s process when this one ends: a hook that is timed out must not go on alone.
pub fn die_with_parent(command: &mut Command) {
    let parent = nix::unistd::getpid();
    // SAFETY: the closure runs in the forked child before exec. It makes two system calls and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have ended before the call above.
            if nix::unistd::getppid() == parent {
                Ok(())
            } else {
                Err(Errno::ESRCH.into())
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_answers_with_its_bytes() {
        assert_eq!(
            answer_of(|| b"forty-two".to_vec()).expect("answer"),
            b"forty-two"
        );
    }

    #[test]
    fn a_panicking_child_is_an_error_and_not_an_answer() {
        assert!(matches!(
            answer_of(|| panic!("no answer")),
            Err(ForkError::Died(_))
        ));
    }
}
