//! What an operator brings: lists of words, patterns, documents. Their findings carry his names and his classes.

mod documents;
mod lists;
mod patterns;

use nemoclaw_policy::Class;

pub use documents::{Documents, DocumentsError};
pub use lists::{Case, List, ListError};
pub use patterns::{Pattern, PatternError};

use std::sync::Arc;

use crate::finding::{Detector, Finding};

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
