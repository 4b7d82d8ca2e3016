//! What one sandbox did so far, in numbers.

use std::collections::BTreeMap;

use nemoclaw_api::audit::{ALLOW, AUDIT, CLOSE, DENY, Event};

/// Kinds and verdicts that have a series of their own: what a worker says must not become a new label at will.
const KINDS: &[&str] = &[
    "dns",
    "tcp",
    "tls",
    "http",
    "websocket",
    "graphql",
    "mcp",
    "rpc",
];
const VERDICTS: &[&str] = &[ALLOW, DENY, AUDIT];
/// The label of what has none.
pub const OTHER: &str = "other";

/// Counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Decisions, by kind and verdict.
    pub decisions: BTreeMap<(&'static str, &'static str), u64>,
    /// Bytes from the sandbox, of flows that have ended.
    pub bytes_out: u64,
    /// Bytes to it.
    pub bytes_in: u64,
    /// Changes of its policy that came into force.
    pub accepted: u64,
    /// Changes that did not.
    pub refused: u64,
}

impl Tally {
    /// Count an event of the worker's. A flow with two lines is one decision.
    pub fn count(&mut self, event: &Event) {
        self.bytes_out = self.bytes_out.saturating_add(event.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(event.bytes_in);
        if event.phase.as_deref() == Some(CLOSE) && event.verdict != DENY {
            return;
        }
        let kind = known(KINDS, &event.kind);
        let verdict = known(VERDICTS, &event.verdict);
        *self.decisions.entry((kind, verdict)).or_default() += 1;
    }

    /// Count a change of the policy.
    pub fn changed(&mut self, accepted: bool) {
        if accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }

    /// Add another sandbox's.
    pub fn add(&mut self, other: &Tally) {
        for (key, count) in &other.decisions {
            *self.decisions.entry(*key).or_default() += count;
        }
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.accepted += other.accepted;
        self.refused += other.refused;
    }
}

fn known(words: &[&'static str], word: &str) -> &'static str {
    let found = words.iter().find(|known| **known == word);
    found.copied().unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_counts_once_with_all_its_bytes_and_strange_words_make_no_series() {
        let mut tally = Tally::default();
        let event = |kind: &str, verdict: &str, phase: Option<&str>, bytes| Event {
            kind: kind.into(),
            verdict: verdict.into(),
            phase: phase.map(str::to_owned),
            bytes_in: bytes,
            ..Event::default()
        };
        tally.count(&event("tcp", "allow", Some("open"), 0));
        tally.count(&event("tcp", "allow", Some("close"), 7));
        tally.count(&event("http", "deny", None, u64::MAX));
        for number in 0..100 {
            tally.count(&event(&format!("kind{number}"), "perhaps", None, 0));
        }
        assert_eq!(tally.decisions[&("tcp", "allow")], 1);
        assert_eq!(tally.decisions[&(OTHER, OTHER)], 100);
        assert_eq!((tally.decisions.len(), tally.bytes_in), (3, u64::MAX));
    }
}
