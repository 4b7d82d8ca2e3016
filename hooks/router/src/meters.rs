//! How long things take, counted in the worker without a lock and added up in the warden, where a worker's end loses
//! nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Upper bounds of the time a decision takes, seconds.
pub const DECISION: &[f64] = &[1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2];
/// Upper bounds of the time until an upstream's answer begins, seconds: from a server beside this one to a model that
/// thinks.
pub const ANSWER: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// A histogram: how often each bound was the first that was not passed, and last how often all were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// See above.
    pub buckets: Vec<u64>,
    /// All times together.
    pub nanoseconds: u64,
}

impl Counts {
    /// Nothing yet, for `bounds`.
    #[must_use]
    pub fn new(bounds: &[f64]) -> Counts {
        Counts {
            buckets: vec![0; bounds.len() + 1],
            nanoseconds: 0,
        }
    }

    /// Add what a worker counted; buckets it does not have are none.
    pub fn add(&mut self, more: &Counts) {
        for (sum, count) in self.buckets.iter_mut().zip(&more.buckets) {
            *sum = sum.saturating_add(*count);
        }
        self.nanoseconds = self.nanoseconds.saturating_add(more.nanoseconds);
    }

    fn is_empty(&self) -> bool {
        self.buckets.iter().all(|count| *count == 0)
    }
}

/// What a worker measured since it last said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Decisions on requests.
    pub decisions: Counts,
    /// Upstreams' answers.
    pub answers: Counts,
}

/// A histogram that is counted in.
struct Meter {
    bounds: &'static [f64],
    buckets: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

impl Meter {
    fn new(bounds: &'static [f64]) -> Meter {
        Meter {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            nanoseconds: AtomicU64::new(0),
        }
    }

    fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    fn take(&self) -> Counts {
        let take = |bucket: &AtomicU64| bucket.swap(0, Ordering::Relaxed);
        Counts {
            buckets: self.buckets.iter().map(take).collect(),
            nanoseconds: self.nanoseconds.swap(0, Ordering::Relaxed),
        }
    }
}

/// The worker's meters.
pub struct Meters {
    decisions: Meter,
    answers: Meter,
}

impl Default for Meters {
    fn default() -> Meters {
        Meters {
            decisions: Meter::new(DECISION),
            answers: Meter::new(ANSWER),
        }
    }
}

impl Meters {
    /// A request was decided in `time`.
    pub fn decided(&self, time: Duration) {
        self.decisions.observe(time);
    }

    /// An upstream's answer began `time` after its request.
    pub fn answered(&self, time: Duration) {
        self.answers.observe(time);
    }

    /// What there was since the last time; `None` when there was nothing.
    #[must_use]
    pub fn take(&self) -> Option<Measured> {
        let measured = Measured {
            decisions: self.decisions.take(),
            answers: self.answers.take(),
        };
        let empty = measured.decisions.is_empty() && measured.answers.is_empty();
        (!empty).then_some(measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_counted_under_the_first_bound_that_it_does_not_pass_and_once() {
        let meters = Meters::default();
        assert_eq!(meters.take(), None);
        for micros in [1, 3, 3, 50_000] {
            meters.decided(Duration::from_micros(micros));
        }
        let decisions = meters.take().expect("measured").decisions;
        assert_eq!(decisions.buckets, [1, 0, 2, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(decisions.nanoseconds, 50_007_000);
        assert_eq!(meters.take(), None);
        let mut sum = Counts::new(DECISION);
        sum.add(&decisions);
        sum.add(&Counts {
            buckets: vec![u64::MAX; 99],
            nanoseconds: u64::MAX,
        });
        assert_eq!(sum.buckets.len(), DECISION.len() + 1);
        assert_eq!(sum.nanoseconds, u64::MAX);
    }
}
