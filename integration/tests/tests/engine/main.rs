//! Docker as people use it, with our runtime: images, verbs, options, networks, user namespaces, refusals, tricks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod devices;
mod direct;
mod ease;
mod gpu;
mod images;
mod limits;
mod networks;
mod options;
mod refusals;
mod registration;
mod tricks;
mod user_namespaces;
mod verbs;
