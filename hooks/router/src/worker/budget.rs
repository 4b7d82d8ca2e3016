//! A sandbox's budgets: what it has spent in the last hour, in a file that outlives this process.
//!
//! The file belongs to the warden and lies where nobody else looks; it comes as a descriptor. Each minute of the hour has
//! its place in it, written when something is spent, so that who makes the worker crash gains nothing. Where the policy
//! has no budgets nothing is counted and nothing written.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nemoclaw_policy::policy::Budgets;
use serde::Serialize;

use super::policy::InForce;
use crate::clock;

/// Minutes that count.
const MINUTES: usize = 60;
/// Bytes of a minute in the file: the minute's number and three counters.
const PLACE: usize = 32;
/// How often the bytes of a connection that is passed through are counted.
const TICK: Duration = Duration::from_millis(50);

/// What was spent in one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Minute {
    number: u64,
    spent: [u64; 3],
}

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
pub struct Budget {
    file: File,
    minutes: Mutex<[Minute; MINUTES]>,
}

impl Budget {
    /// What the file says; a file that is new or torn says less.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(file: File) -> std::io::Result<Budget> {
        let mut minutes = [Minute::default(); MINUTES];
        let mut text = [0; MINUTES * PLACE];
        let mut length = 0;
        while length < text.len() {
            match file.read_at(&mut text[length..], length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        for (minute, place) in minutes.iter_mut().zip(text[..length].chunks_exact(PLACE)) {
            *minute = Minute::read(place);
        }
        Ok(Budget {
            file,
            minutes: Mutex::new(minutes),
        })
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
        let (number, index) = (now / 60, axis as usize);
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = |minute: &&Minute| minute.number + (MINUTES as u64) > number;
        let spent: u64 = minutes
            .iter()
            .filter(counts)
            .map(|minute| minute.spent[index])
            .sum();
        let over = spent.saturating_add(amount) > limit;
        if over && axis != Axis::BytesOut {
            return Err(exceeded(&*minutes, axis, limit, now));
        }
        let place = usize::try_from(number).unwrap_or_default() % MINUTES;
        let minute = &mut minutes[place];
        if minute.number != number {
            *minute = Minute {
                number,
                spent: [0; 3],
            };
        }
        minute.spent[index] = minute.spent[index].saturating_add(amount);
        let written = self
            .file
            .write_all_at(&minute.written(), (place * PLACE) as u64);
        if let Err(error) = written {
            super::log(&format!("a budget cannot be kept: {error}"));
        }
        if over {
            return Err(exceeded(&*minutes, axis, limit, now));
        }
        Ok(())
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

fn exceeded(minutes: &[Minute], axis: Axis, limit: u64, now: u64) -> Exceeded {
    let number = now / 60;
    let oldest = minutes
        .iter()
        .filter(|minute| minute.spent[axis as usize] > 0)
        .map(|minute| minute.number)
        .filter(|minute| minute + (MINUTES as u64) > number)
        .min()
        .unwrap_or(number);
    Exceeded {
        axis,
        limit,
        again: ((oldest + MINUTES as u64) * 60).saturating_sub(now).max(1),
    }
}

impl Minute {
    fn read(place: &[u8]) -> Minute {
        let mut words = place.chunks_exact(8).map(|word| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            u64::from_le_bytes(bytes)
        });
        let mut next = || words.next().unwrap_or_default();
        Minute {
            number: next(),
            spent: [next(), next(), next()],
        }
    }

    fn written(&self) -> [u8; PLACE] {
        let mut place = [0; PLACE];
        let words = [self.number, self.spent[0], self.spent[1], self.spent[2]];
        for (slot, word) in place.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        place
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
