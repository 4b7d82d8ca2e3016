//! Model calls from sandboxes: official clients, real models, and what reaches whom.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a broken precondition must end the test with its reason"
)]

mod clients;
mod faults;
mod ground;
mod places;
mod privacy;
mod real;
mod support;
