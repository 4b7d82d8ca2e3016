//! Making a process in new namespaces with one call.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::unistd::Pid;

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `struct clone_args` of Linux 5.7.
#[repr(C)]
#[derive(Default)]
struct Arguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Which process this is after [`clone`].
#[derive(Debug)]
pub enum Cloned {
    /// The new one.
    Child,
    /// The one that called.
    Parent {
        /// The child's number here.
        pid: Pid,
        /// The child.
        held: OwnedFd,
    },
}

/// Who becomes the new process's parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// The caller.
    Caller,
    /// The caller's own parent.
    Callers,
}

/// Clone this process into the new namespaces that `namespaces` (`CLONE_NEW*` bits) names, and on cgroup v2 into the
/// cgroup behind `cgroup`.
///
/// The child shares nothing with its parent but copies of everything, as after `fork`.
///
/// # Errors
/// The kernel's error.
pub fn clone(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    parent: Parent,
) -> Result<Cloned, Errno> {
    let mut pidfd: libc::c_int = -1;
    let mut arguments = Arguments {
        flags: namespaces | CLONE_PIDFD,
        pidfd: &raw mut pidfd as u64,
        ..Arguments::default()
    };
    match parent {
        Parent::Caller => arguments.exit_signal = libc::SIGCHLD as u64,
        // The kernel takes the caller's own exit signal then, and refuses another.
        Parent::Callers => arguments.flags |= CLONE_PARENT,
    }
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    }
    // SAFETY: `arguments` lives until the call returns and its exact size is passed; the kernel writes one int to
    // `pidfd`, which also lives. Without CLONE_VM and with a null stack the child runs on a copy of this memory. This
    // process has one thread, so no lock is held by a thread that the child lacks; the C library's `fork` handlers are
    // not run, and it has none that a copy of a single-threaded process needs.
    let answer =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<Arguments>()) };
    match Errno::result(answer)? {
        0 => Ok(Cloned::Child),
        pid => {
            let pid = Pid::from_raw(i32::try_from(pid).map_err(|_| Errno::ERANGE)?);
            // SAFETY: the call succeeded in the parent, so the kernel stored a new descriptor that nothing else owns.
            let held = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid, held })
        }
    }
}

/// End this process at once: a cloned copy must not run its parent's exit handlers or destructors.
pub fn leave(code: i32) -> ! {
    // SAFETY: `_exit` never returns and runs no destructor or exit handler.
    unsafe { libc::_exit(code) }
}

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;

    #[test]
    fn a_clone_is_a_child_that_can_be_waited_for() {
        match clone(0, None, Parent::Caller).expect("clone3") {
            Cloned::Child => leave(7),
            Cloned::Parent { pid, .. } => {
                assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 7)));
            }
        }
    }
}
