//! containerd with our runtime: `ctr`, and pods as kubelet makes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod ctr;
mod devices;
mod joining;
mod pods;
mod policies;
mod traffic;

use nemoclaw_tests::{World, containerd, nemoclaw};

/// The world with containerd up; `None` where this machine cannot have one.
fn engine() -> Option<&'static World> {
    let world = nemoclaw!();
    containerd::ensure(world);
    Some(world)
}
