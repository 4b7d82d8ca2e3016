//! `privacy`: what a model may see of what the sandbox sends, by class, detector and provider.
//!
//! Rules are tried in order, for each provider that could answer. Those that name a class or a detector decide on findings:
//! the first that fits says what becomes of a finding there. Those that name neither decide on the request. A `route`
//! only keeps others out: at the provider that it names the rules behind it decide. Where none fits, what a provider's
//! clearance covers passes; below it secrets are withheld, what is regulated stays on local models, and all else is
//! pseudonymised.

mod fits;
mod read;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::class::Class;
use crate::detector;
use crate::segments::SegmentGlob;
use crate::source::Location;
pub(super) use read::load;

/// `privacy`.
#[derive(Debug, Clone, PartialEq)]
pub struct Privacy {
    /// `images`: whether pictures may leave; nobody looks into them.
    pub images: Images,
    /// `sticky`: how far the label of what a model has seen reaches.
    pub sticky: Sticky,
    /// `restore`: where pseudonyms in answers become values again.
    pub restore: Restore,
    /// `answers`: what is masked in answers, from this class on; `None` (`off`) is nothing.
    pub answers: Option<Class>,
    /// `detectors`: another class for what one finds, or `None` (`off`).
    pub detectors: BTreeMap<String, Option<Class>>,
    /// `lists`: names of the operator's word lists and document sets (the node's configuration has them).
    pub lists: Vec<Arc<str>>,
    /// `patterns`: the policy's own regular expressions.
    pub patterns: Vec<Pattern>,
    /// `ner`: the name of a service of the operator's that finds names.
    pub ner: Option<Arc<str>>,
    /// `rules`, in order.
    pub rules: Vec<PrivacyRule>,
}

/// `privacy.images`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Images {
    /// To any provider.
    Allow,
    /// To local ones only.
    Local,
    /// To none.
    Block,
}

/// `privacy.sticky`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sticky {
    /// Each request stands for itself.
    Off,
    /// An answer keeps the label of what the model saw; who sends it again sends that label.
    Conversation,
    /// The sandbox keeps the highest label of its life.
    Sandbox,
}

/// `privacy.restore`: which places get their values back. What is restored in a tool's arguments may leave the box by another
/// way, so a policy decides each on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// In texts.
    pub text: bool,
    /// In the arguments of tool calls.
    pub tool_calls: bool,
}

/// One of `privacy.patterns`. It is compiled where it is used, and a policy whose pattern does not compile is refused
/// there. Equality ignores its place.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// Its name, as a detector's.
    pub name: String,
    /// The regular expression, in the syntax of Rust's `regex`.
    pub regex: String,
    /// The class of what it finds.
    pub class: Class,
    /// Where it stands.
    pub at: Location,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.regex, self.class) == (&other.name, &other.regex, other.class)
    }
}

/// One of `privacy.rules`. Equality ignores its place.
#[derive(Debug, Clone)]
pub struct PrivacyRule {
    /// `class`: findings of these, and earlier answers with such a label.
    pub classes: Vec<Class>,
    /// `detector`: findings of these; with both empty the rule is about the request.
    pub detectors: Vec<String>,
    /// `to`, `clearance_below`: providers.
    pub to: To,
    /// `when`: requests.
    pub when: Conditions,
    /// `do`.
    pub action: Action,
    /// Where it stands.
    pub at: Location,
}

impl PartialEq for PrivacyRule {
    fn eq(&self, other: &Self) -> bool {
        self.classes == other.classes
            && self.detectors == other.detectors
            && self.to == other.to
            && self.when == other.when
            && self.action == other.action
    }
}

/// Which providers a rule is about: those of one place and those that are named; without both, all. Of them, where it
/// says so, only those with a lower clearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct To {
    /// `local` or `cloud`.
    pub local: Option<bool>,
    /// Provider names.
    pub providers: Vec<Arc<str>>,
    /// `clearance_below`.
    pub clearance_below: Option<Class>,
}

/// Which requests a rule is about; all of it must fit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    /// `models`: what the agent names; empty is any.
    pub models: Vec<SegmentGlob>,
    /// `tokens_over`: longer than that many (an estimate).
    pub tokens_over: Option<u64>,
    /// `tools`: with or without tools.
    pub tools: Option<bool>,
    /// `hours` and `days`, UTC.
    pub window: Option<Window>,
    /// `sandboxes`: patterns of names; empty is any.
    pub sandboxes: Vec<SegmentGlob>,
    /// `session`: the sandbox's models have seen at least this class.
    pub session: Option<Class>,
}

/// A window of time, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first minute of the day.
    pub from: u16,
    /// Behind its last minute; at or before `from` it ends on the next day.
    pub until: u16,
    /// A bit for each day on which it begins, Monday the lowest.
    pub days: u8,
}

impl Window {
    /// The words for days with their numbers.
    pub(crate) const DAYS: [(&'static str, u8); 7] = [
        ("mon", 0),
        ("tue", 1),
        ("wed", 2),
        ("thu", 3),
        ("fri", 4),
        ("sat", 5),
        ("sun", 6),
    ];

    /// Whether a moment lies in it: `day` from 0 (Monday), `minute` of that day.
    #[must_use]
    pub fn holds(&self, day: u8, minute: u16) -> bool {
        let begins = |day: u8| self.days >> (day % 7) & 1 == 1;
        if self.from < self.until {
            return begins(day) && (self.from..self.until).contains(&minute);
        }
        (begins(day) && minute >= self.from) || (begins(day + 6) && minute < self.until)
    }
}

/// `do`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It passes.
    Allow,
    /// A typed name takes its place, which becomes the value again in answers.
    Pseudonymise,
    /// A mask takes its place for good.
    Redact,
    /// Only there, where the rules behind this one decide.
    Route(Via),
    /// It passes if a person says so.
    Ask,
    /// Not to this provider.
    Block,
}

/// `via`, beside `do: route`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Local models.
    Local,
    /// A provider.
    Provider(Arc<str>),
}

impl Images {
    /// The words with their meanings.
    pub(crate) const WORDS: [(&'static str, Images); 3] = [
        ("allow", Images::Allow),
        ("local", Images::Local),
        ("block", Images::Block),
    ];
}

impl Sticky {
    /// The words with their meanings.
    pub(crate) const WORDS: [(&'static str, Sticky); 3] = [
        ("off", Sticky::Off),
        ("conversation", Sticky::Conversation),
        ("sandbox", Sticky::Sandbox),
    ];
}

impl Action {
    /// The words.
    pub(crate) const WORDS: [&'static str; 6] =
        ["allow", "pseudonymise", "redact", "route", "ask", "block"];
}

impl Privacy {
    /// The class of what a detector finds, where this policy looks for it; `usual` is the class that the finder gave it.
    #[must_use]
    pub fn class_of(&self, detector: &str, usual: Class) -> Option<Class> {
        if let Some(own) = self.detectors.get(detector) {
            return *own;
        }
        if let Some(known) = detector::named(detector) {
            return Some(known.class);
        }
        let pattern = self.patterns.iter().find(|own| own.name == detector);
        // Another policy's pattern, or one of the same name, may lie over something that this one would have found.
        Some(pattern.map_or(usual, |pattern| pattern.class.max(usual)))
    }
}

impl PrivacyRule {
    /// Whether it is about the request and not about something that was found in it.
    #[must_use]
    pub fn is_of_request(&self) -> bool {
        self.classes.is_empty() && self.detectors.is_empty()
    }
}
