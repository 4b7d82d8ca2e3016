//! The acting half of the verbs: building a box, running more in it, waiting for it, and taking it down again.

pub mod aside;
pub mod build;
pub mod console;
pub mod context;
pub mod foreground;
pub mod handle;
pub mod hooks;
pub mod planned;
pub mod rights;
pub mod running;
pub mod teardown;
pub mod tenant;
pub mod watch;
mod words;
