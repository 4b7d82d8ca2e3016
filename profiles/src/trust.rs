//! Whether a file may say what a box is: who owns it, who can write it, and whether the box itself can.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::source::Source;

/// A file that was found trustworthy, and its text.
pub(crate) struct Trusted {
    pub source: Source,
    /// Root owns it, so that its author may relax a box.
    pub of_root: bool,
}

/// Why a file is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Cannot be read.
    #[error("cannot read the file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// No regular file.
    #[error("`{}` is not a regular file: name a policy file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// Group or others may write it.
    #[error("the file `{}` can be written by others than its owner: run `chmod go-w {}`", path.display(), path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// Others may put another file in its place.
    #[error("the file `{}` lies in `{}`, where every user may replace it: run `chmod o-w {}` or move the file", path.display(), directory.display(), directory.display())]
    OpenDirectory {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// Owned by a stranger.
    #[error("the file `{}` belongs to user {owner}, neither root nor you: run `chown root {}`", path.display(), path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Under a directory that the box may write.
    #[error("the policy file `{}` lies below `{}`, which the sandbox can write: move the file out of that mount", path.display(), mount.display())]
    InWritableMount {
        /// The file.
        path: PathBuf,
        /// The mount's source.
        mount: PathBuf,
    },
    /// The file has a second name, which may lie in such a directory.
    #[error("the policy file `{}` has more than one name (hard links), and the sandbox has writable mounts: give it as a copy of its own", path.display())]
    Linked {
        /// The file.
        path: PathBuf,
    },
}

/// Read `path` if root or the caller owns it and nobody else can write it, least of all a box that writes
/// `writable_mounts`.
pub(crate) fn read(path: &Path, writable_mounts: &[PathBuf]) -> Result<Trusted, TrustError> {
    let told = |source| TrustError::Read {
        path: path.to_owned(),
        source,
    };
    let real = std::fs::canonicalize(path).map_err(told)?;
    // Opened without following a link or waiting for a pipe's writer; all else is asked of this descriptor.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
        .open(&real)
        .map_err(told)?;
    let meta = file.metadata().map_err(told)?;
    check_file(path, &meta)?;
    check_directories(path, &real)?;
    check_mounts(path, &real, &meta, writable_mounts)?;
    let source = read_text(&real, file).map_err(told)?;
    Ok(Trusted {
        source,
        of_root: meta.uid() == 0,
    })
}

fn read_text(path: &Path, file: File) -> io::Result<Source> {
    Source::read_from(path, file)
}

fn check_file(path: &Path, meta: &Metadata) -> Result<(), TrustError> {
    let path = path.to_owned();
    if !meta.is_file() {
        return Err(TrustError::NotAFile { path });
    }
    if meta.mode() & 0o022 != 0 {
        return Err(TrustError::Writable { path });
    }
    if meta.uid() != 0 && meta.uid() != nix::unistd::geteuid().as_raw() {
        return Err(TrustError::Owner {
            path,
            owner: meta.uid(),
        });
    }
    Ok(())
}

/// No directory above it may be one where everybody may replace names (sticky ones such as `/tmp` may not be).
fn check_directories(path: &Path, real: &Path) -> Result<(), TrustError> {
    for directory in real.ancestors().skip(1) {
        let meta = std::fs::metadata(directory).map_err(|source| TrustError::Read {
            path: path.to_owned(),
            source,
        })?;
        if meta.mode() & 0o002 != 0 && meta.mode() & 0o1000 == 0 {
            return Err(TrustError::OpenDirectory {
                path: path.to_owned(),
                directory: directory.to_owned(),
            });
        }
    }
    Ok(())
}

/// Neither the file nor a directory above it may be a mount's source, under whatever name.
fn check_mounts(
    path: &Path,
    real: &Path,
    meta: &Metadata,
    mounts: &[PathBuf],
) -> Result<(), TrustError> {
    if mounts.is_empty() {
        return Ok(());
    }
    if meta.nlink() > 1 {
        return Err(TrustError::Linked {
            path: path.to_owned(),
        });
    }
    for mount in mounts {
        let inode = std::fs::metadata(mount)
            .ok()
            .map(|meta| (meta.dev(), meta.ino()));
        let same = |above: &Path| {
            above == mount
                || inode.is_some()
                    && std::fs::metadata(above)
                        .ok()
                        .map(|meta| (meta.dev(), meta.ino()))
                        == inode
        };
        if real.ancestors().any(same) {
            return Err(TrustError::InWritableMount {
                path: path.to_owned(),
                mount: mount.clone(),
            });
        }
    }
    Ok(())
}
