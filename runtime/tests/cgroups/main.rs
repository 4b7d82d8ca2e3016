//! Real cgroups of whichever version this machine has: on the host of the tests version 1 beside version 2, in the
//! virtual machine of `make test-vm` version 2 alone. Needs root; without it every test says so and passes.

#![allow(clippy::expect_used, clippy::print_stderr)] // a test may panic, and says why it is skipped

mod devices;
mod harness;
mod life;
mod limits;
mod memory;
mod rights;
