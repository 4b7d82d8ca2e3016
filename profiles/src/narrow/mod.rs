//! Narrowing: what two policies both allow, whether one asks for more than another has, and how two differ.
//!
//! Laws, held by property tests: meeting is commutative, associative and idempotent, and its outcome is within both.
//! What is said to be within another policy lets nothing pass that the other stops; where that cannot be shown, it is
//! said to ask for more.

mod axis;
mod r#box;
pub mod diff;
mod meet;
mod models;
mod traffic;
mod within;

use crate::policy::{Identity, Policy};

pub use axis::{Axis, Widening};
pub use diff::diff;
pub use meet::meet;
pub use within::is_within;

/// Why no account can satisfy both policies, if they name different ones.
pub fn identity_conflict(a: &Policy, b: &Policy) -> Option<&'static str> {
    let differ = |a: Option<Identity>, b: Option<Identity>| a.is_some() && b.is_some() && a != b;
    if differ(a.process.run_as_user, b.process.run_as_user) {
        Some("run_as_user")
    } else if differ(a.process.run_as_group, b.process.run_as_group) {
        Some("run_as_group")
    } else {
        None
    }
}
