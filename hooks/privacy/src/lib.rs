//! What is sensitive in a text, and what takes its place: detectors, pseudonyms that come back in answers, masks that do
//! not.
//!
//! Everything here is pure but for the files that an operator names. No value that was found is ever printed: a
//! [`Finding`] says what and where, not which.

mod decode;
mod detect;
mod finding;
pub mod ner;
pub mod own;
mod prose;
mod scan;

pub use finding::{Detector, Finding};
pub use scan::{Scanner, Setup, SetupError};
