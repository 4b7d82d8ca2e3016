//! Paths that a box must not read, and paths that it must not write.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::error::{RaiseError, on};
use crate::sys::mount::{self, Attributes, FileSystem, Reach};
use crate::sys::openat2;

/// Put nothing in place of every path of `masked` that is there: an empty directory, or the null device.
///
/// # Errors
/// A path cannot be covered.
pub fn mask(root: BorrowedFd<'_>, masked: &[String], null: BorrowedFd<'_>) -> Result<(), RaiseError> {
    let mut empty = None;
    for path in masked.iter().map(Path::new) {
        let failed = || on("mask", path);
        let Some(place) = there(root, path).map_err(failed())? else {
            continue;
        };
        let (_, directory) = openat2::identity(place.as_fd()).map_err(failed())?;
        let cover = if directory {
            let from = match &empty {
                Some(made) => made,
                None => empty.insert(nothing().map_err(failed())?),
            };
            mount::clone_tree(from.as_fd(), Reach::One)
        } else {
            mount::clone_tree(null, Reach::One)
        };
        let cover = cover.map_err(failed())?;
        mount::attach(cover.as_fd(), place.as_fd()).map_err(failed())?;
    }
    Ok(())
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
