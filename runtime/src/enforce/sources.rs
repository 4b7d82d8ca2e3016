//! Whether a bind mount shows what its source was when the plan allowed it.
//!
//! The plan decides about a source by its path without symbolic links, and libcontainer resolves that path once more. An
//! agent that can write above a source (its volume holds another's) may put a link in its place between the two. So what
//! was mounted is compared with what the plain path leads to, no link followed: a link put there is found, and what
//! stands there without one is what the plan has decided about.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::sys::openat2;

/// A destination in the box, and what must be there.
pub struct Expected {
    destination: PathBuf,
    identity: (u64, u64),
}

/// What the sources of `binds` (destination, source) are now. Asked in the engine's mount namespace.
///
/// # Errors
/// A source cannot be opened, or a link leads to it now.
pub fn expected(binds: &[(PathBuf, PathBuf)]) -> Result<Vec<Expected>, String> {
    let root = openat2::own_root().map_err(|errno| exchanged(Path::new("/"), errno))?;
    binds
        .iter()
        .map(|(destination, source)| {
            let opened = openat2::open_in(root.as_fd(), source, OFlag::O_PATH);
            let (identity, _) = opened
                .and_then(|fd| openat2::identity(fd.as_fd()))
                .map_err(|errno| exchanged(source, errno))?;
            Ok(Expected {
                destination: destination.clone(),
                identity,
            })
        })
        .collect()
}

/// Compare with what the box below `root` has.
///
/// # Errors
/// Something else is there.
pub fn check(root: BorrowedFd<'_>, all: &[Expected]) -> Result<(), String> {
    for expected in all {
        let path = &expected.destination;
        let found = openat2::open_following(root, path, OFlag::O_PATH)
            .and_then(|fd| openat2::identity(fd.as_fd()))
            .map_err(|errno| exchanged(path, errno))?;
        if found.0 != expected.identity {
            return Err(exchanged(path, Errno::ESTALE));
        }
    }
    Ok(())
}

fn exchanged(path: &Path, errno: Errno) -> String {
    format!(
        "the mount on or from `{}` was exchanged while the sandbox was made ({}): keep others from writing where its \
         source lies",
        path.display(),
        errno.desc()
    )
}
