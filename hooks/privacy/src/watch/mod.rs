//! Answers are watched: what is sensitive in them is masked before the agent reads it, however the stream is cut.
//!
//! A piece goes on at once but for an end that may still become a secret ([`tail`]), and what went on stays in view, so that
//! a value is seen with its key. Where words that looked like prose went on and turn out to begin a secret, its rest is
//! masked. The session's own pseudonyms are left alone: whoever restores them does so behind this.

mod channel;
mod tail;

use std::ops::Range;
use std::sync::Arc;

use nemoclaw_policy::Class;

use channel::{Channel, Dropping};
use tail::Tail;

use crate::finding::{Detector, Finding};
use crate::mask::mask;
use crate::restore::{MAX_CHANNELS, Place};
use crate::vault::Vault;

/// Finds what is sensitive in a text, sorted and without overlaps.
pub type Find = Arc<dyn Fn(&str) -> Vec<Finding> + Send + Sync>;

/// What an answer is watched for.
#[derive(Clone)]
pub struct Watch {
    /// Who finds it.
    pub find: Find,
    /// What is masked: findings of this class and above.
    pub from: Class,
    /// Whether lists and patterns of the operator's find something of that class. They may be plain words, so then, and
    /// below [`Class::Secret`], an answer waits for the end of each sentence.
    pub phrases: bool,
}

/// What was masked in an answer, for the audit: who found it, how sensitive it is, how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// Who found it.
    pub detector: Detector,
    /// How much it could harm.
    pub class: Class,
    /// How often.
    pub count: u64,
}

/// Watches one answer. `C` tells its channels apart.
pub struct Watcher<C> {
    watch: Watch,
    vault: Vault,
    channels: Vec<(C, Channel)>,
    masked: Vec<Masked>,
}

impl<C: Copy + Eq> Watcher<C> {
    /// For the answer to a request of the session of `vault`.
    #[must_use]
    pub fn new(mut watch: Watch, vault: &Vault) -> Watcher<C> {
        watch.phrases |= watch.from < Class::Secret;
        Watcher {
            watch,
            vault: vault.clone(),
            channels: Vec::new(),
            masked: Vec::new(),
        }
    }

    /// What was masked so far.
    #[must_use]
    pub fn masked(&self) -> &[Masked] {
        &self.masked
    }

    /// The next piece of a channel; what can be told of it so far is added to `out`. Nothing goes on of a channel beyond
    /// the first [`MAX_CHANNELS`] that are open, as what waits of them would be without a bound.
    pub fn text(&mut self, channel: C, place: Place, piece: &str, out: &mut String) {
        if let Some(at) = self.open(channel, place) {
            self.channels[at].1.view.push_str(piece);
            self.advance(at, false, out);
        }
    }

    /// The channel's end: what waited is decided as it stands.
    pub fn end(&mut self, channel: C, out: &mut String) {
        if let Some(at) = self
            .channels
            .iter()
            .position(|(known, _)| *known == channel)
        {
            self.advance(at, true, out);
            self.channels.swap_remove(at);
        }
    }

    /// A text that came in one piece; `None` where it stays as it is.
    pub fn whole(&mut self, place: Place, text: &str) -> Option<String> {
        let findings = self.findings(text, 0);
        if findings.is_empty() {
            return None;
        }
        let mut out = String::new();
        self.count(&findings, text.len());
        put(text, 0..text.len(), &findings, place, &mut out);
        Some(out)
    }

    fn open(&mut self, channel: C, place: Place) -> Option<usize> {
        let at = self
            .channels
            .iter()
            .position(|(known, _)| *known == channel);
        if at.is_none() && self.channels.len() < MAX_CHANNELS {
            self.channels.push((channel, Channel::new(place)));
            return Some(self.channels.len() - 1);
        }
        at
    }

    fn advance(&mut self, at: usize, end: bool, out: &mut String) {
        let (key, mut channel) = self.channels.swap_remove(at);
        channel.drop_rest();
        if channel.dropping == Dropping::Nothing {
            self.pass(&mut channel, end, out);
            channel.forget();
        }
        self.channels.push((key, channel));
    }

    /// Lets the view go on as far as it can.
    fn pass(&mut self, channel: &mut Channel, end: bool, out: &mut String) {
        let view = std::mem::take(&mut *channel.view);
        let from = channel.passed;
        let all = Tail {
            start: view.len(),
            behind_prose: false,
        };
        let tail = if end {
            all
        } else {
            tail::of(&view, from, self.watch.phrases)
        };
        let mut upto = tail.start;
        let full = !end && tail::is_too_long(&view, upto);
        if upto > from && !full && tail.behind_prose {
            out.push_str(&view[from..upto]);
        } else if upto > from || full {
            let findings = self.findings(&view, from);
            if !end && let Some(open) = findings.iter().find(|finding| finding.end > upto) {
                upto = upto.min(open.start.max(from));
            }
            if !end && tail::is_too_long(&view, upto) {
                upto = channel.give_up(&view, &findings);
            }
            self.count(&findings, upto);
            put(&view, from..upto, &findings, channel.place, out);
        }
        channel.passed = upto;
        *channel.view = view;
    }

    /// What is to be masked of `text` behind `from`.
    fn findings(&self, text: &str, from: usize) -> Vec<Finding> {
        let mut findings = (self.watch.find)(text);
        findings.retain(|finding| finding.class >= self.watch.from && finding.end > from);
        self.vault.foreign(text, findings)
    }

    /// Counts the findings that begin before `upto`.
    fn count(&mut self, findings: &[Finding], upto: usize) {
        for Finding {
            detector, class, ..
        } in findings.iter().take_while(|finding| finding.start < upto)
        {
            let same =
                |masked: &&mut Masked| masked.class == *class && masked.detector == *detector;
            match self.masked.iter_mut().find(same) {
                Some(masked) => masked.count += 1,
                None => self.masked.push(Masked {
                    detector: detector.clone(),
                    class: *class,
                    count: 1,
                }),
            }
        }
    }
}

/// Adds a part of `text` to `out` with the findings in it masked.
fn put(text: &str, part: Range<usize>, findings: &[Finding], place: Place, out: &mut String) {
    let mut from = part.start;
    for finding in findings
        .iter()
        .take_while(|finding| finding.start < part.end)
    {
        let (start, end) = covered(text, finding, from..part.end, place);
        out.push_str(&text[from..start]);
        out.push_str(&mask(&finding.detector));
        from = end;
    }
    out.push_str(&text[from..part.end]);
}

/// The bytes of `part` that a finding's mask takes the place of. Arguments of tools are JSON, of which no escape is cut in
/// two.
fn covered(text: &str, finding: &Finding, part: Range<usize>, place: Place) -> (usize, usize) {
    let mut start = text.floor_char_boundary(finding.start).max(part.start);
    let mut end = text
        .ceil_char_boundary(finding.end)
        .min(part.end)
        .max(start);
    if place == Place::ToolArguments {
        start -= usize::from(escapes(&text[part.start..start]));
        end -= usize::from(escapes(&text[start..end]));
    }
    (start, end.max(start))
}

/// Whether a text ends with the first half of an escape.
fn escapes(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}
