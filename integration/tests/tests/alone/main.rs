//! Tests that measure or count, and so have the machine to themselves: one after another, and no other test beside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod keyring;
mod leftovers;
mod reload;
mod router_restart;
mod worker_death;

/// The turn of the tests in this process; other processes wait for `turn.lock`.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Waits for the turn. A test that failed before does not spoil it.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
