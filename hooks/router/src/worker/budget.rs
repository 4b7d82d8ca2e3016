//! A sandbox's budgets of traffic: what it has spent in the last hour. Where the policy has none nothing is counted and
//! nothing written.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nemoclaw_policy::policy::Budgets;
use serde::Serialize;

use super::policy::InForce;
use super::window::{Limit, Over, Window};
use crate::clock;

/// An hour, by the minute.
const MINUTES: usize = 60;
const MINUTE: u64 = 60;
/// How often the bytes of a connection that is passed through are counted.
const TICK: Duration = Duration::from_millis(50);

/// What a budget is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// HTTP requests and WebSocket texts.
    Requests = 0,
    /// Bytes from the sandbox.
    BytesOut = 1,
    /// Connections.
    Connections = 2,
}

/// A budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the sandbox's budget of {limit} {} in an hour is used up", axis.words())]
pub struct Exceeded {
    /// Which.
    pub axis: Axis,
    /// The policy's limit.
    pub limit: u64,
    /// When some of it is free again, seconds.
    #[serde(rename = "retry_after")]
    pub again: u64,
}

impl Axis {
    fn words(self) -> &'static str {
        match self {
            Axis::Requests => "requests",
            Axis::BytesOut => "bytes sent",
            Axis::Connections => "connections",
        }
    }

    /// The policy's limit.
    fn limit(self, budgets: &Budgets) -> Option<u64> {
        match self {
            Axis::Requests => budgets.requests,
            Axis::BytesOut => budgets.bytes_out,
            Axis::Connections => budgets.connections,
        }
    }
}

/// What a sandbox has spent.
pub struct Budget(Window);

impl Budget {
    /// What the file says.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(file: File) -> std::io::Result<Budget> {
        Window::open(file, MINUTE, MINUTES).map(Budget)
    }

    /// Spend `amount`, or refuse where that is more than is left. Bytes that have passed are counted all the same.
    ///
    /// # Errors
    /// The policy's budget is used up.
    pub fn spend(&self, policy: &InForce, axis: Axis, amount: u64) -> Result<(), Exceeded> {
        let policy = policy.snapshot();
        let Some(limit) = axis.limit(&policy.policy.budgets) else {
            return Ok(());
        };
        self.spend_at(clock::unix_seconds(), axis, amount, limit)
    }

    fn spend_at(&self, now: u64, axis: Axis, amount: u64, limit: u64) -> Result<(), Exceeded> {
        let over = if axis == Axis::BytesOut {
            Over::Counted
        } else {
            Over::Refused
        };
        self.0
            .spend(now, axis as usize, amount, Limit { most: limit, over })
            .map_err(|again| Exceeded { axis, limit, again })
    }

    /// Ends when the bytes that `counter` counts have used the budget up. Where the policy has none it never ends, and
    /// looks again with every tick, since a policy may get one.
    pub async fn watch(&self, policy: &InForce, counter: &AtomicU64) -> Exceeded {
        let mut last = Counted {
            budget: self,
            policy,
            counter,
            seen: 0,
        };
        loop {
            tokio::time::sleep(TICK).await;
            if let Err(exceeded) = last.count() {
                return exceeded;
            }
        }
    }
}

/// Counts what is left when a flow ends.
struct Counted<'a> {
    budget: &'a Budget,
    policy: &'a InForce,
    counter: &'a AtomicU64,
    seen: u64,
}

impl Counted<'_> {
    fn count(&mut self) -> Result<(), Exceeded> {
        let now = self.counter.load(Ordering::Relaxed);
        let more = now.saturating_sub(self.seen);
        self.seen = now;
        match more {
            0 => Ok(()),
            more => self.budget.spend(self.policy, Axis::BytesOut, more),
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        // The flow has ended; the next one is told.
        let _ = self.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> (Budget, File) {
        let file = tempfile::tempfile().expect("file");
        let again = file.try_clone().expect("clone");
        (Budget::open(file).expect("budget"), again)
    }

    #[test]
    fn an_hour_slides_and_tells_when_something_is_free_again() {
        let (budget, _) = budget();
        let begin = 1_000_000 * 60;
        for second in 0..3 {
            assert!(
                budget
                    .spend_at(begin + second, Axis::Requests, 1, 3)
                    .is_ok()
            );
        }
        let full = budget.spend_at(begin + 70, Axis::Requests, 1, 3);
        assert_eq!(full.expect_err("full").again, 3600 - 70);
        assert!(budget.spend_at(begin + 70, Axis::Connections, 1, 3).is_ok());
        assert!(budget.spend_at(begin + 3600, Axis::Requests, 1, 3).is_ok());
    }

    #[test]
    fn bytes_that_have_passed_are_counted_though_they_are_too_many() {
        let (budget, _) = budget();
        assert!(budget.spend_at(60, Axis::BytesOut, 90, 100).is_ok());
        assert!(budget.spend_at(60, Axis::BytesOut, 90, 100).is_err());
        assert!(budget.spend_at(60, Axis::BytesOut, 0, 100).is_err());
    }

    #[test]
    fn what_was_spent_outlives_who_counted_it_and_a_torn_file_is_no_fault() {
        let (first, file) = budget();
        assert!(first.spend_at(600, Axis::Requests, 2, 2).is_ok());
        drop(first);
        let next = Budget::open(file.try_clone().expect("clone")).expect("budget");
        assert!(next.spend_at(660, Axis::Requests, 1, 2).is_err());
        file.set_len(17).expect("torn");
        assert!(Budget::open(file).is_ok());
    }
}
