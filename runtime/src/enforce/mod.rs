//! What is done to a process just before its program runs, and to the box's mounts just before it may start.
//!
//! init and every exec'ed process go the same way: [`executor::Confined`] with the same stored values.

pub mod capabilities;
pub mod executor;
pub mod landlock;
pub mod program;
pub mod report;
pub mod seccomp;
mod sources;
pub mod walls;
pub mod witness;
