//! Real boxes on a real kernel. Needs root and busybox-static; without them every test says so and passes.

#![allow(clippy::expect_used, clippy::print_stderr)] // a test may panic, and says why it is skipped

mod confinement;
mod devices;
mod events;
mod failures;
mod faults;
mod foreign_calls;
mod harness;
mod hooks;
mod keyring;
mod life;
mod limits;
mod options;
mod proc;
mod programs;
mod refusals;
mod soak;
mod tenants;
mod unconfined;
mod update;
