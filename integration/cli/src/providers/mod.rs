//! The node's providers as the command writes them: entries in a text that people write too, and secrets in files of
//! their own.

mod disk;
mod edit;
pub mod entry;

pub use disk::{Disk, write_secret};
pub use edit::{remove, set};
