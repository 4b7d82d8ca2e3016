//! One file per attack. Each first shows that the attack works without our box, then that it fails in it,
//! for the box's first process and for an exec'ed one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod capabilities_and_filters;
mod foreign_architectures;
mod foreign_processes;
mod kernel_interfaces;
mod mounts_and_namespaces;
mod socket_families;
mod terminal_input;
mod writes_outside;
