//! `inference` and `privacy` as they are read.

use std::time::Duration;

use nemoclaw_policy::policy::{Action, Images, Sticky, Via, Window};
use nemoclaw_policy::{Class, Policy, Source};

fn load(text: &str) -> Result<Policy, String> {
    let source = Source::text("p.yaml", &format!("version: 1\n{text}"));
    Policy::load(&source).map_err(|fault| fault.to_string())
}

#[test]
fn what_is_omitted_has_its_default() {
    let policy = load("inference: { routes: [{}] }\nprivacy: {}\n").unwrap();
    let layer = &policy.models[0];
    let route = &layer.inference.as_ref().unwrap().routes[0];
    assert!(route.models[0].matches("meta/llama-3.1-8b") && route.cheapest);
    assert_eq!((route.timeout, route.retries), (Duration::from_secs(60), 1));
    let privacy = layer.privacy.as_ref().unwrap();
    assert_eq!(
        (privacy.images, privacy.sticky, privacy.answers),
        (Images::Local, Sticky::Conversation, Some(Class::Secret))
    );
    assert!(privacy.restore.text && privacy.restore.tool_calls);
    let none = load("").unwrap();
    assert!(none.models[0].inference.is_none() && none.models[0].privacy.is_none());
}

#[test]
fn rules_are_read_as_written() {
    let text = "inference: {}\nprivacy:\n  detectors: { email: off, organisation: secret }\n  lists: [codenames]\n  answers: off\n  rules:\n    \
                - { class: secret, to: [local, big], do: route, via: local }\n    \
                - { detector: [codenames, api_key], to: cloud, clearance_below: secret, do: redact }\n    \
                - { do: block, when: { hours: \"22:00-06:00\", days: [mon, tue], tokens_over: 5, tools: true, session: personal } }\n";
    let policy = load(text).unwrap();
    let privacy = policy.models[0].privacy.as_ref().unwrap();
    assert_eq!((privacy.detectors["email"], privacy.answers), (None, None));
    assert_eq!(privacy.detectors["organisation"], Some(Class::Secret));
    let [first, second, third] = &privacy.rules[..] else {
        panic!()
    };
    assert_eq!(first.action, Action::Route(Via::Local));
    assert_eq!(first.to.local, Some(true));
    assert_eq!(first.to.providers, ["big".into()]);
    assert_eq!(
        (second.to.local, second.to.clearance_below),
        (Some(false), Some(Class::Secret))
    );
    assert!(third.is_of_request() && !second.is_of_request());
    let (when, window) = (
        &third.when,
        Window {
            from: 1320,
            until: 360,
            days: 3,
        },
    );
    assert_eq!((when.window, when.tokens_over), (Some(window), Some(5)));
    assert_eq!(
        (when.tools, when.session),
        (Some(true), Some(Class::Personal))
    );
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
    let night = Window {
        from: 22 * 60,
        until: 6 * 60,
        days: 1,
    };
    for (day, minute, holds) in [
        (0, 22 * 60, true),
        (0, 24 * 60 - 1, true),
        (1, 0, true),
        (1, 6 * 60 - 1, true),
        (1, 6 * 60, false),
        (0, 0, false),
        (0, 22 * 60 - 1, false),
        (1, 22 * 60, false),
        (6, 23 * 60, false),
    ] {
        assert_eq!(night.holds(day, minute), holds, "{day} {minute}");
    }
    let sunday = Window {
        days: 1 << 6,
        ..night
    };
    assert!(sunday.holds(6, 23 * 60) && sunday.holds(0, 60) && !sunday.holds(6, 60));
    let office = Window {
        from: 8 * 60,
        until: 18 * 60,
        days: 0x1f,
    };
    assert!(office.holds(4, 8 * 60) && !office.holds(4, 18 * 60) && !office.holds(5, 9 * 60));
}

