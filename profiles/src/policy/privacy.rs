//! `privacy`: what a model may see of what the sandbox sends, by class, detector and provider.
//!
//! Rules are tried in order, for each finding and each provider that could answer; the first that fits says what becomes of
//! the finding there. Where none fits, what a provider's clearance covers passes; below it secrets are withheld, what
//! is regulated stays on local models, and all else is pseudonymised.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inference::{bounded, pattern, provider};
use crate::class::Class;
use crate::detector;
use crate::segments::SegmentGlob;
use crate::source::{Diagnostic, Location};
use crate::yaml::{Fields, Value, View};

type Fault = Box<Diagnostic>;

/// The longest regular expression, bytes.
const MAX_REGEX: usize = 4096;
/// Minutes of a day.
const DAY: u16 = 24 * 60;
const DAYS: [(&str, u8); 7] = [
    ("mon", 0),
    ("tue", 1),
    ("wed", 2),
    ("thu", 3),
    ("fri", 4),
    ("sat", 5),
    ("sun", 6),
];

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

/// `privacy.restore`.
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
    /// `class`: findings of these; empty with `detector` empty too is every request.
    pub classes: Vec<Class>,
    /// `detector`: findings of these.
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

/// Which providers a rule is about; all of it must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct To {
    /// `local` or `cloud`; `None` is both.
    pub local: Option<bool>,
    /// Provider names; empty is any.
    pub providers: Vec<Arc<str>>,
    /// Only with a clearance below this.
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
    /// Only there.
    Route(Via),
    /// A person is asked.
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

pub(super) fn load(view: &View<'_>) -> Result<Privacy, Fault> {
    let keys = view.fields(
        &[
            "images",
            "sticky",
            "restore",
            "answers",
            "detectors",
            "lists",
            "patterns",
            "ner",
            "rules",
        ],
        &[],
    )?;
    let images = [
        ("allow", Images::Allow),
        ("local", Images::Local),
        ("block", Images::Block),
    ];
    let sticky = [
        ("off", Sticky::Off),
        ("conversation", Sticky::Conversation),
        ("sandbox", Sticky::Sandbox),
    ];
    let lists = named(&keys, "lists")?;
    let patterns = match keys.get("patterns") {
        Some(view) => patterns(&view)?,
        None => Vec::new(),
    };
    let own: Vec<&str> = lists
        .iter()
        .map(|name| &**name)
        .chain(patterns.iter().map(|pattern| pattern.name.as_str()))
        .collect();
    let rules = match keys.get("rules") {
        Some(view) => bounded(&view)?
            .iter()
            .map(|view| rule(view, &own))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(Privacy {
        images: keys
            .get("images")
            .map_or(Ok(Images::Local), |view| view.word(&images))?,
        sticky: keys
            .get("sticky")
            .map_or(Ok(Sticky::Conversation), |view| view.word(&sticky))?,
        restore: keys.get("restore").map_or(
            Ok(Restore {
                text: true,
                tool_calls: true,
            }),
            |view| restore(&view),
        )?,
        answers: keys
            .get("answers")
            .map_or(Ok(Some(Class::Secret)), |view| class_or_off(&view))?,
        detectors: match keys.get("detectors") {
            Some(view) => detectors(&view)?,
            None => BTreeMap::new(),
        },
        lists,
        patterns,
        ner: keys.get("ner").map(|view| provider(&view)).transpose()?,
        rules,
    })
}

fn named(keys: &Fields<'_>, key: &str) -> Result<Vec<Arc<str>>, Fault> {
    match keys.get(key) {
        Some(view) => bounded(&view)?.iter().map(provider).collect(),
        None => Ok(Vec::new()),
    }
}

fn restore(view: &View<'_>) -> Result<Restore, Fault> {
    let keys = view.fields(&["text", "tool_calls"], &[])?;
    let flag = |key| keys.get(key).map_or(Ok(true), |view| view.boolean());
    Ok(Restore {
        text: flag("text")?,
        tool_calls: flag("tool_calls")?,
    })
}

fn class_or_off(view: &View<'_>) -> Result<Option<Class>, Fault> {
    let mut words = Class::words()
        .map(|(word, class)| (word, Some(class)))
        .to_vec();
    words.push(("off", None));
    view.word(&words)
}

fn detectors(view: &View<'_>) -> Result<BTreeMap<String, Option<Class>>, Fault> {
    view.entries()?
        .iter()
        .map(|(key, view)| {
            known_detector(view, &key.text, &[])?;
            Ok((key.text.clone(), class_or_off(view)?))
        })
        .collect()
}

fn known_detector(view: &View<'_>, name: &str, own: &[&str]) -> Result<(), Fault> {
    if detector::named(name).is_some() || own.contains(&name) {
        return Ok(());
    }
    let known: Vec<&str> = detector::all().iter().map(|known| known.name).collect();
    let fault = view.fault(format!("there is no detector `{name}`"));
    Err(match crate::suggest::nearest(name, &known) {
        Some(word) => fault.with_hint(format!("did you mean `{word}`?")),
        None => fault.with_hint(format!("known detectors: {}", known.join(", "))),
    })
}

fn patterns(view: &View<'_>) -> Result<Vec<Pattern>, Fault> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for (key, view) in view.entries()? {
        let name = &key.text;
        if !super::options::is_provider_name(name) || detector::named(name).is_some() {
            return Err(view.fault(format!(
                "`{name}` is no name for a pattern of your own: letters, digits, `-` and `_`, and none of a detector that ships"
            )));
        }
        let keys = view.fields(&["regex", "class"], &[])?;
        let regex = keys.need("regex")?;
        let text = regex.text()?;
        if text.is_empty() || text.len() > MAX_REGEX {
            return Err(regex.fault(format!("a pattern has 1 to {MAX_REGEX} bytes")));
        }
        patterns.push(Pattern {
            name: name.clone(),
            regex: text.to_owned(),
            class: keys.need("class")?.word(&Class::words())?,
            at: regex.at(),
        });
    }
    Ok(patterns)
}

