//! What a model in the cloud gets to see, and what comes back.

use nemoclaw_tests::model::{Cut, Model, Plan, Says};
use serde_json::{Value, json};

use crate::support::{
    CARD, CHAIN, EMAIL, Ground, IBAN, ask, holds_none, key, policy, streamed, text, with,
};

/// What is secret or regulated is masked on its way out; what is personal gets another name, which is the usual.
const MASKED: &str = "rules:\n  - { class: [secret, regulated], to: cloud, do: redact }";
/// What is secret stays here; the rest goes the usual way.
const SECRETS_STAY: &str = "rules:\n  - { class: secret, do: route, via: local }";

fn prompt() -> String {
    format!(
        "Write to {EMAIL}. The card is {CARD}, the account {IBAN}, and the token is {}. Once more: {EMAIL}.",
        key()
    )
}

fn chain() -> String {
    format!("routes:\n  - {CHAIN}")
}

#[track_caller]
fn sees_nothing(model: &Model, requests: usize) {
    let seen = model.asked();
    assert_eq!(seen.len(), requests, "{seen:?}");
    for asked in seen {
        holds_none("a request", &asked.whole());
        assert!(asked.whole().contains("Write to "), "{asked:?}");
    }
}

#[track_caller]
fn restored(answer: &Value) {
    let said = text(answer);
    assert_eq!(said.matches(EMAIL).count(), 2, "{said}");
    assert!(
        said.starts_with(&format!("Write to {EMAIL}. The card is ")),
        "{said}"
    );
    for value in [CARD, IBAN, &key()] {
        assert!(
            !said.contains(value),
            "what is masked does not come back: {said}"
        );
    }
}

#[test]
fn a_prompt_reaches_the_cloud_without_what_is_sensitive_and_the_answer_has_the_persons_again() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("{}", MASKED);
    for model in ["big", "claude"] {
        let cloud = if model == "big" {
            &ground.cloud
        } else {
            &ground.claude
        };
        let mut asks = Vec::new();
        for client in ["openai", "anthropic"] {
            asks.extend([
                ask(client, model, &prompt()),
                streamed(client, model, &prompt()),
            ]);
        }
        for answer in sandbox
            .python(&asks)
            .iter()
            .chain(&sandbox.javascript(&asks))
        {
            restored(answer);
        }
        sees_nothing(cloud, 8);
    }
    // Without the section it all goes out: the rule is what stops it.
    let open = ground.sandbox("{}", "");
    assert_eq!(
        text(&open.python(&[ask("openai", "big", &prompt())])[0]),
        prompt()
    );
    assert!(ground.cloud.asked()[0].whole().contains(EMAIL));
}

#[test]
fn a_stream_cut_anywhere_has_the_person_again() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("{}", MASKED);
    for (piece, cut) in [
        // Smaller ones than these end the whole connection in HTTP/2: a library's guard against a flood of them.
        (1, Cut::Every(5)),
        (3, Cut::Every(7)),
        (1, Cut::Events),
        (1000, Cut::At(333)),
        (5, Cut::Every(16)),
    ] {
        let plan = Plan {
            piece,
            cut,
            ..Plan::echo()
        };
        ground.cloud.always(plan.clone());
        ground.claude.always(plan);
        let asks: Vec<Value> = [
            ("openai", "big"),
            ("openai", "claude"),
            ("anthropic", "big"),
            ("anthropic", "claude"),
        ]
        .map(|(client, model)| streamed(client, model, &prompt()))
        .into();
        for answer in sandbox.python(&asks) {
            assert!(answer["text"].is_string(), "{piece} {cut:?}: {answer}");
            restored(&answer);
        }
    }
    sees_nothing(&ground.cloud, 10);
    sees_nothing(&ground.claude, 10);
    // A byte each, by HTTP/1.1.
    let near = ground.sandbox(
        "{}",
        "rules:\n  - { class: [secret, regulated], do: redact }\n  - { class: personal, do: pseudonymise }",
    );
    ground.home.always(Plan {
        piece: 1,
        cut: Cut::Every(1),
        ..Plan::echo()
    });
    for client in ["openai", "anthropic"] {
        restored(&near.python(&[streamed(client, "small", &prompt())])[0]);
    }
    sees_nothing(&ground.home, 2);
}

