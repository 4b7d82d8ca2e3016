//! The one system call that no safe crate of ours offers.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A descriptor of process `pid`, which this bench started and has not waited for.
pub fn pidfd(pid: i32) -> OwnedFd {
    // SAFETY: `pidfd_open` takes two integers and touches no memory of ours; a pid that is gone gives ESRCH.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(raw >= 0, "pidfd: {}", std::io::Error::last_os_error());
    let raw = RawFd::try_from(raw).expect("a descriptor");
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
