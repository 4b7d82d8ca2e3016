//! Secrets in files: read only where nobody but root can, and only what could be sent.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{MAX_SECRET, MIN_SECRET, placeholder};

/// Why a secret cannot be used. What is in its file is never told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Others may read it.
    #[error("`{}` holds a secret, so it must be a file of root's alone: run `chown root {}; chmod 600 {}`", path.display(), path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// Not to be sent.
    #[error("what is in `{}` is no credential: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
}

impl SecretError {
    /// Whether there is no file.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, SecretError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// The one line of a file that nobody but root can read.
///
/// # Errors
/// It cannot be read, others can read it, or it holds nothing that could be sent.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOFOLLOW)
        .open(path)
        .map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() || meta.uid() != 0 || meta.mode() & 0o077 != 0 {
        return Err(SecretError::Open {
            path: path.to_owned(),
        });
    }
    line_of(file).map_err(|unread| match unread {
        Unread::Io(source) => failed(source),
        Unread::Form(why) => SecretError::Form {
            path: path.to_owned(),
            why,
        },
    })
}

/// Why a stream holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unread {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[source] io::Error),
    /// Not to be sent.
    #[error("{0}")]
    Form(&'static str),
}

/// The one line of a stream.
///
/// # Errors
/// It cannot be read, or holds nothing that could be sent.
pub fn line_of(stream: impl Read) -> Result<Zeroizing<String>, Unread> {
    // Room for all of it: a text that grew would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_SECRET + 64));
    stream
        .take(MAX_SECRET as u64 + 3)
        .read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Unread::Form("it is no text"),
            _ => Unread::Io(error),
        })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    check_secret(line).map_err(Unread::Form)?;
    Ok(Zeroizing::new(line.to_owned()))
}

/// Why a text is no secret that could be sent; the text itself is never told.
///
/// # Errors
/// Empty, too long, not printable ASCII, or with space at its ends.
pub fn check_secret(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() < MIN_SECRET {
        return Err(
            "it is shorter than 8 characters, so that it could not be told from other text in an answer",
        );
    }
    if text.len() > MAX_SECRET {
        return Err("it is longer than 8 KiB");
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(
            "it holds a line break, a control character or a character outside ASCII, which no header field may hold",
        );
    }
    if text.trim() != text {
        return Err("it begins or ends with a space");
    }
    if placeholder::find(text).is_some() {
        return Err("it is a placeholder itself");
    }
    Ok(())
}