#[test]
fn the_arguments_of_a_tools_call_have_the_person_again_where_the_policy_says_so() {
    let Some(ground) = Ground::start() else {
        return;
    };
    ground.cloud.always(Plan {
        says: Says::Call("send".into()),
        piece: 1,
        cut: Cut::Every(3),
        ..Plan::default()
    });
    let tool = json!([{ "type": "function", "function": { "name": "send", "parameters": { "type": "object" } } }]);
    let asks = [
        ask("openai", "big", &prompt()),
        streamed("openai", "big", &prompt()),
    ]
    .map(|ask| with(ask, "tools", tool.clone()));
    let told = ground.sandbox("{}", MASKED);
    for answer in told.python(&asks) {
        let said = answer["calls"][0][1]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(said.matches(EMAIL).count(), 2, "{said}");
    }
    let kept = ground.sandbox("{}", &format!("restore: {{ tool_calls: false }}\n{MASKED}"));
    for answer in kept.python(&asks) {
        let said = answer["calls"][0][1]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"));
        assert!(said.starts_with("Write to "), "{said}");
        assert!(!said.contains(EMAIL), "{said}");
    }
    sees_nothing(&ground.cloud, 4);
}

#[test]
fn a_request_with_a_secret_goes_to_the_local_model_and_any_other_to_the_cloud() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox(&chain(), SECRETS_STAY);
    let secret = format!("Why does {} not work?", key());
    let answers = sandbox.python(&[
        ask("openai", "any", &secret),
        streamed("anthropic", "any", &secret),
    ]);
    for answer in &answers {
        assert!(!text(answer).contains(&key()), "answers are watched too");
    }
    let seen = ground.home.asked();
    assert_eq!(seen.len(), 2, "{seen:?}");
    for asked in seen {
        let hidden = !asked.whole().contains(&key());
        assert!(!hidden, "the local model sees all: {asked:?}");
    }
    assert_eq!(ground.counts(), [0, 0, 0]);
    let answers = sandbox.python(&[
        ask("openai", "other", "Hello."),
        streamed("anthropic", "other", "Hello."),
    ]);
    for answer in &answers {
        assert_eq!(text(answer), "Hello.");
    }
    assert_eq!(ground.counts(), [0, 2, 0]);
}

#[test]
fn no_provider_with_clearance_is_a_refusal_that_names_the_class_and_never_the_value() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("routes:\n  - { to: [open/big, claude/claude] }", "{}");
    for (value, class) in [
        (key(), "secret"),
        (CARD.to_owned(), "regulated"),
        (IBAN.to_owned(), "regulated"),
    ] {
        let asks = [
            ask("openai", "any", &format!("Look: {value}")),
            streamed("anthropic", "any", &format!("Look: {value}")),
        ];
        for answer in sandbox
            .python(&asks)
            .iter()
            .chain(&sandbox.javascript(&asks))
        {
            assert_eq!(answer["status"], 403, "{answer}");
            assert!(answer.to_string().contains(class), "{answer}");
            holds_none("the refusal", &answer.to_string());
        }
    }
    assert_eq!(ground.counts(), [0, 0, 0]);
    for file in ["router.log", &format!("data/audit/{}.jsonl", sandbox.name)] {
        let text = std::fs::read_to_string(ground.node.path(file)).unwrap();
        holds_none(file, &text);
    }
}

#[test]
fn a_policys_edit_changes_the_way_of_the_next_request_of_a_live_sandbox() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("routes:\n  - { to: [open/big] }", "");
    let asks = [ask("openai", "any", "Hello.")];
    assert_eq!(text(&sandbox.python(&asks)[0]), "Hello.");
    assert_eq!(ground.counts(), [0, 1, 0]);
    sandbox.edit(&policy("routes:\n  - { to: [home/small] }", ""));
    let mut led = [0; 3];
    for _ in 0..10 {
        assert_eq!(text(&sandbox.python(&asks)[0]), "Hello.");
        led = ground.counts();
        if led == [1, 0, 0] {
            break;
        }
    }
    assert_eq!(led, [1, 0, 0], "the next request goes home");
    sandbox.edit(&policy(
        "routes:\n  - { models: [other], to: [home/small] }",
        "",
    ));
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(sandbox.python(&asks)[0]["status"].as_u64() >= Some(400));
    assert_eq!(ground.counts(), [0, 0, 0]);
}
