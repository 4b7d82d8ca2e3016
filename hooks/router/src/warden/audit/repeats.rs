//! Refusals that come again and again are counted: a sandbox that asks for the same thing in a loop, or for a new name
//! with every question, must not push what others should read out of the files.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use nemoclaw_api::audit::{DENY, Event, POLICY, ROUTER};

use crate::limits;

/// What one sandbox was refused lately.
pub struct Repeats {
    hasher: RandomState,
    known: HashMap<u64, Repeat>,
    surplus: BTreeMap<String, Repeat>,
    begun: Instant,
    lines: f64,
    counted: Instant,
    pending: bool,
}

/// Refusals that are one line.
struct Repeat {
    event: Event,
    lines: u32,
    more: u64,
}

impl Repeat {
    fn count(&mut self, event: &Event) {
        if self.more == 0 {
            self.event.since = Some(event.time.clone());
        }
        self.more += event.count.unwrap_or(1);
        self.event.time.clone_from(&event.time);
    }
}

impl Repeats {
    /// Nothing was refused yet.
    #[must_use]
    pub fn new(now: Instant) -> Repeats {
        Repeats {
            hasher: RandomState::new(),
            known: HashMap::new(),
            surplus: BTreeMap::new(),
            begun: now,
            lines: limits::AUDIT_DENIALS,
            counted: now,
            pending: false,
        }
    }

    /// Whether `event` gets a line of its own; else it is counted.
    pub fn admit(&mut self, event: &Event, now: Instant) -> bool {
        let own = event.verdict == DENY && event.kind != ROUTER && event.kind != POLICY;
        if !own || event.proposal.is_some() {
            return true;
        }
        if !self.pending && now >= self.begun + limits::AUDIT_WINDOW {
            self.known.clear();
        }
        if self.known.is_empty() && !self.pending {
            self.begun = now;
        }
        let key = self.hasher.hash_one((
            (
                &event.kind,
                &event.host,
                event.port,
                &event.method,
                &event.path,
            ),
            (&event.rule, &event.reason, &event.finding, event.generation),
            event
                .program
                .as_ref()
                .map(|program| (&program.path, &program.script)),
        ));
        let room = self.room(now);
        let many = self.known.len() >= limits::AUDIT_DENIAL_KINDS;
        match self.known.get_mut(&key) {
            Some(repeat) if repeat.lines < limits::AUDIT_REPEATS && room => repeat.lines += 1,
            Some(repeat) => {
                repeat.count(event);
                self.pending = true;
                return false;
            }
            None if room && !many => {
                let event = event.clone();
                self.known.insert(
                    key,
                    Repeat {
                        event,
                        lines: 1,
                        more: 0,
                    },
                );
            }
            None => {
                let surplus = self.surplus.entry(event.kind.clone());
                surplus.or_insert_with(|| surplus_of(event)).count(event);
                self.pending = true;
                return false;
            }
        }
        self.lines -= 1.0;
        true
    }

    /// Whether there may be another line now.
    fn room(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.counted).as_secs_f64();
        let more = passed * limits::AUDIT_DENIALS_PER_SECOND;
        self.lines = (self.lines + more).min(limits::AUDIT_DENIALS);
        self.counted = now;
        self.lines >= 1.0
    }

    /// When what was counted is to be written.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.pending.then(|| self.begun + limits::AUDIT_WINDOW)
    }

    /// Lines for what was counted, which begins anew.
    pub fn take(&mut self) -> Vec<Event> {
        self.pending = false;
        let known = std::mem::take(&mut self.known).into_values();
        let surplus = std::mem::take(&mut self.surplus).into_values();
        let mut lines: Vec<Event> = known
            .chain(surplus)
            .filter(|repeat| repeat.more > 0)
            .map(|repeat| Event {
                count: Some(repeat.more),
                ..repeat.event
            })
            .collect();
        lines.sort_by(|one, other| one.time.cmp(&other.time));
        lines
    }
}

/// The line for refusals that are too many to be told one by one.
fn surplus_of(event: &Event) -> Repeat {
    Repeat {
        event: Event {
            sandbox: event.sandbox.clone(),
            kind: event.kind.clone(),
            verdict: DENY.to_owned(),
            reason: Some("different ones, too many to be written one by one".to_owned()),
            generation: event.generation,
            ..Event::default()
        },
        lines: 0,
        more: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::event::{blank, denied};

    fn refused(host: &str) -> Event {
        denied(blank("a", "dns", host, 0, 1), "no rule names it", None)
    }

    #[test]
    fn the_same_refusal_is_written_a_few_times_and_then_counted() {
        let now = Instant::now();
        let mut repeats = Repeats::new(now);
        let written = (0..1000)
            .filter(|_| repeats.admit(&refused("a.test"), now))
            .count();
        assert_eq!(written, limits::AUDIT_REPEATS as usize);
        assert!(
            repeats.admit(&refused("b.test"), now),
            "another one has its line"
        );
        assert_eq!(repeats.due(), Some(now + limits::AUDIT_WINDOW));
        let lines = repeats.take();
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].host.as_str(), lines[0].count),
            ("a.test", Some(997))
        );
        assert!(lines[0].since.is_some());
        assert!(
            repeats.admit(&refused("a.test"), now),
            "then it begins anew"
        );
        assert_eq!(repeats.due(), None);
    }

    #[test]
    fn a_flood_of_different_refusals_is_bounded_and_none_is_uncounted() {
        let mut now = Instant::now();
        let mut repeats = Repeats::new(now);
        let (mut written, mut counted) = (0, 0);
        for number in 0..100_000_u32 {
            if repeats.due().is_some_and(|due| due <= now) {
                counted += repeats
                    .take()
                    .iter()
                    .filter_map(|line| line.count)
                    .sum::<u64>();
            }
            written += u64::from(repeats.admit(&refused(&format!("{number}.test")), now));
            now += std::time::Duration::from_millis(1);
        }
        counted += repeats
            .take()
            .iter()
            .filter_map(|line| line.count)
            .sum::<u64>();
        assert_eq!(written + counted, 100_000);
        let most = limits::AUDIT_DENIALS + 100.0 * limits::AUDIT_DENIALS_PER_SECOND;
        assert!(written as f64 <= most, "{written} lines in 100 s");
    }

    #[test]
    fn what_passes_and_what_a_person_is_asked_always_has_its_line() {
        let now = Instant::now();
        let mut repeats = Repeats::new(now);
        let asked = Event {
            proposal: Some("p1".into()),
            ..refused("a.test")
        };
        let router = denied(blank("a", ROUTER, "", 0, 1), "no", None);
        for event in [blank("a", "http", "a.test", 80, 1), asked, router] {
            assert!((0..1000).all(|_| repeats.admit(&event, now)));
        }
    }
}
