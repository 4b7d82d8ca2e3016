//! How two policies differ, axis by axis.

use std::fmt;

use super::axis::{Axis, Widening};
use super::within::widenings;
use crate::policy::Policy;

/// How an axis changes from one policy to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that either allows is stopped by the other.
    Same,
    /// The second allows more.
    Widened,
    /// The second allows less.
    Narrowed,
    /// Each allows something that the other does not.
    BothWays,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Same => "same",
            Change::Widened => "widened",
            Change::Narrowed => "narrowed",
            Change::BothWays => "both ways",
        })
    }
}

/// What becomes of one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub axis: Axis,
    /// What the second policy has more, with the second one's lines.
    pub more: Vec<Widening>,
    /// What the first one has more, with the first one's lines.
    pub less: Vec<Widening>,
}

impl Difference {
    /// How it changes.
    #[must_use]
    pub fn change(&self) -> Change {
        match (self.more.is_empty(), self.less.is_empty()) {
            (true, true) => Change::Same,
            (false, true) => Change::Widened,
            (true, false) => Change::Narrowed,
            (false, false) => Change::BothWays,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.axis, self.change())?;
        for one in &self.more {
            write!(f, "\n  + {} (was: {}) at {}", one.asked, one.has, one.place)?;
        }
        for one in &self.less {
            write!(f, "\n  - {} (now: {}) at {}", one.asked, one.has, one.place)?;
        }
        Ok(())
    }
}

/// Every axis, in the order of [`Axis::ALL`]; what is the same too.
#[must_use]
pub fn diff(first: &Policy, second: &Policy) -> Vec<Difference> {
    let mut more = widenings(second, first);
    let mut less = widenings(first, second);
    let take = |from: &mut Vec<Widening>, axis: Axis| {
        let (own, others) = from.drain(..).partition(|one| one.axis == axis);
        *from = others;
        own
    };
    Axis::ALL
        .into_iter()
        .map(|axis| Difference {
            axis,
            more: take(&mut more, axis),
            less: take(&mut less, axis),
        })
        .collect()
}
