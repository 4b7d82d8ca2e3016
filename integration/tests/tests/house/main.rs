//! House rules, read from the sources: who may import whom, where `unsafe` may stand, how long a file may be, what
//! product code never holds, and that each promise names the test that holds it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod dependencies;
mod promises;
mod sources;
