//! The OCI runtime: builds a box's walls and leaves.

pub mod enforce;
pub mod plan;
pub mod sys;
pub mod verbs;
