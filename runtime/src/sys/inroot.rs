//! Opening a path as seen from an image's root, links followed but never out of it.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

/// Open `path` as seen from `root`. Symbolic links count from `root` too; links of `/proc` are refused.
///
/// # Errors
/// The kernel's error.
pub fn open_following(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(resolve);
    let fd = loop {
        match openat2(root.as_raw_fd(), path, how) {
            // The kernel asks for another try when a rename ran beside the walk.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => break other?,
        }
    };
    // SAFETY: openat2 just returned `fd` as a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
