//! The direct engine: sandboxes without Docker or containerd.
//!
//! It makes a bundle below `<data_dir>/direct/<name>/` and calls `nemoclaw-runtime` as an engine would. Foreground
//! sandboxes belong to the command that started them, detached ones to a keeper process.

pub mod boxes;
pub mod bundle;
pub mod disk;
pub mod engine;
pub mod log;
pub mod names;
pub mod own;
pub mod process;
pub mod relay;
pub mod rootfs;
pub mod signals;
pub mod terminal;
pub mod user;
pub mod volume;
