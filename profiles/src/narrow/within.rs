//! Whether a policy asks for no more than another has.

use super::axis::Widening;
use super::{r#box, models, traffic};
use crate::policy::Policy;

/// Whether `child` lets nothing pass, and gives the box nothing, that `parent` does not.
///
/// Sound, not complete: what is within may in odd cases be told as a widening (a child that spreads over several
/// endpoints what its parent has in one, in ways that only together are no more), never the other way round.
///
/// # Errors
/// Each thing that the child asks for and the parent does not have, in the order of the axes.
pub fn is_within(child: &Policy, parent: &Policy) -> Result<(), Vec<Widening>> {
    let found = widenings(child, parent);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// What `child` asks for and `parent` does not have.
pub(super) fn widenings(child: &Policy, parent: &Policy) -> Vec<Widening> {
    let mut found = r#box::widenings(child, parent);
    found.extend(models::widenings(child, parent));
    found.extend(traffic::widenings(child, parent));
    found.sort_by_key(|widening| widening.axis);
    let mut each: Vec<Widening> = Vec::with_capacity(found.len());
    for widening in found {
        if !each.contains(&widening) {
            each.push(widening);
        }
    }
    each
}
