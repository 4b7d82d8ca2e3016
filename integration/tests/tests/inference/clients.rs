//! Unmodified clients of both dialects, in both languages, get to models of either.

use nemoclaw_tests::model::{Model, Plan, Says};
use nemoclaw_tests::node::Sandbox;
use serde_json::{Value, json};

use crate::support::{CLAUDE_KEY, CLOUD_KEY, Ground, OWN, ask, streamed, text, with};

const PROMPT: &str = "Tell me about the weather: ÄÖÜ €5.";
const LANGUAGES: [&str; 2] = ["Python", "JavaScript"];

fn in_language(sandbox: &Sandbox<'_>, language: &str, asks: &[Value]) -> Vec<Value> {
    match language {
        "Python" => sandbox.python(asks),
        _ => sandbox.javascript(asks),
    }
}

/// Every client, plain and streaming, asks each model.
fn all(prompt: &str) -> Vec<Value> {
    let mut asks = Vec::new();
    for client in ["openai", "anthropic"] {
        for model in ["big", "claude", "small"] {
            asks.push(ask(client, model, prompt));
            asks.push(streamed(client, model, prompt));
        }
    }
    asks
}

/// Requests went to one path, with the provider's credential and none of the caller's.
#[track_caller]
fn reached(model: &Model, requests: usize, line: &str, field: &str, credential: &str) {
    let seen = model.asked();
    assert_eq!(seen.len(), requests, "{seen:?}");
    for asked in seen {
        assert_eq!(asked.line(), line, "{asked:?}");
        assert_eq!(
            asked.field(field),
            (!credential.is_empty()).then_some(credential),
            "{asked:?}"
        );
        assert!(!asked.whole().contains(OWN), "{asked:?}");
        for stranger in ["user-agent", "cookie", "x-stainless-lang", "x-stainless-os"] {
            assert_eq!(asked.field(stranger), None, "{asked:?}");
        }
    }
}

#[test]
fn every_client_reads_every_model_plain_and_streaming_in_its_own_dialect() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("{}", "");
    for language in LANGUAGES {
        let asks = all(PROMPT);
        for (asked, answer) in asks.iter().zip(in_language(&sandbox, language, &asks)) {
            assert_eq!(text(&answer), PROMPT, "{language}: {asked}: {answer}");
            let stream = asked["stream"] == true;
            assert!(
                !stream || answer["pieces"].as_u64() > Some(1),
                "{language}: {asked}: {answer}"
            );
            if language == "Python" {
                assert_eq!(answer["usage"], json!([11, 7]), "{asked}: {answer}");
            }
        }
        let bearer = format!("Bearer {CLOUD_KEY}");
        reached(
            &ground.cloud,
            4,
            "POST /v1/chat/completions",
            "authorization",
            &bearer,
        );
        reached(
            &ground.claude,
            4,
            "POST /v1/messages",
            "x-api-key",
            CLAUDE_KEY,
        );
        reached(
            &ground.home,
            4,
            "POST /v1/chat/completions",
            "authorization",
            "",
        );
    }
}

#[test]
fn tools_are_called_through_every_dialect() {
    let Some(ground) = Ground::start() else {
        return;
    };
    for model in [&ground.home, &ground.cloud, &ground.claude] {
        model.always(Plan {
            says: Says::Call("send".into()),
            ..Plan::default()
        });
    }
    let sandbox = ground.sandbox("{}", "");
    let schema = json!({ "type": "object", "properties": { "text": { "type": "string" } }, "required": ["text"] });
    let asks: Vec<Value> = all(PROMPT)
        .into_iter()
        .map(|ask| {
            let tool = match ask["client"].as_str() {
                Some("openai") => json!({ "type": "function", "function": { "name": "send", "description": "Sends", "parameters": schema } }),
                _ => json!({ "name": "send", "description": "Sends", "input_schema": schema }),
            };
            with(ask, "tools", json!([tool]))
        })
        .collect();
    for (asked, answer) in asks.iter().zip(sandbox.python(&asks)) {
        assert_eq!(
            answer["calls"],
            json!([["send", { "text": PROMPT }]]),
            "{asked}: {answer}"
        );
        let end = if asked["client"] == "openai" {
            "tool_calls"
        } else {
            "tool_use"
        };
        assert_eq!(answer["end"], end, "{asked}: {answer}");
    }
    for asked in ground.claude.asked() {
        assert_eq!(
            asked.json()["tools"][0]["input_schema"],
            schema,
            "{asked:?}"
        );
    }
    for asked in ground.cloud.asked() {
        assert_eq!(
            asked.json()["tools"][0]["function"]["parameters"],
            schema,
            "{asked:?}"
        );
    }
}

#[test]
fn the_other_calls_of_each_dialect_are_answered_too() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("{}", "");
    let api = |client: &str, model: &str, api: &str| with(ask(client, model, PROMPT), "api", api);
    let answers = sandbox.python(&[
        api("openai", "big", "responses"),
        with(api("openai", "big", "responses"), "stream", true),
        api("openai", "big", "completions"),
        with(api("openai", "big", "completions"), "stream", true),
        api("openai", "big", "embeddings"),
        api("openai", "big", "models"),
        api("anthropic", "claude", "count"),
    ]);
    for answer in &answers[..4] {
        assert_eq!(text(answer), PROMPT, "{answers:?}");
    }
    assert_eq!(text(&answers[4]), "[0.25, -0.5]");
    for name in ["big", "claude", "small"] {
        assert!(text(&answers[5]).contains(name), "{answers:?}");
    }
    assert!(answers[6]["count"].as_u64() > Some(0), "{answers:?}");
}

#[test]
fn a_route_names_another_model_than_the_agent_does() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("routes:\n  - { models: ['fast-*'], to: [open/big] }", "");
    let answers = sandbox.python(&[
        ask("openai", "fast-1", PROMPT),
        ask("openai", "slow-1", PROMPT),
    ]);
    assert_eq!(text(&answers[0]), PROMPT);
    assert!(answers[1]["status"].as_u64() >= Some(400), "{answers:?}");
    let seen = ground.cloud.asked();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].json()["model"], "big");
}

#[test]
fn clients_that_know_only_their_providers_host_are_led_too() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox(
        "hosts: [api.openai.com, api.anthropic.com]\nroutes:\n  - { to: [home/small] }",
        "",
    );
    let openai = with(
        ask("openai", "gpt-5", PROMPT),
        "base",
        "https://api.openai.com/v1",
    );
    let anthropic = with(
        streamed("anthropic", "claude-9", PROMPT),
        "base",
        "https://api.anthropic.com",
    );
    for language in LANGUAGES {
        for answer in in_language(&sandbox, language, &[openai.clone(), anthropic.clone()]) {
            assert_eq!(text(&answer), PROMPT, "{answer}");
        }
    }
    assert_eq!(ground.counts(), [4, 0, 0]);
}

#[test]
fn a_sandbox_without_the_section_does_not_know_the_name() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("", "");
    let answers = sandbox.python(&[ask("openai", "big", PROMPT)]);
    assert!(answers[0]["error"].is_string(), "{answers:?}");
    assert_eq!(ground.counts(), [0, 0, 0]);
}
