//! What is sensitive in a text, and what takes its place: detectors, pseudonyms that come back in answers, masks that do
//! not.
//!
//! Everything here is pure but for the files that an operator names. No value that was found is ever printed: a
//! [`Finding`] says what and where, not which.

mod answer;
mod decode;
mod detect;
mod finding;
mod kinds;
mod mask;
pub mod ner;
pub mod own;
mod prose;
mod pseudonym;
pub mod restore;
mod rewrite;
mod scan;
pub mod vault;
pub mod watch;

pub use answer::Answer;
pub use finding::{Detector, Finding};
pub use kinds::Kinds;
pub use mask::mask;
pub use restore::{Restorer, restore_whole};
pub use rewrite::{Transform, rewrite};
pub use scan::{Scanner, Setup, SetupError, Unwanted};
pub use vault::{MintError, Session, SessionKey, Vault};
pub use watch::{Watch, Watcher};
