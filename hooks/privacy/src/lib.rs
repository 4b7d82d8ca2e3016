//! What is sensitive in a text, and what takes its place: detectors, pseudonyms that come back in answers, masks that do
//! not.
//!
//! Everything here is pure but for the files that an operator names. No value that was found is ever printed: a
//! [`Finding`] says what and where, not which.

mod finding;
pub mod ner;
pub mod own;
mod prose;

pub use finding::{Detector, Finding};

/// dev
pub fn prose_find(text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    prose::Prose::all().find(text, &mut found);
    found
}
