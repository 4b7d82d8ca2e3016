//! The file as the node has it. One that is missing means no providers.

use std::io;
use std::path::{Path, PathBuf};

use super::Providers;
use crate::source::{Diagnostic, Source};
use crate::trust::{self, TrustError};

/// Why the entries cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// A fault in the text; the full diagnostic has the caret.
    #[error("the providers cannot be used: {}", .0.one_line())]
    Fault(Box<Diagnostic>),
    /// Not to be believed, or not to be read.
    #[error("the providers in `{}` cannot be used", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: TrustError,
    },
}

/// Read the entries with their text. The file must belong to root or the caller, and nobody else may write it.
///
/// # Errors
/// It cannot be read or believed, or there is a fault in it.
pub fn load(path: &Path) -> Result<(Source, Providers), ProviderError> {
    let source = match trust::read(path, &[]) {
        Ok(trusted) => trusted.source,
        Err(TrustError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Source::text(path.display().to_string(), "version: 1\n")
        }
        Err(source) => {
            return Err(ProviderError::Untrusted {
                path: path.to_owned(),
                source,
            });
        }
    };
    let providers = Providers::parse(&source).map_err(ProviderError::Fault)?;
    Ok((source, providers))
}
