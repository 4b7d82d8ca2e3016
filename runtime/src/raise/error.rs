//! Why a process of a box could not be made: one sentence that names what was tried on what.

use std::path::Path;

use nix::errno::Errno;

use crate::enforce::last::StepError;

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RaiseError {
    /// The kernel refused.
    #[error("cannot {what}: {}", .source.desc())]
    Kernel {
        /// What was tried, on what.
        what: String,
        /// The kernel's word.
        source: Errno,
    },
    /// The configuration asks for something that cannot be.
    #[error("{0}")]
    Config(String),
    /// What happens just before the program runs.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The other end of the channel is gone.
    #[error("the command that makes this process has ended")]
    Alone,
}

/// Says what was tried when the kernel refuses.
pub fn kernel(what: impl Into<String>) -> impl FnOnce(Errno) -> RaiseError {
    let what = what.into();
    move |source| RaiseError::Kernel { what, source }
}

/// The same, for something done to a path.
pub fn on(verb: &str, path: &Path) -> impl FnOnce(Errno) -> RaiseError {
    kernel(format!("{verb} `{}`", path.display()))
}

/// The kernel's number in an error of the standard library.
#[must_use]
pub fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
