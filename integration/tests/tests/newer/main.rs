//! What only newer engines do: Docker 26 and containerd 1.7 from a tree of Debian 13. `make test-engines-new` runs these,
//! and all other tests of engines with them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod devices;
mod features;