/// A text below `version`, the place of its fault, and words of it.
const FAULTS: &[(&str, &str, &str)] = &[
    ("inference:", "2:10", "must be a mapping"),
    ("inference: { host: [] }", "2:14", "did you mean `hosts`?"),
    (
        "inference: { hosts: ['*.x.com'] }",
        "2:22",
        "names single hosts",
    ),
    ("inference: { hosts: [10.0.0.1] }", "2:22", "is an address"),
    ("inference: { providers: [] }", "2:25", "empty list"),
    (
        "inference: { providers: ['a b'] }",
        "2:26",
        "no provider's name",
    ),
    ("inference: { providers: [a, a] }", "2:29", "stands twice"),
    ("inference: { residency: [EU] }", "2:26", "no residency"),
    ("inference: { routes: [] }", "2:22", "empty list"),
    (
        "inference: { routes: [{ models: [] }] }",
        "2:33",
        "empty list",
    ),
    (
        "inference: { routes: [{ to: [a, a] }] }",
        "2:33",
        "stands twice",
    ),
    (
        "inference: { routes: [{ to: [a/] }] }",
        "2:30",
        "PROVIDER/MODEL",
    ),
    (
        "inference: { providers: [b], routes: [{ to: [a] }] }",
        "2:46",
        "never asked",
    ),
    (
        "inference: { routes: [{ prefer: order }] }",
        "2:33",
        "needs the order",
    ),
    (
        "inference: { routes: [{ timeout: 2h }] }",
        "2:34",
        "from 1s to 3600s",
    ),
    (
        "inference: { routes: [{ timeout: 0 }] }",
        "2:34",
        "from 1s to 3600s",
    ),
    (
        "inference: { routes: [{ retries: 11 }] }",
        "2:34",
        "from 0 to 10",
    ),
    (
        "inference: { routes: [{}, { models: [a] }] }",
        "2:27",
        "put the narrower one first",
    ),
    (
        "inference: { routes: [{ models: [a, b] }, { models: [b] }] }",
        "2:43",
        "never taken",
    ),
    (
        "inference: { budgets: { tokens: -1 } }",
        "2:33",
        "must be from 0",
    ),
    (
        "inference: { budgets: { cost: free } }",
        "2:31",
        "must be a price",
    ),
    ("privacy: {}", "2:10", "add `inference: {}`"),
];

