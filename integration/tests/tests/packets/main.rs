//! Nothing leaves but by the router: every protocol and trick, counted on the outer interfaces.
//!
//! Each file is an attack; `support` runs it without the box, then in it, on every kind of network and capture.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod accepted_socket;
mod direct_addresses;
mod domain_names;
mod other_protocols;
mod siblings;
mod socket_options;
mod support;
