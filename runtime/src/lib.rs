//! The OCI runtime: builds a box's walls and leaves.
//!
//! `plan` decides and touches nothing, `bundle` and `enforce` act, `verbs` translate what engines ask for.

pub mod bundle;
pub mod cdi;
pub mod cgroup;
pub mod cli;
pub mod enforce;
pub mod input;
pub mod lifecycle;
pub mod log;
pub mod plan;
pub mod raise;
pub mod state;
pub mod sys;
pub mod verbs;
