//! What policies say of models, in random policies and by example.

use nemoclaw_policy::narrow::Axis;

use super::within::{axes, child, parent};

pub const INFERENCE: &[&str] = &[
    "inference: {}\n",
    "inference: { hosts: [a.x.com] }\n",
    "inference: { hosts: [a.x.com, b.x.com], providers: [one] }\n",
    "inference: { routes: [{ models: [m], to: [one, two] }, {}] }\n",
    "inference: { routes: [{ models: [m], to: [one] }], budgets: { tokens: 5 } }\n",
];
pub const PRIVACY: &[&str] = &[
    "",
    "privacy: {}\n",
    "privacy: { sticky: sandbox, answers: personal }\n",
    "privacy: { rules: [{ class: secret, do: redact }] }\n",
    "privacy: { rules: [{ class: personal, do: block }, { class: secret, do: redact }] }\n",
];

/// Key, a value that allows less, a value that allows more.
pub const EXAMPLES: &[(Axis, &str, &str)] = &[
    (Axis::Models, "\n", "inference: {}\n"),
    (
        Axis::Models,
        "inference: { routes: [{ to: [a] }] }\n",
        "inference: {}\n",
    ),
    (
        Axis::Models,
        "inference: { routes: [{ to: [a] }] }\n",
        "inference: { routes: [{ to: [a, b] }] }\n",
    ),
    (
        Axis::Models,
        "inference: { routes: [{ concurrent: 1 }] }\n",
        "inference: { routes: [{ concurrent: 2 }] }\n",
    ),
    (
        Axis::ModelHosts,
        "inference: { hosts: [a.b] }\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 443 }] } }\n",
        "inference: {}\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 443 }] } }\n",
    ),
    (
        Axis::ModelProviders,
        "inference: { providers: [a] }\n",
        "inference: { providers: [a, b] }\n",
    ),
    (
        Axis::ModelProviders,
        "inference: { providers: [a] }\n",
        "inference: {}\n",
    ),
    (
        Axis::Residency,
        "inference: { residency: [eu] }\n",
        "inference: {}\n",
    ),
    (
        Axis::ModelTokens,
        "inference: { budgets: { tokens: 1 } }\n",
        "inference: { budgets: { tokens: 2 } }\n",
    ),
    (
        Axis::ModelRequests,
        "inference: { budgets: { requests: 1 } }\n",
        "inference: {}\n",
    ),
    (
        Axis::ModelCost,
        "inference: { budgets: { cost: 1.5 } }\n",
        "inference: { budgets: { cost: 1.6 } }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: {}\n",
        "inference: {}\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { images: block }\n",
        "inference: {}\nprivacy: { images: local }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { sticky: sandbox }\n",
        "inference: {}\nprivacy: { sticky: off }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { restore: { text: false } }\n",
        "inference: {}\nprivacy: {  }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { answers: personal }\n",
        "inference: {}\nprivacy: { answers: off }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { lists: [a, b] }\n",
        "inference: {}\nprivacy: { lists: [a] }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { patterns: { p: { regex: x, class: secret } } }\n",
        "inference: {}\nprivacy: {  }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { ner: a }\n",
        "inference: {}\nprivacy: {  }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { rules: [{ class: personal, do: block }, { class: secret, do: redact }] }\n",
        "inference: {}\nprivacy: { rules: [{ class: secret, do: redact }] }\n",
    ),
    (
        Axis::Privacy,
        "inference: {}\nprivacy: { rules: [{ do: route, via: local, when: { tools: true } }] }\n",
        "inference: {}\nprivacy: {  }\n",
    ),
];

#[test]
fn a_host_that_the_parents_router_answers_may_be_left_out_where_it_is_not_reached() {
    let has = parent(
        "inference: { hosts: [a.b] }\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 443 }] } }\n",
    );
    for apart in [
        "",
        "inference: {}\n",
        "network_policies: { e: { endpoints: [{ host: a.b, port: 80 }] } }\n",
    ] {
        assert!(
            !axes(&child(apart), &has).contains(&Axis::ModelHosts),
            "{apart}"
        );
    }
    let beside = child("network_policies: { e: { endpoints: [{ host: a.b, port: 443 }] } }\n");
    assert_eq!(axes(&beside, &has), [Axis::ModelHosts]);
}

#[test]
fn rules_that_let_more_pass_or_come_behind_are_more() {
    let rules = |rules: &str| {
        let text = format!("inference: {{}}\nprivacy: {{ rules: [{rules}] }}\n");
        (child(&text), parent(&text))
    };
    let base = "{ class: secret, do: redact }";
    for more in [
        "{ class: personal, do: allow }, { class: secret, do: redact }",
        "{ class: personal, do: ask }, { class: secret, do: redact }",
        "{ class: personal, do: pseudonymise }, { class: secret, do: redact }",
        "{ class: secret, do: redact }, { class: personal, do: block }",
        "{ class: secret, do: pseudonymise }",
        "",
    ] {
        assert_eq!(
            axes(&rules(more).0, &rules(base).1),
            [Axis::Privacy],
            "{more}"
        );
    }
}
