//! Paths that a box must not read, and paths that it must not write.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::error::{RaiseError, kernel, on};
use crate::sys::mount::{self, Attributes, FileSystem, Reach};
use crate::sys::openat2;

/// Put nothing in place of every path of `masked` that is there: an empty directory, or the detached `null` device.
///
/// # Errors
/// A path cannot be covered.
pub fn mask(
    root: BorrowedFd<'_>,
    masked: &[String],
    null: BorrowedFd<'_>,
) -> Result<(), RaiseError> {
    let mut null = Cover {
        mount: null,
        used: false,
    };
    let directory = nothing().map_err(kernel("make an empty directory to mask others with"))?;
    let mut empty = Cover {
        mount: directory.as_fd(),
        used: false,
    };
    for path in masked.iter().map(Path::new) {
        let failed = || on("mask", path);
        let Some(place) = there(root, path).map_err(failed())? else {
            continue;
        };
        let (_, directory) = openat2::identity(place.as_fd()).map_err(failed())?;
        let cover = if directory { &mut empty } else { &mut null };
        cover.put(place.as_fd()).map_err(failed())?;
    }
    Ok(())
}

/// What is put over others: itself the first time, then copies, which the kernel makes only of what is mounted here.
struct Cover<'a> {
    mount: BorrowedFd<'a>,
    used: bool,
}

impl Cover<'_> {
    fn put(&mut self, place: BorrowedFd<'_>) -> Result<(), Errno> {
        if std::mem::replace(&mut self.used, true) {
            let copy = mount::clone_tree(self.mount, Reach::One)?;
            mount::attach(copy.as_fd(), place)
        } else {
            mount::attach(self.mount, place)
        }
    }
}

/// Make every path of `paths` that is there read-only, with everything below.
///
/// # Errors
/// A path cannot be made so.
pub fn read_only(root: BorrowedFd<'_>, paths: &[String]) -> Result<(), RaiseError> {
    for path in paths.iter().map(Path::new) {
        let failed = || on("make read-only", path);
        let Some(place) = there(root, path).map_err(failed())? else {
            continue;
        };
        let tree = mount::clone_tree(place.as_fd(), Reach::Tree).map_err(failed())?;
        mount::change(
            tree.as_fd(),
            Reach::Tree,
            Attributes::READ_ONLY,
            Attributes::default(),
        )
        .map_err(failed())?;
        mount::attach(tree.as_fd(), place.as_fd()).map_err(failed())?;
    }
    Ok(())
}

/// What stands at `path`, if anything; links count from the box's root.
fn there(root: BorrowedFd<'_>, path: &Path) -> Result<Option<OwnedFd>, Errno> {
    match openat2::open_following(root, path, OFlag::O_PATH) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An empty directory that nothing can be written to.
fn nothing() -> Result<OwnedFd, Errno> {
    let making = FileSystem::open(c"tmpfs")?;
    making.set(c"source", Some(c"tmpfs"))?;
    making.set(c"mode", Some(c"755"))?;
    let none = Attributes::READ_ONLY
        .and(Attributes::NO_SUID)
        .and(Attributes::NO_DEV)
        .and(Attributes::NO_EXEC);
    making.mount(none)
}
