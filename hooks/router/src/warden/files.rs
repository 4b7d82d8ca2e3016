//! Policy files: read whole, and only when no stranger can have written them.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::limits;

/// Why a policy file is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read policy `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// No regular file, or too long.
    #[error("policy `{}` is not a file of at most {} bytes", path.display(), limits::POLICY_BYTES)]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// Another owner.
    #[error("policy `{}` now belongs to user {owner}: only root or its first owner may change it", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner now.
        owner: u32,
    },
    /// Writable by others.
    #[error("policy `{}` can be written by others: run `chmod go-w {}`", path.display(), path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
}

/// The owner of `path`, if there is such a file.
#[must_use]
pub fn owner(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|file| file.uid())
}

/// Read a policy that root or `first_owner` may write and nobody else.
///
/// # Errors
/// It cannot be read, or cannot be trusted.
pub fn read(path: &Path, first_owner: Option<u32>) -> Result<String, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    // A pipe in its place must not hold up the warden, which has one thread for all sandboxes.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() || found.len() > limits::POLICY_BYTES {
        return Err(FileError::Kind {
            path: path.to_owned(),
        });
    }
    if found.uid() != 0 && Some(found.uid()) != first_owner {
        return Err(FileError::Owner {
            path: path.to_owned(),
            owner: found.uid(),
        });
    }
    if found.mode() & 0o022 != 0 {
        return Err(FileError::Writable {
            path: path.to_owned(),
        });
    }
    let mut text = String::new();
    (&mut file)
        .take(limits::POLICY_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_others_can_write_is_not_read() {
        let root = tempfile::tempdir().expect("directory");
        let path = root.path().join("policy.yaml");
        std::fs::write(&path, "version: 1\n").expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        let first = owner(&path);
        assert_eq!(read(&path, first).expect("read"), "version: 1\n");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).expect("mode");
        assert!(matches!(
            read(&path, first),
            Err(FileError::Writable { .. })
        ));
    }

    #[test]
    fn a_directory_a_pipe_or_nothing_is_no_policy() {
        let root = tempfile::tempdir().expect("directory");
        let pipe = root.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).expect("pipe");
        assert!(matches!(read(&pipe, None), Err(FileError::Kind { .. })));
        assert!(matches!(
            read(root.path(), None),
            Err(FileError::Kind { .. })
        ));
        assert!(matches!(
            read(&root.path().join("none"), None),
            Err(FileError::Read { .. })
        ));
    }
}
