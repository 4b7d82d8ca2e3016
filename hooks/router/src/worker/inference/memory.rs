//! Answers that models gave when they had seen something: who sends one again sends its label along.
//!
//! Kept are digests of what was said, spaces left out, since clients trim and join. What is short is said in many
//! conversations and tells them not apart, so it is not kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use nemoclaw_policy::Class;
use ring::digest::{Context, SHA256};

use crate::limits;

/// Letters of an answer below which it is too short to be known again.
const SHORTEST: usize = 24;

/// The first half of a digest.
type Key = [u8; 16];

/// What was said under which label.
#[derive(Default)]
pub struct Memory(Mutex<Known>);

#[derive(Default)]
struct Known {
    labels: HashMap<Key, Class>,
    order: VecDeque<Key>,
}

/// An answer while it is said.
pub struct Saying {
    context: Context,
    letters: usize,
}

impl Default for Saying {
    fn default() -> Saying {
        Saying {
            context: Context::new(&SHA256),
            letters: 0,
        }
    }
}

impl Saying {
    /// The next piece.
    pub fn add(&mut self, text: &str) {
        for word in text.split_whitespace() {
            self.context.update(word.as_bytes());
            self.letters += word.len();
        }
    }

    fn key(self) -> Option<Key> {
        let digest = self.context.finish();
        let (key, _) = digest.as_ref().split_first_chunk::<16>()?;
        (self.letters >= SHORTEST).then_some(*key)
    }
}

impl Memory {
    /// A model that had seen `label` said this.
    pub fn keep(&self, said: Saying, label: Class) {
        let Some(key) = said.key().filter(|_| label > Class::Public) else {
            return;
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.labels.get(&key).copied();
        known
            .labels
            .insert(key, before.map_or(label, |before| before.max(label)));
        if before.is_none() {
            known.order.push_back(key);
        }
        while known.order.len() > limits::MODEL_SAYINGS {
            if let Some(oldest) = known.order.pop_front() {
                known.labels.remove(&oldest);
            }
        }
    }

    /// The label of what was said before.
    #[must_use]
    pub fn label(&self, text: &str) -> Class {
        let mut said = Saying::default();
        said.add(text);
        let Some(key) = said.key() else {
            return Class::Public;
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.labels.get(&key).copied().unwrap_or_default()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.labels.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_again_however_it_was_cut_and_trimmed() {
        let memory = Memory::default();
        let mut said = Saying::default();
        for piece in [
            "The pass",
            "word opens the old ",
            "\n\ndoor in the cellar. ",
        ] {
            said.add(piece);
        }
        memory.keep(said, Class::Secret);
        let again = " The password opens the old door in the cellar.";
        assert_eq!(memory.label(again), Class::Secret);
        assert_eq!(
            memory.label("The password opens the new door in the cellar."),
            Class::Public
        );
    }

    #[test]
    fn what_is_short_or_was_said_without_a_label_is_not_kept() {
        let memory = Memory::default();
        for (text, label) in [
            ("Yes.", Class::Secret),
            ("A long answer about nothing at all.", Class::Public),
        ] {
            let mut said = Saying::default();
            said.add(text);
            memory.keep(said, label);
            assert_eq!(memory.label(text), Class::Public);
        }
        assert!(memory.is_empty());
    }
}
