//! The one system call of the tests that has no safe wrapper.

use std::os::fd::{FromRawFd, OwnedFd};

/// A pidfd of a child of ours.
pub fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours; the result is checked below.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(raw >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel made this descriptor for this call, and nothing else knows its number.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(raw).expect("descriptor")) }
}