fn rule(view: &View<'_>, own: &[&str]) -> Result<PrivacyRule, Fault> {
    let keys = view.fields(
        &[
            "class",
            "detector",
            "to",
            "clearance_below",
            "when",
            "do",
            "via",
        ],
        &[],
    )?;
    let classes = match keys.get("class") {
        Some(view) => one_or_more(&view, |view| view.word(&Class::words()))?,
        None => Vec::new(),
    };
    let detectors = match keys.get("detector") {
        Some(view) => one_or_more(&view, |view| {
            let name = view.text()?;
            known_detector(view, name, own)?;
            Ok(name.to_owned())
        })?,
        None => Vec::new(),
    };
    let action = action(&keys)?;
    Ok(PrivacyRule {
        classes,
        detectors,
        to: to(&keys)?,
        when: match keys.get("when") {
            Some(view) => when(&view)?,
            None => Conditions::default(),
        },
        action,
        at: view.at(),
    })
}

fn one_or_more<T>(
    view: &View<'_>,
    read: impl Fn(&View<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    match view.node.value {
        Value::List(_) => {
            view.some_list()?;
            bounded(view)?.iter().map(read).collect()
        }
        _ => Ok(vec![read(view)?]),
    }
}

fn to(keys: &Fields<'_>) -> Result<To, Fault> {
    let mut to = To {
        clearance_below: keys
            .get("clearance_below")
            .map(|view| view.word(&Class::words()))
            .transpose()?,
        ..To::default()
    };
    if let Some(view) = keys.get("to") {
        for name in one_or_more(&view, provider)? {
            match &*name {
                "local" | "cloud" if to.local.is_some() => {
                    return Err(view.fault("`local` and `cloud` together are all: leave `to` out"));
                }
                "local" => to.local = Some(true),
                "cloud" => to.local = Some(false),
                _ => to.providers.push(name),
            }
        }
    }
    Ok(to)
}

fn action(keys: &Fields<'_>) -> Result<Action, Fault> {
    let view = keys.need("do")?;
    let words = [
        ("allow", Some(Action::Allow)),
        ("pseudonymise", Some(Action::Pseudonymise)),
        ("redact", Some(Action::Redact)),
        ("ask", Some(Action::Ask)),
        ("block", Some(Action::Block)),
        ("route", None),
    ];
    let indices: Vec<(&str, usize)> = words
        .iter()
        .enumerate()
        .map(|(at, (word, _))| (*word, at))
        .collect();
    let chosen = words[view.word(&indices)?].1.clone();
    match (chosen, keys.get("via")) {
        (Some(_), Some(view)) => Err(view.fault("`via` may only stand beside `do: route`")),
        (Some(action), None) => Ok(action),
        (None, None) => Err(view
            .fault("`do: route` says not where to")
            .with_hint("add `via: local`, or `via: PROVIDER`")),
        (None, Some(view)) => Ok(Action::Route(match &*provider(&view)? {
            "local" => Via::Local,
            name => Via::Provider(Arc::from(name)),
        })),
    }
}

fn when(view: &View<'_>) -> Result<Conditions, Fault> {
    let keys = view.fields(
        &[
            "models",
            "tokens_over",
            "tools",
            "hours",
            "days",
            "sandboxes",
            "session",
        ],
        &[],
    )?;
    let patterns = |key| match keys.get(key) {
        Some(view) => one_or_more(&view, pattern),
        None => Ok(Vec::new()),
    };
    Ok(Conditions {
        models: patterns("models")?,
        tokens_over: keys
            .get("tokens_over")
            .map(|view| view.big_number(0, u64::from(u32::MAX)))
            .transpose()?,
        tools: keys.get("tools").map(|view| view.boolean()).transpose()?,
        window: window(&keys)?,
        sandboxes: patterns("sandboxes")?,
        session: keys
            .get("session")
            .map(|view| view.word(&Class::words()))
            .transpose()?,
    })
}

/// `hours: "08:00-18:00"` and `days: [mon, …]`.
fn window(keys: &Fields<'_>) -> Result<Option<Window>, Fault> {
    if keys.get("hours").is_none() && keys.get("days").is_none() {
        return Ok(None);
    }
    let mut window = Window {
        from: 0,
        until: DAY,
        days: 0x7f,
    };
    if let Some(view) = keys.get("days") {
        window.days = one_or_more(&view, |view| view.word(&DAYS))?
            .iter()
            .fold(0, |bits, day| bits | 1 << day);
    }
    if let Some(view) = keys.get("hours") {
        let text = view.text()?;
        let moment = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
            let all = hour * 60 + minute;
            (hour <= 24 && minute < 60 && all <= DAY).then_some(all)
        };
        let both = text
            .split_once('-')
            .and_then(|(from, until)| Some((moment(from)?, moment(until)?)));
        (window.from, window.until) = both.ok_or_else(|| {
            view.fault(format!(
                "`{text}` is no window of time, such as \"08:00-18:00\" (UTC)"
            ))
        })?;
    }
    Ok(Some(window))
}
