//! Medians, percentiles, and comparisons of what was measured in the same round.

use std::collections::BTreeMap;

/// What a number is about: subject, mode and measure.
pub type Key = (String, String, &'static str);

/// All samples, one value a round.
#[derive(Debug, Default)]
pub struct Samples {
    /// By what they are about.
    pub all: BTreeMap<Key, Vec<f64>>,
    /// What could not be measured, and why.
    pub left_out: Vec<String>,
}

impl Samples {
    /// Adds a value of this round.
    pub fn add(&mut self, subject: &str, mode: &str, measure: &'static str, value: f64) {
        let key = (subject.to_owned(), mode.to_owned(), measure);
        self.all.entry(key).or_default().push(value);
    }

    /// Adds all of `others`.
    pub fn take(&mut self, others: Samples) {
        for (key, list) in others.all {
            self.all.entry(key).or_default().extend(list);
        }
    }

    /// One value a round.
    pub fn of(&self, subject: &str, mode: &str, measure: &'static str) -> Option<&[f64]> {
        let key = (subject.to_owned(), mode.to_owned(), measure);
        self.all.get(&key).map(Vec::as_slice)
    }

    /// The median.
    pub fn median(&self, subject: &str, mode: &str, measure: &'static str) -> Option<f64> {
        self.of(subject, mode, measure)
            .map(|list| percentile(list, 0.5))
    }

    /// The median over all rounds of `subject` by `other` in the same round.
    pub fn ratio(
        &self,
        subject: &str,
        other: &str,
        mode: &str,
        measure: &'static str,
    ) -> Option<f64> {
        self.paired(subject, other, (mode, measure), |one, two| one / two)
    }

    /// The median over all rounds of `subject` less `other` in the same round.
    pub fn added(
        &self,
        subject: &str,
        other: &str,
        mode: &str,
        measure: &'static str,
    ) -> Option<f64> {
        self.paired(subject, other, (mode, measure), |one, two| one - two)
    }

    fn paired(
        &self,
        subject: &str,
        other: &str,
        (mode, measure): (&str, &'static str),
        both: impl Fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let (one, two) = (
            self.of(subject, mode, measure)?,
            self.of(other, mode, measure)?,
        );
        let list: Vec<f64> = one
            .iter()
            .zip(two)
            .map(|(one, two)| both(*one, *two))
            .collect();
        Some(percentile(&list, 0.5))
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
