//! Whether one pattern covers all that others cover, and whether two patterns have anything in common.
//!
//! Patterns of hosts, paths and names are put in one form, a line of byte sets, some of which may repeat. The questions
//! are answered by walking the sets of places that a text can have reached in each pattern, for all texts at once. The
//! walk is bounded: where it does not end soon, the answer is the one that grants nothing.

mod bytes;
mod walk;

pub(crate) use bytes::ByteSet;
pub(crate) use walk::{all_within, overlap, overlap_without_parameters};

/// One step of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// One byte of the set.
    One(ByteSet),
    /// Any number of bytes of the set.
    Star(ByteSet),
}

/// A pattern in the common form.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line {
    steps: Vec<Step>,
    /// A text may end before this step too.
    early_end: Option<usize>,
}

impl Line {
    /// Matches the empty text only, until steps are added.
    pub fn new() -> Line {
        Line::default()
    }

    /// Every text that begins with `/`: what a path is.
    pub fn path() -> Line {
        let mut line = Line::new();
        line.text(b"/");
        line.star(ByteSet::ALL);
        line
    }

    pub fn one(&mut self, set: ByteSet) {
        self.steps.push(Step::One(set));
    }

    pub fn star(&mut self, set: ByteSet) {
        self.steps.push(Step::Star(set));
    }

    /// These bytes, one after the other.
    pub fn text(&mut self, text: &[u8]) {
        self.steps
            .extend(text.iter().map(|byte| Step::One(ByteSet::of(*byte))));
    }

    /// A text may end `steps` before the end.
    pub fn end_early(&mut self, steps: usize) {
        self.early_end = Some(self.steps.len().saturating_sub(steps));
    }

    /// The only text it covers, if it is one.
    fn only(&self) -> Option<Vec<u8>> {
        if self.early_end.is_some() {
            return None;
        }
        self.steps
            .iter()
            .map(|step| match step {
                Step::One(set) => set.only(),
                Step::Star(_) => None,
            })
            .collect()
    }

    /// Whether it covers every text.
    fn is_everything(&self) -> bool {
        matches!(self.steps.as_slice(), [Step::Star(set)] if *set == ByteSet::ALL)
    }

    /// Words of 64 places that its sets of places need.
    fn words(&self) -> usize {
        self.steps.len() / 64 + 1
    }

    fn sets(&self) -> impl Iterator<Item = &ByteSet> {
        self.steps
            .iter()
            .map(|(Step::One(set) | Step::Star(set))| set)
    }

    /// The places before the first byte.
    fn start(&self) -> Places {
        let mut places = Places(vec![0; self.words()]);
        self.reach(0, &mut places);
        places
    }

    /// Add a place, and those behind steps that may be left out.
    fn reach(&self, mut place: usize, places: &mut Places) {
        loop {
            if !places.add(place) {
                return;
            }
            match self.steps.get(place) {
                Some(Step::Star(_)) => place += 1,
                _ => return,
            }
        }
    }

    /// The places after one more byte.
    fn step(&self, from: &Places, byte: u8) -> Places {
        let mut to = Places(vec![0; from.0.len()]);
        for place in from.iter() {
            match self.steps.get(place) {
                Some(Step::One(set)) if set.has(byte) => self.reach(place + 1, &mut to),
                Some(Step::Star(set)) if set.has(byte) => self.reach(place, &mut to),
                _ => {}
            }
        }
        to
    }

    /// Whether a text may end at one of the places.
    fn ends(&self, places: &Places) -> bool {
        places.has(self.steps.len()) || self.early_end.is_some_and(|early| places.has(early))
    }

    /// Whether it covers `text`.
    pub fn covers(&self, text: &[u8]) -> bool {
        let mut places = self.start();
        for byte in text {
            places = self.step(&places, *byte);
        }
        self.ends(&places)
    }
}

/// A set of places in a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Places(Vec<u64>);

impl Places {
    /// `false`: it was there already.
    fn add(&mut self, place: usize) -> bool {
        let (word, bit) = (place / 64, 1u64 << (place % 64));
        let new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        new
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut left = *bits;
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                Some(word * 64 + bit)
            })
        })
    }
}
