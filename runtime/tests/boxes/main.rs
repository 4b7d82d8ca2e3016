//! Real boxes on a real kernel. Needs root and busybox-static; without them every test says so and passes.

mod confinement;
mod failures;
mod harness;
mod life;
mod unconfined;
