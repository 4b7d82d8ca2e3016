//! The reader of `privacy`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{
    Action, Conditions, Images, Pattern, Privacy, PrivacyRule, Restore, Sticky, To, Via, Window,
    fits,
};
use crate::class::Class;
use crate::detector;
use crate::policy::inference::{bounded, pattern, provider};
use crate::policy::options::is_provider_name;
use crate::source::Diagnostic;
use crate::yaml::{Fields, Value, View};

type Fault = Box<Diagnostic>;

/// The longest regular expression, bytes.
const MAX_REGEX: usize = 4096;
/// Most patterns of one policy.
const MAX_PATTERNS: usize = 128;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

pub(in crate::policy) fn load(view: &View<'_>) -> Result<Privacy, Fault> {
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
    let lists = lists(&keys)?;
    let ner = keys.get("ner").map(|view| own_name(&view)).transpose()?;
    let patterns = match keys.get("patterns") {
        Some(view) => patterns(&view)?,
        None => Vec::new(),
    };
    let mut own: Vec<&str> = lists.iter().chain(&ner).map(|name| &**name).collect();
    own.extend(patterns.iter().map(|pattern| pattern.name.as_str()));
    own.sort_unstable();
    if let Some(two) = own.windows(2).find(|two| two[0] == two[1]) {
        return Err(view.fault(format!(
            "`{}` names two of `lists`, `patterns` and `ner`: rules could not tell them apart",
            two[0]
        )));
    }
    let rules = match keys.get("rules") {
        Some(view) => bounded(&view)?
            .iter()
            .map(|view| rule(view, &own))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let privacy = Privacy {
        images: keys
            .get("images")
            .map_or(Ok(Images::Local), |view| view.word(&Images::WORDS))?,
        sticky: keys
            .get("sticky")
            .map_or(Ok(Sticky::Conversation), |view| view.word(&Sticky::WORDS))?,
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
        ner,
        rules,
    };
    if let Some(view) = keys.get("rules") {
        fits::check(&privacy, &view.list()?)?;
    }
    Ok(privacy)
}

fn lists(keys: &Fields<'_>) -> Result<Vec<Arc<str>>, Fault> {
    let Some(view) = keys.get("lists") else {
        return Ok(Vec::new());
    };
    let mut names: Vec<Arc<str>> = Vec::new();
    for view in bounded(&view)? {
        let name = own_name(&view)?;
        if names.contains(&name) {
            return Err(view.fault(format!("`{name}` stands twice")));
        }
        names.push(name);
    }
    Ok(names)
}

/// A name of something that does not ship.
fn own_name(view: &View<'_>) -> Result<Arc<str>, Fault> {
    let text = view.text()?;
    if is_provider_name(text) && detector::named(text).is_none() {
        return Ok(Arc::from(text));
    }
    Err(view.fault(format!(
        "`{text}` is no name here: letters, digits, `-` and `_`, at most 64, and none of a detector that ships"
    )))
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
    let known = detector::all().iter().map(|known| known.name);
    let known: Vec<&str> = known.chain(own.iter().copied()).collect();
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
        if !is_provider_name(name) || detector::named(name).is_some() {
            return Err(view.fault(format!(
                "`{name}` is no name for a pattern of your own: letters, digits, `-` and `_`, and none of a detector that ships"
            )));
        }
        if patterns.len() == MAX_PATTERNS {
            return Err(view.fault(format!("more than {MAX_PATTERNS} patterns")));
        }
        let keys = view.fields(&["regex", "class"], &[])?;
        let regex = keys.need("regex")?;
        let text = regex.text()?;
        if text.is_empty() || text.len() > MAX_REGEX || text.chars().any(char::is_control) {
            return Err(regex.fault(format!(
                "a pattern has 1 to {MAX_REGEX} bytes and no control characters"
            )));
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

fn one_or_more<'a, T>(
    view: &View<'a>,
    read: impl Fn(&View<'a>) -> Result<T, Fault>,
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
        for view in one_or_more(&view, |view| Ok(*view))? {
            let name = view.text()?;
            let local = match name {
                "local" => Some(true),
                "cloud" => Some(false),
                _ => None,
            };
            match (local, to.local) {
                (Some(own), Some(other)) if own != other => {
                    return Err(view.fault("`local` and `cloud` together are all: leave `to` out"));
                }
                (Some(_), None) => to.local = local,
                (None, _) if !to.providers.iter().any(|known| **known == *name) => {
                    to.providers.push(provider(&view)?);
                }
                _ => return Err(view.fault(format!("`{name}` stands twice"))),
            }
        }
    }
    if to.clearance_below == Some(Class::Public) {
        let view = keys.need("clearance_below")?;
        return Err(view.fault("no clearance is below `public`"));
    }
    Ok(to)
}

fn action(keys: &Fields<'_>) -> Result<Action, Fault> {
    let view = keys.need("do")?;
    let words = Action::WORDS;
    let known: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
    let action = match view.word(&known)? {
        "allow" => Some(Action::Allow),
        "pseudonymise" => Some(Action::Pseudonymise),
        "redact" => Some(Action::Redact),
        "ask" => Some(Action::Ask),
        "block" => Some(Action::Block),
        _ => None,
    };
    match (action, keys.get("via")) {
        (Some(_), Some(view)) => Err(view.fault("`via` may only stand beside `do: route`")),
        (Some(action), None) => Ok(action),
        (None, None) => Err(view
            .fault("`do: route` says not where to")
            .with_hint("add `via: local`, or `via: PROVIDER`")),
        (None, Some(view)) => Ok(Action::Route(match view.text()? {
            "local" => Via::Local,
            "cloud" => {
                return Err(view.fault("`cloud` is many providers: name one, or keep local ones out by `to: local` and `do: block`"));
            }
            _ => Via::Provider(provider(&view)?),
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
        window.days = one_or_more(&view, |view| view.word(&Window::DAYS))?
            .iter()
            .fold(0, |bits, day| bits | 1 << day);
    }
    if let Some(view) = keys.get("hours") {
        let text = view.text()?;
        let both = text
            .split_once('-')
            .and_then(|(from, until)| Some((moment(from)?, moment(until)?)));
        (window.from, window.until) = both
            .filter(|(from, until)| *from < DAY && *until > 0 && from != until)
            .ok_or_else(|| {
                view.fault(format!(
                    "`{text}` is no window of time, such as \"08:00-18:00\" or \"22:00-06:00\" (UTC)"
                ))
            })?;
    }
    Ok(Some(window))
}

/// `08:00`, in minutes of the day.
fn moment(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| plain)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY).then_some(all)
}
