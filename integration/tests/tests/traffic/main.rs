//! What an agent's programs get to, and what they are told when they do not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod audit;
mod credentials;
mod denials;
mod names_and_addresses;
mod programs;
mod support;
mod upstream_addresses;
mod wire;
