//! Random policies and calls over a few providers. Reproducible: a failure prints its seed.

use std::sync::LazyLock;

use nemoclaw_policy::choose::{Call, Found};
use nemoclaw_policy::provider::Providers;
use nemoclaw_policy::{Class, Policy, Source};

use crate::dice::Dice;

pub static PROVIDERS: LazyLock<Providers> = LazyLock::new(|| {
    let text = "version: 1\nproviders:\n  \
        here: { type: ollama }\n  \
        small: { type: vllm, clearance: personal, models: [m1] }\n  \
        eu: { type: openai, file: /a, env: [A], residency: eu, models: { m1: { input: 2, output: 4 }, m2: { input: 1, output: 1 } } }\n  \
        us: { type: openai, file: /a, env: [B], residency: us, clearance: personal, models: { m1: { input: 1, output: 2 }, m3: null } }\n  \
        top: { type: anthropic, file: /a, clearance: regulated, models: [m2] }\n  \
        mine: { type: openai, file: /a, env: [C], clearance: secret, sandboxes: ['a-*'] }\n";
    Providers::parse(&Source::text("providers.yaml", text)).unwrap()
});

const ROUTES: &[&str] = &[
    "{}",
    "{ models: [m1] }",
    "{ models: [\"m*\"], to: [eu, here] }",
    "{ models: [m2, x], to: [us/m1, eu/m2, here/m1] }",
    "{ to: [small, us, top/m2, mine] }",
    "{ models: [m1, m3], to: [us, eu], prefer: cheapest }",
    "{ models: [\"*1\"], to: [eu/m9, mine/m1, us] }",
];

const RULES: &[&str] = &[
    "{ class: secret, do: redact }",
    "{ class: secret, to: cloud, do: block }",
    "{ class: secret, do: route, via: local }",
    "{ class: [secret, regulated], to: [local, us], do: allow }",
    "{ class: personal, do: allow }",
    "{ class: personal, clearance_below: personal, do: redact }",
    "{ class: personal, do: route, via: us }",
    "{ class: internal, do: pseudonymise }",
    "{ class: regulated, do: ask }",
    "{ class: [personal, regulated], to: eu, do: pseudonymise }",
    "{ detector: email, do: block }",
    "{ detector: [email, ticket], to: cloud, do: redact }",
    "{ detector: api_key, to: [eu, us], do: allow }",
    "{ do: block, when: { tools: true } }",
    "{ do: route, via: here, when: { tokens_over: 50 } }",
    "{ do: route, via: local, when: { hours: \"18:00-08:00\" } }",
    "{ do: ask, to: cloud, when: { sandboxes: \"a-*\" } }",
    "{ do: allow, when: { models: m1 } }",
    "{ do: block, to: [cloud, small], when: { session: secret, days: [mon, tue] } }",
    "{ class: secret, do: pseudonymise, when: { models: [\"m*\"], tools: false } }",
];

const INFERENCE: &[&str] = &[
    "",
    "",
    "",
    "providers: [eu, us, here]",
    "residency: [eu]",
    "providers: [here, small, top]",
];
const PRIVACY: &[&str] = &[
    "",
    "images: allow, ",
    "images: block, ",
    "sticky: off, ",
    "sticky: sandbox, ",
    "detectors: { email: off }, ",
    "detectors: { api_key: internal, organisation: secret }, ",
    "patterns: { ticket: { regex: x, class: personal } }, ",
    "lists: [ticket], ",
];

fn layer_text(dice: &mut Dice) -> String {
    if dice.one_in(20) {
        return String::new();
    }
    let routes: Vec<&str> = (0..dice.below(3)).map(|_| *dice.pick(ROUTES)).collect();
    let mut inference = (*dice.pick(INFERENCE)).to_owned();
    if !routes.is_empty() {
        let comma = if inference.is_empty() { "" } else { ", " };
        inference.push_str(&format!("{comma}routes: [{}]", routes.join(", ")));
    }
    let mut text = format!("inference: {{ {inference} }}\n");
    if !dice.one_in(8) {
        let rules: Vec<&str> = (0..dice.below(4)).map(|_| *dice.pick(RULES)).collect();
        text.push_str(&format!(
            "privacy: {{ {}rules: [{}] }}\n",
            dice.pick(PRIVACY),
            rules.join(", ")
        ));
    }
    text
}

