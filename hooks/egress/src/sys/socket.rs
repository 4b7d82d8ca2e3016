//! Calls on sockets: a namespace's cookie, the next connection.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{SockFlag, accept4};

/// The cookie of the network namespace that `socket` was opened in: unlike an inode it is never used again.
///
/// # Errors
/// The kernel is older than Linux 5.14.
pub fn netns_cookie(socket: BorrowedFd<'_>) -> Result<u64, Errno> {
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: `cookie` and `length` live until the call returns; `length` holds the size of `cookie`, and the kernel
    // writes at most that many bytes to it. A descriptor that is no socket gives ENOTSOCK.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    Errno::result(result)?;
    Ok(cookie)
}

/// The next connection of `listener`, close-on-exec and non-blocking.
///
/// # Errors
/// There is none.
pub fn accept(listener: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let raw = accept4(
        listener.as_raw_fd(),
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
    )?;
    // SAFETY: accept4(2) just made `raw` for this process, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}
