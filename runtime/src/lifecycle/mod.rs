//! The acting half of the verbs: building a box, running more in it, waiting for it, and taking it down again.

pub mod build;
pub mod console;
pub mod context;
pub mod foreground;
pub mod handle;
pub mod hooks;
mod made;
pub mod planned;
pub mod teardown;
pub mod tenant;
