//! What an operator brings: lists of words, patterns, documents. Their findings carry his names and his classes.

mod documents;
mod lists;
mod patterns;

use nemoclaw_policy::Class;
use nemoclaw_policy::node::PrivacyConfig;

pub use documents::{Documents, DocumentsError};
pub use lists::{Case, List, ListError};
pub use patterns::{Pattern, PatternError};

use std::sync::Arc;

use crate::finding::{Detector, Finding};

/// A list or a set of documents of the node's.
#[derive(Debug, Clone)]
pub enum Own {
    /// A list.
    List(List),
    /// Documents.
    Documents(Documents),
}

/// Why the node's configuration gives no such thing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnError {
    /// It has none of that name.
    #[error(
        "the policy names the list `{0}`, which the node's configuration does not have under `privacy`"
    )]
    Unknown(String),
    /// The list cannot be used.
    #[error(transparent)]
    List(#[from] ListError),
    /// The documents cannot be used.
    #[error(transparent)]
    Documents(#[from] DocumentsError),
}

impl Own {
    /// Read what the node's configuration has under a name.
    ///
    /// # Errors
    /// It has nothing there, or that cannot be read.
    pub fn read(name: &str, config: &PrivacyConfig) -> Result<Own, OwnError> {
        if let Some(list) = config.lists.get(name) {
            let case = match list.ignore_case {
                true => Case::Any,
                false => Case::Exact,
            };
            return Ok(Own::List(List::read(name, list.class, &list.file, case)?));
        }
        match config.documents.get(name) {
            Some(set) => Ok(Own::Documents(Documents::read(
                name,
                set.class,
                &set.directory,
            )?)),
            None => Err(OwnError::Unknown(name.to_owned())),
        }
    }
}

/// Whose finding it is, and of which class.
#[derive(Debug, Clone)]
struct Owner {
    name: Arc<str>,
    class: Class,
}

impl Owner {
    fn new(name: &str, class: Class) -> Owner {
        Owner {
            name: Arc::from(name),
            class,
        }
    }

    fn finding(&self, start: usize, end: usize) -> Finding {
        Finding {
            class: self.class,
            detector: Detector::Own(Arc::clone(&self.name)),
            start,
            end,
        }
    }
}
