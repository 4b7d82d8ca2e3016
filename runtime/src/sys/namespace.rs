//! Entering namespaces of another process by descriptor.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

/// Enter the mount namespace of the process behind `pidfd`; root and working directory become that namespace's root.
///
/// # Errors
/// The kernel's error.
pub fn enter_mounts_of(pidfd: BorrowedFd<'_>) -> Result<(), Errno> {
    setns(pidfd, CloneFlags::CLONE_NEWNS)
}

/// Enter the user namespace that `namespace` (an open `/proc/PID/ns/user`) names.
///
/// # Errors
/// The kernel's error.
pub fn enter_user(namespace: BorrowedFd<'_>) -> Result<(), Errno> {
    setns(namespace, CloneFlags::CLONE_NEWUSER)
}

/// Become `uid` and `gid` with `groups`, in the caller's user namespace, keeping the permitted capabilities.
///
/// # Errors
/// The kernel's error, `EINVAL` for an id that the namespace does not map.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), Errno> {
    // SAFETY: prctl(PR_SET_KEEPCAPS) takes integers only.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) })?;
    // SAFETY: `groups` is a valid slice of `gid_t` whose length is passed; the kernel only reads it. The raw calls
    // change this thread's ids only, and init of a box is a process with one thread.
    Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })?;
    // SAFETY: three integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: three integers.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    Ok(())
}

/// Give the terminal behind `fd` to `uid`; anything that is no terminal is left alone.
///
/// # Errors
/// The kernel's error.
pub fn own_terminal(fd: BorrowedFd<'_>, uid: u32) -> Result<(), Errno> {
    if !nix::unistd::isatty(fd.as_raw_fd()).unwrap_or(false) {
        return Ok(());
    }
    nix::unistd::fchown(fd.as_raw_fd(), Some(uid.into()), None)
}