/// A value of `privacy`, in a line of its own, as [`FAULTS`].
const PRIVACY_FAULTS: &[(&str, &str, &str)] = &[
    ("{ image: local }", "3:12", "did you mean `images`?"),
    (
        "{ images: cloud }",
        "3:20",
        "known values: allow, local, block",
    ),
    ("{ sticky: session }", "3:20", "known values"),
    (
        "{ restore: { texts: true } }",
        "3:23",
        "did you mean `text`?",
    ),
    ("{ answers: secrets }", "3:21", "did you mean `secret`?"),
    (
        "{ detectors: { mail: off } }",
        "3:31",
        "there is no detector `mail`",
    ),
    ("{ detectors: { email: none } }", "3:32", "known values"),
    (
        "{ lists: [email] }",
        "3:20",
        "none of a detector that ships",
    ),
    ("{ lists: [a, a] }", "3:23", "stands twice"),
    ("{ lists: [a], ner: a }", "3:10", "names two of"),
    (
        "{ patterns: { email: { regex: x, class: secret } } }",
        "3:31",
        "none of a detector that ships",
    ),
    (
        "{ patterns: { p: { class: secret } } }",
        "3:27",
        "lacks `regex`",
    ),
    (
        "{ patterns: { p: { regex: '', class: secret } } }",
        "3:36",
        "1 to 4096 bytes",
    ),
    ("{ rules: [{ class: secret }] }", "3:20", "lacks `do`"),
    (
        "{ rules: [{ class: [], do: block }] }",
        "3:29",
        "empty list",
    ),
    (
        "{ rules: [{ class: top, do: block }] }",
        "3:29",
        "known values",
    ),
    (
        "{ rules: [{ detector: emial, do: block }] }",
        "3:32",
        "did you mean `email`?",
    ),
    (
        "{ rules: [{ detector: codenames, do: block }] }",
        "3:32",
        "known detectors",
    ),
    (
        "{ rules: [{ class: secret, do: hide }] }",
        "3:41",
        "known values",
    ),
    (
        "{ rules: [{ class: secret, do: route }] }",
        "3:41",
        "add `via: local`",
    ),
    (
        "{ rules: [{ class: secret, do: block, via: local }] }",
        "3:53",
        "beside `do: route`",
    ),
    (
        "{ rules: [{ class: secret, do: route, via: cloud }] }",
        "3:53",
        "is many providers",
    ),
    (
        "{ rules: [{ class: secret, to: [local, cloud], do: block }] }",
        "3:49",
        "leave `to` out",
    ),
    (
        "{ rules: [{ class: secret, to: [a, a], do: block }] }",
        "3:45",
        "stands twice",
    ),
    (
        "{ rules: [{ class: secret, clearance_below: public, do: block }] }",
        "3:54",
        "no clearance is below",
    ),
    (
        "{ rules: [{ do: redact }] }",
        "3:20",
        "needs a `class` or a `detector`",
    ),
    (
        "{ rules: [{ class: secret, to: local, do: route, via: local }] }",
        "3:20",
        "keeps nobody out",
    ),
    (
        "{ rules: [{ class: secret, to: a, do: route, via: a }] }",
        "3:20",
        "keeps nobody out",
    ),
    (
        "{ rules: [{ class: secret, detector: email, do: block }] }",
        "3:20",
        "never fits",
    ),
    (
        "{ detectors: { email: off }, rules: [{ detector: email, do: block }] }",
        "3:47",
        "is off",
    ),
    (
        "{ rules: [{ class: secret, do: redact }, { class: secret, to: cloud, do: block }] }",
        "3:51",
        "line 3 takes all",
    ),
    (
        "{ rules: [{ do: ask }, { do: block, when: { tools: true } }] }",
        "3:33",
        "put the narrower one first",
    ),
    (
        "{ rules: [{ do: block, when: { hours: '9-17' } }] }",
        "3:48",
        "22:00-06:00",
    ),
    (
        "{ rules: [{ do: block, when: { hours: '09:00-09:00' } }] }",
        "3:48",
        "no window of time",
    ),
    (
        "{ rules: [{ do: block, when: { hours: '24:00-06:00' } }] }",
        "3:48",
        "no window of time",
    ),
    (
        "{ rules: [{ do: block, when: { hours: '+8:00-09:00' } }] }",
        "3:48",
        "no window of time",
    ),
    (
        "{ rules: [{ do: block, when: { days: monday } }] }",
        "3:47",
        "known values: mon",
    ),
    (
        "{ rules: [{ do: block, when: { tokens_over: -1 } }] }",
        "3:54",
        "must be from 0",
    ),
    (
        "{ rules: [{ do: block, when: { tool: true } }] }",
        "3:41",
        "did you mean `tools`?",
    ),
];

#[test]
fn a_fault_names_its_place_and_what_helps() {
    let all = FAULTS
        .iter()
        .map(|(text, place, told)| ((*text).to_owned(), place, told));
    let privacy = PRIVACY_FAULTS
        .iter()
        .map(|(value, place, told)| (format!("inference: {{}}\nprivacy: {value}"), place, told));
    let mut wrong = Vec::new();
    for (text, place, told) in all.chain(privacy) {
        let fault = load(&text).expect_err(&text);
        if !fault.contains(told) || !fault.starts_with(&format!("p.yaml:{place}:")) {
            wrong.push(format!("{text}\n{place} {told}\n{fault}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_rule_behind_one_that_leaves_something_over_is_no_fault() {
    for rules in [
        "{ class: secret, to: cloud, do: redact }, { class: secret, do: allow }",
        "{ class: secret, do: route, via: local }, { class: secret, do: redact }",
        "{ class: secret, do: redact, when: { tools: true } }, { class: secret, do: block }",
        "{ class: secret, do: redact, clearance_below: secret }, { class: secret, do: block }",
        "{ class: secret, do: block }, { class: [secret, personal], do: redact }",
        "{ detector: email, do: block }, { class: personal, do: redact }",
        "{ do: ask }, { class: secret, do: redact }",
        "{ class: secret, to: a, do: block }, { class: secret, to: [a, local], do: redact }",
    ] {
        load(&format!(
            "inference: {{}}\nprivacy: {{ rules: [{rules}] }}\n"
        ))
        .unwrap();
    }
}
