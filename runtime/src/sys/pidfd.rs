//! Processes by descriptor: a pidfd never names another process than the one it was opened for.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

/// A process that cannot be mistaken for another.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Take hold of the process that `pid` names now.
    ///
    /// # Errors
    /// `ESRCH` when there is none.
    pub fn open(pid: Pid) -> Result<PidFd, Errno> {
        // SAFETY: pidfd_open takes two integers and writes no memory.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
        let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
        // SAFETY: the call just returned `fd` as a new descriptor that nothing else owns.
        Ok(PidFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Send a signal by its number.
    ///
    /// # Errors
    /// `ESRCH` when the process is gone.
    pub fn send(&self, signal: i32) -> Result<(), Errno> {
        // SAFETY: a null siginfo makes the kernel fill in what kill(2) would; nothing of ours is read or written.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal,
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        Errno::result(result).map(drop)
    }

    /// Wait until the process has ended; false when `limit` passed first.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn wait_end(&self, limit: Duration) -> Result<bool, Errno> {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        loop {
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Err(Errno::EINTR) => {}
                other => return other.map(|ready| ready > 0),
            }
        }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
