//! Podman 4 and its conmon with our runtime.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod buildah;
mod networks;
mod options;
mod verbs;

use nemoclaw_tests::{World, nemoclaw, podman};

/// The world with Podman configured; `None` where this machine cannot have one.
fn engine() -> Option<&'static World> {
    let world = nemoclaw!();
    podman::ensure(world);
    Some(world)
}
