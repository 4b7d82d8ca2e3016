//! From rules to one table per door: which numbers get which answer.
//!
//! Numbers that get the same answer without a look at arguments lie together in one span, so that an allow-list of
//! hundreds of calls becomes some dozens of spans.

use std::borrow::Cow;

use super::abi::Abi;
use super::action::Action;
use super::rules::{Listed, Operator, Part, Rules, Test, Width};

/// The number that a tracer leaves where it skips a call. It belongs to no ABI.
const SKIPPED: u32 = u32::MAX;

/// All numbers that a filter can see with one `audit` value.
pub(super) struct Door<'a> {
    pub audit: u32,
    /// In rising order; the first begins at 0, each ends where the next begins.
    pub spans: Vec<Span<'a>>,
    /// Whether arguments have 32 bits, by the lowest number for which that is so.
    pub short_from: Option<u32>,
}

/// Numbers that are treated alike.
#[derive(Debug, PartialEq)]
pub(super) struct Span<'a> {
    pub first: u32,
    pub decision: Decision<'a>,
}

/// What a number gets: the first case that holds, else the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Decision<'a> {
    pub cases: Vec<Case<'a>>,
    pub otherwise: Action,
}

/// An answer that needs all its tests to hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case<'a> {
    pub tests: Cow<'a, [Test]>,
    pub action: Action,
}

/// One rule for one number. Without tests it always holds.
struct Claim<'a> {
    number: u32,
    case: Case<'a>,
}

/// The tables of all doors, and how many names no listed ABI knows.
pub(super) fn doors<'a>(rules: &'a Rules<'_>) -> (Vec<Door<'a>>, usize) {
    let mut doors: Vec<Door<'a>> = Vec::new();
    let mut known = vec![false; rules.entries.iter().map(|entry| entry.names.len()).sum()];
    for listed in &rules.abis {
        let audit = listed.abi.audit;
        if doors.iter().all(|door| door.audit != audit) {
            doors.push(door(rules, audit, &mut known));
        }
    }
    let skipped = known.iter().filter(|known| !**known).count();
    (doors, skipped)
}

fn door<'a>(rules: &'a Rules<'_>, audit: u32, known: &mut [bool]) -> Door<'a> {
    let mut parts: Vec<&Listed> = rules
        .abis
        .iter()
        .filter(|listed| listed.abi.audit == audit)
        .collect();
    parts.sort_by_key(|listed| listed.abi.first);
    let mut spans = Spans(Vec::new());
    let mut next = 0;
    for listed in &parts {
        let abi = listed.abi;
        if abi.first > next {
            spans.answer(next, rules.foreign);
        }
        match listed.part {
            Part::Answer(action) => spans.answer(abi.first, action),
            Part::Rules { newer } => fill(&mut spans, rules, abi, newer, known),
        }
        next = abi.last + 1;
    }
    if next < SKIPPED {
        spans.answer(next, rules.foreign);
    }
    spans.answer(SKIPPED, rules.default);
    let short = parts.iter().find(|listed| listed.abi.short);
    Door {
        audit,
        spans: spans.0,
        short_from: short.map(|listed| listed.abi.first),
    }
}

/// The numbers of one ABI: those that rules name, the gaps, and what lies behind the last.
fn fill<'a>(
    spans: &mut Spans<'a>,
    rules: &'a Rules<'_>,
    abi: &Abi,
    newer: Option<Action>,
    known: &mut [bool],
) {
    let (mut claims, newest) = claims(rules, abi, known);
    claims.sort_by_key(|claim| (claim.number, claim.case.action.rank()));
    let mut next = abi.first;
    let mut claims = claims.into_iter().peekable();
    while let Some(first) = claims.next() {
        let number = first.number;
        if number > next {
            spans.answer(next, rules.default);
        }
        let mut cases = vec![first.case];
        while let Some(claim) = claims.next_if(|claim| claim.number == number) {
            cases.push(claim.case);
        }
        spans.push(number, Decision::of(cases, rules.default));
        next = number + 1;
    }
    match newer.zip(newest) {
        Some((newer, newest)) => {
            if next <= newest {
                spans.answer(next, rules.default);
            }
            spans.answer(newest + 1, newer);
        }
        None => spans.answer(next, rules.default),
    }
}

/// Every rule once for every number it names, and the highest number that any rule names.
fn claims<'a>(
    rules: &'a Rules<'_>,
    abi: &Abi,
    known: &mut [bool],
) -> (Vec<Claim<'a>>, Option<u32>) {
    let mut claims = Vec::with_capacity(known.len());
    let mut newest = None;
    let names = rules
        .entries
        .iter()
        .flat_map(|entry| entry.names.iter().map(move |name| (entry, name)));
    for ((entry, name), known) in names.zip(known) {
        let numbers = abi.numbers(name).into_iter().flatten();
        newest = newest.max(numbers.clone().max());
        let shared = (abi.shared)(name);
        newest = newest.max(shared.map(|(number, _)| number));
        *known |= shared.is_some() || numbers.clone().next().is_some();
        // What a call gets anyway needs no rule, and takes nothing from rules that say otherwise.
        if entry.action == rules.default {
            continue;
        }
        let claim = |number, tests| Claim {
            number,
            case: Case {
                tests,
                action: entry.action,
            },
        };
        for number in numbers {
            if entry.alternatives.is_empty() {
                claims.push(claim(number, Cow::Borrowed(&[][..])));
            }
            let each = entry.alternatives.iter();
            claims.extend(each.map(|tests| claim(number, Cow::Borrowed(tests.as_slice()))));
        }
        // Arguments of a shared call lie behind a pointer, so only a rule without tests can be carried over.
        if let Some((number, which)) = shared.filter(|_| entry.alternatives.is_empty()) {
            claims.push(claim(number, Cow::Owned(vec![is(which)])));
        }
    }
    (claims, newest)
}

/// A test that the first argument is `value`.
fn is(value: u64) -> Test {
    Test {
        index: 0,
        width: Width::Low,
        operator: Operator::Eq,
        value,
    }
}

impl<'a> Decision<'a> {
    /// From the cases of one number, the strictest first.
    fn of(mut cases: Vec<Case<'a>>, default: Action) -> Decision<'a> {
        let always = cases.iter().position(|case| case.tests.is_empty());
        let otherwise = match always {
            Some(at) => {
                let action = cases[at].action;
                cases.truncate(at);
                action
            }
            None => default,
        };
        // A case that says what comes anyway needs no look at the arguments.
        while cases.last().is_some_and(|case| case.action == otherwise) {
            cases.pop();
        }
        Decision { cases, otherwise }
    }
}

/// Spans under construction.
struct Spans<'a>(Vec<Span<'a>>);

impl<'a> Spans<'a> {
    fn answer(&mut self, first: u32, otherwise: Action) {
        let cases = Vec::new();
        self.push(first, Decision { cases, otherwise });
    }

    /// A span that begins at `first`; one with the span before it, if that is treated alike.
    fn push(&mut self, first: u32, decision: Decision<'a>) {
        if self
            .0
            .last()
            .is_none_or(|before| before.decision != decision)
        {
            self.0.push(Span { first, decision });
        }
    }
}
