//! A process by descriptor.

use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;

/// A descriptor of the process `pid`, which never comes to mean another process.
///
/// # Errors
/// There is no such process.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: pidfd_open(2) takes two integers and touches no memory of ours.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let raw = Errno::result(raw)?;
    let raw = i32::try_from(raw).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the call just made `raw` for this process (close-on-exec), and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
