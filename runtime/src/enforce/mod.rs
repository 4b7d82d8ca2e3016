//! What is done to a process just before its program runs, and to the box's mounts just before it may start.
//!
//! init and every exec'ed process go the same way: [`last::Last`] with the same stored values.

pub mod capabilities;
pub mod landlock;
pub mod last;
pub mod program;
pub mod report;
pub mod seccomp;
pub mod walls;
