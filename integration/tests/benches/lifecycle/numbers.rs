//! Medians, percentiles, and ratios of what was measured in the same round.

use std::collections::BTreeMap;

use crate::rounds::Step;
use crate::stopwatch::Lap;

/// All samples: subject and step, then one value a round, in milliseconds.
#[derive(Debug, Default)]
pub struct Samples {
    /// Milliseconds.
    pub times: BTreeMap<(String, Step), Vec<f64>>,
    /// Processor time in milliseconds; what does not wait for others' turns.
    pub work: BTreeMap<(String, Step), Vec<f64>>,
    /// Peak memory of a step over all rounds, in KiB.
    pub memory: BTreeMap<(String, Step), u64>,
}

impl Samples {
    /// Adds a lap of this round.
    pub fn add(&mut self, subject: &str, step: Step, lap: &Lap) {
        self.add_times(subject, step, lap.milliseconds, lap.work);
        self.remember(subject, step, lap.kib);
    }

    /// Adds milliseconds of time and of work of this round.
    pub fn add_times(&mut self, subject: &str, step: Step, milliseconds: f64, work: f64) {
        let key = (subject.to_owned(), step);
        self.work.entry(key.clone()).or_default().push(work);
        self.times.entry(key).or_default().push(milliseconds);
    }

    /// Adds all of `others`.
    pub fn take(&mut self, others: Samples) {
        for (key, list) in others.times {
            self.times.entry(key).or_default().extend(list);
        }
        for (key, list) in others.work {
            self.work.entry(key).or_default().extend(list);
        }
        for ((subject, step), kib) in others.memory {
            self.remember(&subject, step, kib);
        }
    }

    fn remember(&mut self, subject: &str, step: Step, kib: u64) {
        let most = self.memory.entry((subject.to_owned(), step)).or_default();
        *most = kib.max(*most);
    }

    /// One value a round.
    pub fn of(&self, subject: &str, step: Step) -> Option<&[f64]> {
        self.times
            .get(&(subject.to_owned(), step))
            .map(Vec::as_slice)
    }

    /// The median.
    pub fn median(&self, subject: &str, step: Step) -> Option<f64> {
        self.of(subject, step).map(|list| percentile(list, 0.5))
    }

    /// The median over all rounds of `subject` divided by `other` in the same round.
    pub fn ratio(&self, subject: &str, other: &str, step: Step) -> Option<f64> {
        self.paired(subject, other, step, |ours, theirs| ours / theirs)
    }

    /// The median over all rounds of `subject` less `other` in the same round.
    pub fn difference(&self, subject: &str, other: &str, step: Step) -> Option<f64> {
        self.paired(subject, other, step, |ours, theirs| ours - theirs)
    }

    fn paired(
        &self,
        subject: &str,
        other: &str,
        step: Step,
        both: impl Fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let (ours, theirs) = (self.of(subject, step)?, self.of(other, step)?);
        let list: Vec<f64> = ours
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| both(*ours, *theirs))
            .collect();
        Some(percentile(&list, 0.5))
    }

    /// The most memory any step of `subject` took, in KiB, with that step.
    pub fn peak(&self, subject: &str) -> Option<(Step, u64)> {
        let own = self.memory.iter().filter(|((name, _), _)| name == subject);
        own.map(|((_, step), kib)| (*step, *kib))
            .max_by_key(|(_, kib)| *kib)
    }
}

/// The value below which `part` of the list lies; between two values, by their distance.
pub fn percentile(list: &[f64], part: f64) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}
