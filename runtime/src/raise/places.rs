//! Where something is mounted in a box: found, or made, without ever leaving the box's root.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, mkdirat};

use crate::bundle::leads::leads;
use crate::sys::openat2;

/// What a mount needs below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file.
    File,
}

/// A place.
#[derive(Debug)]
pub struct Place {
    /// The file or directory.
    pub fd: OwnedFd,
    /// It was there before.
    pub existed: bool,
}

/// Find `path` below `root`, links of the image followed inside it, and make what is missing.
///
/// # Errors
/// The kernel's error.
pub fn at(root: BorrowedFd<'_>, path: &Path, kind: Kind) -> Result<Place, Errno> {
    match openat2::open_following(root, path, OFlag::O_PATH) {
        Ok(fd) => return Ok(Place { fd, existed: true }),
        Err(Errno::ENOENT) => {}
        Err(error) => return Err(error),
    }
    let (plain, _) = leads(root, path)?;
    make(root, &plain, kind).map(|fd| Place { fd, existed: false })
}

/// Make `path`, which has no links, and the directories above it.
///
/// # Errors
/// The kernel's error.
pub fn make(root: BorrowedFd<'_>, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name().map(Path::new)) else {
        return openat2::open_in(root, Path::new("/"), OFlag::O_PATH);
    };
    let above = match openat2::open_in(root, above, OFlag::O_PATH | OFlag::O_DIRECTORY) {
        Err(Errno::ENOENT) => make(root, above, Kind::Directory)?,
        other => other?,
    };
    let made = match kind {
        Kind::Directory => mkdirat(
            Some(above.as_raw_fd()),
            name,
            Mode::from_bits_truncate(0o755),
        ),
        Kind::File => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            let mode = Mode::from_bits_truncate(0o644);
            openat(Some(above.as_raw_fd()), name, flags, mode).and_then(nix::unistd::close)
        }
    };
    match made {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(error),
    }
    openat2::open_in(above.as_fd(), name, OFlag::O_PATH)
}
