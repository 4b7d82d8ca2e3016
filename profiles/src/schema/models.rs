//! `inference` and `privacy`.

use serde_json::{Value, json};

use super::{described, flag, list, map, object, some, text, whole, words};
use crate::class::Class;
use crate::detector;
use crate::policy::{Action, Images, Sticky, Window};

/// The greatest number of a budget.
const MOST: u64 = 1_000_000_000_000;

/// `inference`.
pub(super) fn inference() -> Value {
    object(
        "Which models may be asked, at https://inference.local/v1. Omitted: none.",
        &[
            (
                "hosts",
                list(
                    text(),
                    "Hosts of providers that the router answers itself, beside inference.local, so that clients need no other address.",
                ),
            ),
            (
                "providers",
                some(
                    text(),
                    "Providers of the node that may be asked; omitted, all that serve this sandbox.",
                ),
            ),
            (
                "residency",
                some(
                    text(),
                    "Only providers that process there, such as `eu`, and local ones that say no place.",
                ),
            ),
            (
                "routes",
                some(
                    route(),
                    "Chains of providers, the first that takes the model; omitted, every provider that has it.",
                ),
            ),
            ("budgets", budgets()),
        ],
        &[],
    )
}

fn route() -> Value {
    object(
        "Who is asked for some models.",
        &[
            (
                "models",
                some(
                    text(),
                    "Patterns of the model that the agent names; omitted, any.",
                ),
            ),
            (
                "to",
                some(
                    text(),
                    "PROVIDER, or PROVIDER/MODEL to ask for another model; the next is asked where one fails. Omitted: every provider that has the model.",
                ),
            ),
            (
                "prefer",
                described(
                    words(&["order", "cheapest"]),
                    "Omitted: `order`; without `to`, `cheapest`.",
                ),
            ),
            (
                "timeout",
                time("How long the head of an answer may take; omitted, 60s."),
            ),
            (
                "retries",
                whole(
                    0,
                    Some(10),
                    "How often one provider is asked again before the next; omitted, 1.",
                ),
            ),
            (
                "concurrent",
                whole(1, Some(10_000), "Most calls of the sandbox at once."),
            ),
        ],
        &[],
    )
}

fn budgets() -> Value {
    object(
        "Limits for any 24 hours; omitted, none.",
        &[
            ("tokens", whole(0, Some(MOST), "Tokens, sent and received.")),
            ("requests", whole(0, Some(MOST), "Calls.")),
            (
                "cost",
                described(
                    json!({ "type": "number", "minimum": 0, "maximum": 1_000_000 }),
                    "What they cost by the prices of the node's providers.",
                ),
            ),
        ],
        &[],
    )
}

/// `privacy`.
pub(super) fn privacy() -> Value {
    let names = |names: &[&'static str]| words(names);
    object(
        "What models may see of what is sent to them. Omitted: all of it.",
        &[
            (
                "images",
                described(
                    names(&Images::WORDS.map(|(word, _)| word)),
                    "Where pictures may go; nobody looks into them. Omitted: `local`.",
                ),
            ),
            (
                "sticky",
                described(
                    names(&Sticky::WORDS.map(|(word, _)| word)),
                    "What keeps the label of what a model has seen: nothing, its answers, or the sandbox for good. Omitted: `conversation`.",
                ),
            ),
            (
                "restore",
                object(
                    "Where pseudonyms in answers become values again; omitted, everywhere.",
                    &[
                        ("text", flag("In texts.")),
                        ("tool_calls", flag("In the arguments of tool calls.")),
                    ],
                    &[],
                ),
            ),
            (
                "answers",
                described(
                    class_or_off(),
                    "What is masked in answers, from this class on. Omitted: `secret`.",
                ),
            ),
            ("detectors", detectors()),
            (
                "lists",
                list(
                    text(),
                    "Word lists and document sets of the node's configuration.",
                ),
            ),
            ("patterns", patterns()),
            (
                "ner",
                described(
                    text(),
                    "A service of the node's configuration that finds names.",
                ),
            ),
            (
                "rules",
                list(
                    rule(),
                    "Tried in order for each finding and each provider; what no rule is about follows the provider's clearance.",
                ),
            ),
        ],
        &[],
    )
}

fn classes() -> Vec<&'static str> {
    Class::ALL.map(Class::word).to_vec()
}

fn class_or_off() -> Value {
    let mut all = classes();
    all.push("off");
    words(&all)
}

fn detectors() -> Value {
    let all = detector::all().iter();
    let keys: Vec<(&str, Value)> = all
        .map(|one| {
            let about = format!("{}; `{}` where omitted.", one.about, one.class);
            (one.name, described(class_or_off(), &about))
        })
        .collect();
    object(
        "Another class for what a detector finds, or `off`.",
        &keys,
        &[],
    )
}

fn patterns() -> Value {
    let pattern = object(
        "A detector of the policy's own.",
        &[
            (
                "regex",
                described(
                    text(),
                    "A regular expression in the syntax of Rust's `regex`.",
                ),
            ),
            (
                "class",
                described(words(&classes()), "The class of what it finds."),
            ),
        ],
        &["regex", "class"],
    );
    map(pattern, "Regular expressions by the name that rules use.")
}

fn rule() -> Value {
    object(
        "What becomes of something on its way to a provider. Without `class` and `detector` it is about the request.",
        &[
            (
                "class",
                described(one_or_more(words(&classes())), "Findings of these classes."),
            ),
            (
                "detector",
                described(one_or_more(text()), "What these detectors found."),
            ),
            (
                "to",
                described(
                    one_or_more(text()),
                    "For these providers: `local`, `cloud`, names. Omitted: for all.",
                ),
            ),
            (
                "clearance_below",
                described(
                    words(&classes()),
                    "For those of them with a lower clearance.",
                ),
            ),
            ("when", when()),
            (
                "do",
                described(
                    words(&Action::WORDS),
                    "`route` keeps all but `via` out, and the rules behind it decide there.",
                ),
            ),
            (
                "via",
                described(text(), "Beside `do: route`: `local`, or a provider."),
            ),
        ],
        &["do"],
    )
}

fn when() -> Value {
    let patterns = |doc| described(one_or_more(text()), doc);
    object(
        "For these requests; all of it must hold.",
        &[
            (
                "models",
                patterns("Patterns of the model that the agent names."),
            ),
            (
                "tokens_over",
                whole(
                    0,
                    Some(u32::MAX.into()),
                    "Longer than that many tokens, by estimate.",
                ),
            ),
            ("tools", flag("With tools, or without.")),
            (
                "hours",
                described(text(), "`\"08:00-18:00\"`, UTC; also over midnight."),
            ),
            (
                "days",
                described(
                    one_or_more(words(&Window::DAYS.map(|(word, _)| word))),
                    "Days on which the hours begin, UTC.",
                ),
            ),
            ("sandboxes", patterns("Patterns of the sandbox's name.")),
            (
                "session",
                described(
                    words(&classes()),
                    "A model of this sandbox has seen at least this class.",
                ),
            ),
        ],
        &[],
    )
}

/// One value, or a list of some.
fn one_or_more(one: Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

/// Seconds, or a text with a unit.
fn time(doc: &str) -> Value {
    described(
        json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 3600 }, { "type": "string" }] }),
        doc,
    )
}
