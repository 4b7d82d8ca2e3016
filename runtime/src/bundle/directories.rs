//! Making directories that an image lacks, by descriptors: no path ever leads through the image.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, unlinkat};

use super::BundleError;
use crate::plan::NewDirectory;
use crate::sys::openat2;

/// Directories made in an image, to undo them.
#[derive(Debug, Default)]
pub struct Made {
    root: Option<OwnedFd>,
    paths: Vec<PathBuf>,
}

impl Made {
    /// Removes the directories, last made first. One that is no longer empty is kept: something lives in it.
    pub fn undo(self) -> Result<(), BundleError> {
        let Some(root) = self.root else { return Ok(()) };
        let mut first = Ok(());
        for path in self.paths.iter().rev() {
            let removed = parent_of(&root, path).and_then(|(parent, name)| {
                unlinkat(Some(parent.as_raw_fd()), name, UnlinkatFlags::RemoveDir)
            });
            match removed {
                Ok(()) | Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EBUSY) => {}
                Err(errno) => first = first.and(Err(failure("remove", path, errno))),
            }
        }
        first
    }
}

/// Makes `directories` and what lies above them in the image at `root`; what was made is noted in `made` at once.
pub fn make(
    root: OwnedFd,
    directories: &[NewDirectory],
    made: &mut Made,
) -> Result<(), BundleError> {
    let root = made.root.insert(root);
    let mut wanted: Vec<&NewDirectory> = directories.iter().collect();
    wanted.sort_by_key(|directory| directory.path.components().count());
    for directory in wanted {
        for path in above(&directory.path) {
            if make_one(root, path)? {
                made.paths.push(path.to_path_buf());
            }
        }
        if make_one(root, &directory.path)? {
            made.paths.push(directory.path.clone());
            give(root, directory)?;
        }
    }
    Ok(())
}

/// The directories above `path`, outermost first, without `/`.
fn above(path: &Path) -> Vec<&Path> {
    let mut all: Vec<&Path> = path
        .ancestors()
        .skip(1)
        .filter(|above| *above != Path::new("/"))
        .collect();
    all.reverse();
    all
}

/// Makes one directory; false when it is there.
fn make_one(root: &OwnedFd, path: &Path) -> Result<bool, BundleError> {
    let mode = Mode::from_bits_truncate(0o755);
    let make = parent_of(root, path)
        .and_then(|(parent, name)| mkdirat(Some(parent.as_raw_fd()), name, mode));
    match make {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(failure("make", path, errno)),
    }
}

/// Gives a new directory to its owner.
fn give(root: &OwnedFd, directory: &NewDirectory) -> Result<(), BundleError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    openat2::open_in(root.as_fd(), &directory.path, flags)
        .and_then(|fd| {
            let owner = (Uid::from_raw(directory.uid), Gid::from_raw(directory.gid));
            fchown(fd.as_raw_fd(), Some(owner.0), Some(owner.1))
        })
        .map_err(|errno| failure("change the owner of", &directory.path, errno))
}

/// The directory above `path`, opened without following a link, and the last name.
fn parent_of<'a>(root: &OwnedFd, path: &'a Path) -> Result<(OwnedFd, &'a Path), Errno> {
    let name = path.file_name().map(Path::new).ok_or(Errno::EINVAL)?;
    let parent = path.parent().ok_or(Errno::EINVAL)?;
    Ok((
        openat2::open_in(root.as_fd(), parent, OFlag::O_PATH | OFlag::O_DIRECTORY)?,
        name,
    ))
}

fn failure(what: &'static str, path: &Path, errno: Errno) -> BundleError {
    BundleError::Io {
        what,
        path: path.to_path_buf(),
        source: errno.into(),
    }
}
