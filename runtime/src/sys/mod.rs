//! The only folder of this crate where `unsafe` may stand: thin wrappers of system calls that no crate wraps well.
//!
//! Every wrapper turns raw numbers into owned descriptors or a typed error at once, and decides nothing.

pub mod bpf;
pub mod clone;
pub mod descriptors;
pub mod fork;
pub mod ids;
pub mod keyring;
pub mod landlock;
pub mod mount;
pub mod names;
pub mod openat2;
pub mod pidfd;
pub mod seal;
pub mod seccomp;
pub mod signals;
pub mod terminal;
pub mod tuning;