fn load(name: &str, text: &str) -> Option<Policy> {
    let source = Source::text(name, &format!("version: 1\n{text}"));
    Policy::load(&source).ok()
}

/// Those that the reader takes; it refuses some of what the dice make, such as rules that never fit.
static POLICIES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let mut dice = Dice(5);
    let mut all = Vec::new();
    while all.len() < 3000 {
        let text = layer_text(&mut dice);
        all.extend(load(&format!("/p{}.yaml", all.len() % 7), &text));
    }
    all
});

pub fn policy(dice: &mut Dice) -> Policy {
    dice.pick(&POLICIES).clone()
}

/// Rules of their own, for policies that were made from others.
static OWN_RULES: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let one = |rule: &&str| {
        load(
            "/rule.yaml",
            &format!("inference: {{}}\nprivacy: {{ rules: [{rule}] }}\n"),
        )
    };
    RULES.iter().filter_map(one).collect()
});

/// A policy that was made from another by a few changes.
pub fn changed(dice: &mut Dice, of: &Policy) -> Policy {
    let mut policy = of.clone();
    let other = dice.pick(&POLICIES).models[0].clone();
    let rule = dice.pick(&OWN_RULES).models[0]
        .privacy
        .clone()
        .unwrap()
        .rules;
    for _ in 0..=dice.below(2) {
        let layer = &mut policy.models[0];
        let (Some(inference), Some(theirs)) = (&mut layer.inference, &other.inference) else {
            return policy;
        };
        match (dice.below(9), &mut layer.privacy, &other.privacy) {
            (0, ..) => inference.providers.clone_from(&theirs.providers),
            (1, ..) => inference.residency.clone_from(&theirs.residency),
            (2, ..) => inference.routes.clone_from(&theirs.routes),
            (3, ..) if !inference.routes.is_empty() => drop(inference.routes.pop()),
            (4, Some(privacy), _) => drop(privacy.rules.splice(0..0, rule.iter().cloned())),
            (5, Some(privacy), Some(theirs)) => privacy.images = theirs.images,
            (6, Some(privacy), Some(theirs)) => privacy.sticky = theirs.sticky,
            (7, Some(privacy), Some(theirs)) => privacy.patterns.clone_from(&theirs.patterns),
            (8, privacy, theirs) => privacy.clone_from(theirs),
            _ => {}
        }
    }
    policy
}

const KINDS: &[(&str, Class)] = &[
    ("email", Class::Personal),
    ("api_key", Class::Secret),
    ("organisation", Class::Internal),
    ("iban", Class::Regulated),
    ("ticket", Class::Personal),
    ("ticket", Class::Secret),
];
const MODELS: &[&str] = &["m1", "m1", "m2", "m3", "x"];
pub const ASKED: &[&str] = &["m1", "m2", "m3", "m9", "x"];

/// What a call is made of.
pub struct Made {
    model: &'static str,
    sandbox: &'static str,
    found: Vec<Found>,
    dice: u64,
}

pub fn made(dice: &mut Dice) -> Made {
    let found = |dice: &mut Dice| {
        let (detector, class) = *dice.pick(KINDS);
        Found {
            detector: detector.into(),
            class,
        }
    };
    let mut all: Vec<Found> = (0..dice.below(4)).map(|_| found(dice)).collect();
    all.sort_by(|a, b| a.detector.cmp(&b.detector));
    all.dedup_by(|a, b| a.detector == b.detector);
    Made {
        model: dice.word(MODELS),
        sandbox: dice.word(&["a-1", "b-1"]),
        found: all,
        dice: dice.next(),
    }
}

impl Made {
    pub fn call(&self) -> Call<'_> {
        let mut dice = Dice(self.dice);
        let class = |dice: &mut Dice| {
            *dice.pick(&[
                Class::Public,
                Class::Public,
                Class::Public,
                Class::Personal,
                Class::Secret,
            ])
        };
        Call {
            model: self.model,
            tokens: *dice.pick(&[10, 100]),
            tools: dice.one_in(2),
            images: dice.one_in(6),
            sandbox: self.sandbox,
            policies: &[],
            day: *dice.pick(&[0, 1, 5]),
            minute: *dice.pick(&[60, 600, 1200]),
            session: class(&mut dice),
            conversation: class(&mut dice),
            found: &self.found,
        }
    }
}
