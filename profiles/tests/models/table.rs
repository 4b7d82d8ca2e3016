//! Who may answer, by example.

use std::time::Duration;

use nemoclaw_policy::choose::{Call, Choice, Found, Refused, Transform, choose, serves};
use nemoclaw_policy::narrow::meet;
use nemoclaw_policy::provider::Providers;
use nemoclaw_policy::{Class, Policy, Source};

const ENTRIES: &str = "version: 1\nproviders:\n  \
    cloud: { type: openai, file: /a, residency: us, models: { gpt: { input: 2, output: 8 }, mini: { input: 1, output: 1 } } }\n  \
    eu: { type: openai, file: /a, env: [B], residency: eu, base_url: https://eu.test/v1, models: { gpt: { input: 3, output: 9 } } }\n  \
    vault: { type: generic, file: /a, base_url: https://vault.test/v1, clearance: secret, models: [gpt] }\n  \
    here: { type: ollama, models: [llama] }\n";

fn providers() -> Providers {
    Providers::parse(&Source::text("providers.yaml", ENTRIES)).unwrap()
}

fn policy(name: &str, inference: &str, privacy: &str) -> Policy {
    let text = format!("version: 1\ninference: {{ {inference} }}\n{privacy}\n");
    Policy::load(&Source::text(name, &text)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn found(all: &[(&str, Class)]) -> Vec<Found> {
    let one = |(name, class): &(&str, Class)| Found {
        detector: (*name).into(),
        class: *class,
    };
    all.iter().map(one).collect()
}

fn call<'a>(model: &'a str, found: &'a [Found]) -> Call<'a> {
    Call {
        model,
        tokens: 10,
        tools: false,
        images: false,
        sandbox: "a",
        policies: &[],
        day: 0,
        minute: 600,
        session: Class::Public,
        conversation: Class::Public,
        found,
    }
}

fn names(choice: &Choice) -> Vec<String> {
    choice
        .chain
        .iter()
        .map(|one| format!("{}/{}", one.provider, one.model))
        .collect()
}

/// The chain, or a refusal's sentence.
fn asked(policy: &Policy, call: &Call<'_>) -> Result<Vec<String>, String> {
    choose(policy, &providers(), call)
        .map(|choice| names(&choice))
        .map_err(|refused| refused.to_string())
}

fn how(policy: &Policy, call: &Call<'_>, provider: &str) -> Option<Vec<Transform>> {
    let choice = choose(policy, &providers(), call).ok()?;
    choice
        .chain
        .into_iter()
        .find(|one| &*one.provider == provider)
        .map(|one| one.how)
}

const TO_ALL: &str = "routes: [{ to: [cloud, vault, here] }]";
const PERSONAL: (&str, Class) = ("email", Class::Personal);
const SECRET: (&str, Class) = ("api_key", Class::Secret);
const REGULATED: (&str, Class) = ("iban", Class::Regulated);
const INTERNAL: (&str, Class) = ("organisation", Class::Internal);

#[test]
fn without_rules_the_clearance_decides() {
    use Transform::{Keep, Pseudonymise};
    let policy = policy("p", TO_ALL, "privacy: {}");
    for (finding, cloud, vault, here) in [
        (INTERNAL, Some(Pseudonymise), Some(Keep), Some(Keep)),
        (PERSONAL, Some(Pseudonymise), Some(Keep), Some(Keep)),
        (SECRET, None, Some(Keep), Some(Keep)),
        (REGULATED, None, None, Some(Keep)),
    ] {
        let found = found(&[finding]);
        for (provider, expected) in [("cloud", cloud), ("vault", vault), ("here", here)] {
            let own = how(&policy, &call("gpt", &found), provider);
            assert_eq!(own, expected.map(|one| vec![one]), "{finding:?} {provider}");
        }
    }
    let all = found(&[SECRET]);
    let bare = self::policy("p", TO_ALL, "");
    assert_eq!(
        how(&bare, &call("gpt", &all), "cloud"),
        Some(vec![Keep]),
        "no `privacy` looks at nothing"
    );
}

#[test]
fn nobody_may_answer_names_the_class_and_where_to_look() {
    let policy = policy("p", "routes: [{ to: [cloud, eu] }]", "privacy: {}");
    let all = found(&[PERSONAL, SECRET]);
    let refused = choose(&policy, &providers(), &call("gpt", &all)).unwrap_err();
    assert_eq!(refused.class(), Some(Class::Secret));
    let told = refused.to_string();
    assert!(
        told.starts_with(
            "no provider may see what is secret in this request (cloud: api_key (secret)"
        ),
        "{told}"
    );
    let Refused::Withheld(each) = refused else {
        panic!("{told}")
    };
    assert_eq!(each.len(), 2);
    let none = self::policy("p", "routes: [{ models: [gpt] }]", "");
    assert_eq!(
        asked(&none, &call("other", &[])).unwrap_err(),
        "no route of the policy `p` takes the model `other`"
    );
    let nobody = asked(&self::policy("p", "", ""), &call("other", &[])).unwrap_err();
    assert_eq!(
        nobody,
        "no provider that this sandbox may ask has the model `other`"
    );
    let silent = Policy::load(&Source::text("p", "version: 1\n")).unwrap();
    assert_eq!(
        asked(&silent, &call("gpt", &[])).unwrap_err(),
        "the policy `p` asks no model"
    );
}

#[test]
fn rules_are_tried_in_order_and_a_route_leaves_the_rest_to_those_behind_it() {
    use Transform::{Keep, Redact};
    let rules = |rules: &str| policy("p", TO_ALL, &format!("privacy: {{ rules: [{rules}] }}"));
    let secret = found(&[SECRET]);
    let call = call("gpt", &secret);
    let local = rules("{ class: secret, do: route, via: local }");
    assert_eq!(asked(&local, &call), Ok(vec!["here/llama".to_owned()]));
    assert_eq!(how(&local, &call, "here"), Some(vec![Keep]));
    let both = rules("{ class: secret, do: route, via: vault }, { class: secret, do: redact }");
    assert_eq!(how(&both, &call, "vault"), Some(vec![Redact]));
    assert_eq!(how(&both, &call, "cloud"), None);
    // A route gives no clearance.
    let low = rules("{ class: secret, do: route, via: cloud-two }");
    assert!(asked(&low, &call).is_err());
    let to_cloud = policy(
        "p",
        "routes: [{ to: [cloud] }]",
        "privacy: { rules: [{ do: route, via: local, when: { tools: true } }, { do: allow }] }",
    );
    assert_eq!(
        how(&to_cloud, &call, "cloud"),
        None,
        "a rule about the request lets no finding pass"
    );
    let first = rules("{ detector: api_key, to: cloud, do: redact }, { class: secret, do: block }");
    assert_eq!(how(&first, &call, "cloud"), Some(vec![Redact]));
    assert_eq!(how(&first, &call, "here"), None);
    let any = rules(
        "{ class: secret, to: [local, cloud], do: redact }"
            .replace("cloud", "vault")
            .as_str(),
    );
    assert_eq!(how(&any, &call, "vault"), Some(vec![Redact]));
    assert_eq!(how(&any, &call, "here"), Some(vec![Redact]));
    let below = rules("{ class: secret, clearance_below: secret, do: redact }");
    assert_eq!(how(&below, &call, "cloud"), Some(vec![Redact]));
    assert_eq!(how(&below, &call, "vault"), Some(vec![Keep]));
}

#[test]
fn a_policy_may_give_a_detector_another_class_or_turn_it_off() {
    use Transform::Keep;
    let all = found(&[PERSONAL, INTERNAL]);
    let policy = policy(
        "p",
        TO_ALL,
        "privacy: { detectors: { email: regulated, organisation: off } }",
    );
    assert_eq!(how(&policy, &call("gpt", &all), "vault"), None);
    assert_eq!(
        how(&policy, &call("gpt", &all), "here"),
        Some(vec![Keep, Keep])
    );
    let choice = choose(&policy, &providers(), &call("gpt", &all)).unwrap();
    assert_eq!(choice.chain[0].sees, Class::Regulated);
    // What another policy's pattern found is not nobody's.
    let other = found(&[("theirs", Class::Secret)]);
    assert_eq!(how(&policy, &call("gpt", &other), "cloud"), None);
}

#[test]
fn of_several_policies_the_strictest_holds() {
    let a = policy(
        "a",
        TO_ALL,
        "privacy: { rules: [{ class: personal, do: redact }] }",
    );
    let b = policy(
        "b",
        TO_ALL,
        "privacy: { rules: [{ class: secret, to: cloud, do: allow }] }",
    );
    let c = policy(
        "c",
        "providers: [cloud, here]",
        "privacy: { rules: [{ class: secret, to: cloud, do: pseudonymise }] }",
    );
    let all = found(&[PERSONAL, SECRET]);
    let call = call("gpt", &all);
    use Transform::{Pseudonymise, Redact};
    assert_eq!(
        how(&meet(&a, &b), &call, "cloud"),
        None,
        "a withholds the secret"
    );
    assert_eq!(
        how(&meet(&b, &c), &call, "cloud"),
        Some(vec![Pseudonymise, Pseudonymise])
    );
    assert_eq!(how(&meet(&a, &c), &call, "cloud"), None);
    assert_eq!(
        how(&meet(&a, &c), &call, "vault"),
        None,
        "c does not list it"
    );
    let d = policy(
        "d",
        TO_ALL,
        "privacy: { rules: [{ class: [personal, secret], do: redact }] }",
    );
    assert_eq!(
        how(&meet(&c, &d), &call, "cloud"),
        Some(vec![Redact, Redact])
    );
    // One without a chain admits what another rewrites to.
    assert_eq!(
        asked(&meet(&c, &d), &call),
        Ok(vec!["cloud/gpt".to_owned(), "here/llama".to_owned()])
    );
    let none = Policy::load(&Source::text("n", "version: 1\n")).unwrap();
    assert!(asked(&meet(&a, &none), &call).is_err());
}

#[test]
fn pictures_go_where_the_policy_lets_them() {
    let call = Call {
        images: true,
        ..call("gpt", &[])
    };
    for (privacy, all) in [
        (
            "privacy: { images: allow }",
            vec!["cloud/gpt", "vault/gpt", "here/llama"],
        ),
        ("privacy: {}", vec!["here/llama"]),
        ("", vec!["cloud/gpt", "vault/gpt", "here/llama"]),
    ] {
        assert_eq!(
            asked(&policy("p", TO_ALL, privacy), &call).unwrap(),
            all,
            "{privacy}"
        );
    }
    let told = asked(&policy("p", TO_ALL, "privacy: { images: block }"), &call).unwrap_err();
    assert!(told.contains("pictures are blocked"), "{told}");
}

#[test]
fn a_label_holds_for_answers_that_come_again_or_for_the_sandbox() {
    let at = |sticky: &str, session, conversation| {
        let policy = policy("p", TO_ALL, &format!("privacy: {{ sticky: {sticky} }}"));
        asked(
            &policy,
            &Call {
                session,
                conversation,
                ..call("gpt", &[])
            },
        )
        .unwrap()
        .len()
    };
    for (sticky, session, conversation, count) in [
        ("off", Class::Secret, Class::Secret, 3),
        ("conversation", Class::Secret, Class::Public, 3),
        ("conversation", Class::Secret, Class::Personal, 2),
        ("conversation", Class::Secret, Class::Regulated, 1),
        ("sandbox", Class::Personal, Class::Public, 2),
        ("sandbox", Class::Public, Class::Regulated, 1),
    ] {
        assert_eq!(
            at(sticky, session, conversation),
            count,
            "{sticky} {session} {conversation}"
        );
    }
    // A rule by class lets an answer pass where it let the value pass, or the next turn would fail.
    let rules = |rules: &str| {
        policy(
            "p",
            "routes: [{ to: [cloud] }]",
            &format!("privacy: {{ rules: [{rules}] }}"),
        )
    };
    let labelled = Call {
        conversation: Class::Secret,
        ..call("gpt", &[])
    };
    assert!(asked(&rules("{ class: secret, do: allow }"), &labelled).is_ok());
    for rule in [
        "{ class: secret, do: redact }",
        "{ class: secret, do: pseudonymise }",
        "{ detector: api_key, do: allow }",
        "{ do: allow }",
    ] {
        let told = asked(&rules(rule), &labelled).unwrap_err();
        assert!(
            told.contains("an earlier answer of a model that saw what is secret"),
            "{told}"
        );
    }
}

#[test]
fn the_chain_is_in_order_or_by_price() {
    for (inference, model, chain) in [
        (
            "routes: [{ to: [here, eu, cloud/mini] }]",
            "gpt",
            vec!["here/llama", "eu/gpt", "cloud/mini"],
        ),
        (
            "routes: [{ to: [eu, cloud, cloud/mini], prefer: cheapest }]",
            "gpt",
            vec!["cloud/mini", "cloud/gpt", "eu/gpt"],
        ),
        ("", "gpt", vec!["cloud/gpt", "eu/gpt", "vault/gpt"]),
        ("", "llama", vec!["here/llama"]),
        ("providers: [eu, here]", "gpt", vec!["eu/gpt"]),
        ("residency: [eu]", "gpt", vec!["eu/gpt"]),
        ("residency: [eu]", "llama", vec!["here/llama"]),
        (
            "routes: [{ models: [llama], to: [here] }, { models: [\"g*\"], to: [cloud/mini] }]",
            "gpt",
            vec!["cloud/mini"],
        ),
        (
            "routes: [{ to: [here/other, cloud, nobody] }]",
            "gpt",
            vec!["cloud/gpt"],
        ),
    ] {
        assert_eq!(
            asked(&policy("p", inference, ""), &call(model, &[])).unwrap(),
            chain,
            "{inference}"
        );
    }
    let patient = policy(
        "a",
        "routes: [{ to: [cloud], timeout: 2m, retries: 5, concurrent: 8 }]",
        "",
    );
    let quick = policy("b", "routes: [{ timeout: 90s, retries: 2 }]", "");
    let choice = choose(&meet(&patient, &quick), &providers(), &call("gpt", &[])).unwrap();
    let one = &choice.chain[0];
    assert_eq!(
        (one.timeout, one.retries, one.concurrent),
        (Duration::from_secs(90), 2, Some(8))
    );
}

#[test]
fn conditions_are_about_the_request() {
    for (when, changed) in [
        (
            "tools: true",
            Call {
                tools: true,
                ..call("gpt", &[])
            },
        ),
        (
            "tokens_over: 100",
            Call {
                tokens: 101,
                ..call("gpt", &[])
            },
        ),
        ("models: 'g*'", call("gpt", &[])),
        (
            "session: personal",
            Call {
                session: Class::Secret,
                ..call("mini", &[])
            },
        ),
        (
            "sandboxes: 'b-*'",
            Call {
                sandbox: "b-1",
                ..call("mini", &[])
            },
        ),
        (
            "hours: '08:00-18:00', days: [mon]",
            Call {
                minute: 480,
                ..call("mini", &[])
            },
        ),
    ] {
        let policy = policy(
            "p",
            "routes: [{ to: [cloud, here] }]",
            &format!("privacy: {{ rules: [{{ do: block, to: cloud, when: {{ {when} }} }}] }}"),
        );
        assert_eq!(asked(&policy, &changed).unwrap(), ["here/llama"], "{when}");
        let other = Call {
            minute: 1200,
            ..call("mini", &[])
        };
        assert_eq!(asked(&policy, &other).unwrap().len(), 2, "{when}");
    }
}

#[test]
fn a_person_is_asked_once_whatever_asks() {
    let policy = policy(
        "p",
        TO_ALL,
        "privacy: { rules: [{ class: secret, to: cloud, do: ask }, { do: ask, when: { tools: true } }] }",
    );
    let all = found(&[SECRET]);
    let choice = choose(
        &policy,
        &providers(),
        &Call {
            tools: true,
            ..call("gpt", &all)
        },
    )
    .unwrap();
    let asks: Vec<bool> = choice.chain.iter().map(|one| one.ask.is_some()).collect();
    assert_eq!(asks, [true, true, true]);
    let calm = choose(&policy, &providers(), &call("gpt", &all)).unwrap();
    assert!(calm.chain[0].ask.is_some() && calm.chain[2].ask.is_none());
    assert_eq!(
        (calm.chain[0].sees, &calm.chain[0].how[..]),
        (Class::Secret, &[Transform::Keep][..])
    );
}

#[test]
fn a_host_that_one_policy_lets_the_router_answer_is_passed_by_no_other() {
    let with = policy("a", "hosts: [api.openai.com]", "privacy: {}");
    let network = "network_policies: { e: { endpoints: [{ host: api.openai.com, port: 443 }] } }";
    let text = format!("version: 1\n{network}\n");
    let without = Policy::load(&Source::text("b", &text)).unwrap();
    let met = meet(&with, &without);
    assert!(
        serves(&with, "api.openai.com")
            && serves(&met, "api.openai.com")
            && serves(&met, "inference.local")
    );
    assert!(!serves(&without, "api.openai.com") && !serves(&without, "inference.local"));
    assert!(asked(&met, &call("gpt", &[])).is_err());
}
