//! The system calls of the tests that have no safe wrapper.

use std::os::fd::{FromRawFd, OwnedFd};

/// A pidfd of a child of ours.
#[allow(dead_code, reason = "one test file has no children")]
pub fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours; the result is checked below.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(raw >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
    // SAFETY: the kernel made this descriptor for this call, and nothing else knows its number.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(raw).expect("descriptor")) }
}

/// A child, which ends at once.
#[allow(dead_code, reason = "one test file needs it")]
pub fn fork() -> Result<(), nix::errno::Errno> {
    // SAFETY: the child, if there is one, calls nothing but _exit.
    let pid = nix::errno::Errno::result(unsafe { libc::fork() })?;
    if pid == 0 {
        // SAFETY: _exit ends this process at once and runs nothing of ours.
        unsafe { libc::_exit(0) }
    }
    Ok(())
}

/// Attach to the parent as a debugger does.
#[allow(dead_code, reason = "one test file needs it")]
pub fn trace_parent() -> Result<(), nix::errno::Errno> {
    let parent = nix::unistd::Pid::parent().as_raw();
    // SAFETY: PTRACE_SEIZE takes a pid and two integers and touches no memory of ours.
    let done = unsafe { libc::ptrace(libc::PTRACE_SEIZE, parent, 0, 0) };
    nix::errno::Errno::result(done).map(drop)
}

/// Map a page that can be written and executed.
#[allow(dead_code, reason = "one test file needs it")]
pub fn executable_memory() -> Result<(), nix::errno::Errno> {
    let rights = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice overlays nothing; it is never used.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, rights, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(nix::errno::Errno::last());
    }
    Ok(())
}
