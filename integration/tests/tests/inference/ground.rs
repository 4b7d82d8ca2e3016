//! What the other files stand on: without a rule about models, the clients, the models and the fake work as they should.

use nemoclaw_tests::model::{Cut, Plan, Says};
use nemoclaw_tests::models::Real;
use nemoclaw_tests::{node, skip};
use serde_json::{Value, json};

const POLICY: &str = "\
version: 1
filesystem_policy:
  read_only: [/]
  read_write: [/sandbox, /tmp, /dev/null]
network_policies:
  models:
    endpoints:
      - { host: cloud.test, port: 443, protocol: rest, access: full }
      - { host: real.test, port: 443, protocol: rest, access: full }
";

const SAID: &str = "Say: ÄÖÜ €5 hello";

fn ask(client: &str, host: &str, stream: bool) -> Value {
    let base = match client {
        "openai" => format!("https://{host}/v1"),
        _ => format!("https://{host}"),
    };
    // llama.cpp leaves `message_start` out of a stream whose first token is a part of a character.
    let prompt = if host == "cloud.test" {
        SAID
    } else {
        "Say hello."
    };
    json!({ "client": client, "base": base, "key": "own", "model": "small", "prompt": prompt, "stream": stream })
}

#[test]
fn official_clients_in_a_sandbox_read_what_the_fake_and_real_models_say() {
    if let Err(reason) = Real::possible() {
        skip!("{reason}");
    }
    let node = node!(&["cloud.test", "real.test"], "");
    let (fake, real) = (
        node.provider("cloud.test", Some("own")),
        node.provider("real.test", None),
    );
    let server = Real::start(&node, &node.outside, 8081, "small");
    real.always(Plan {
        says: Says::Relay(server.address),
        ..Plan::default()
    });
    fake.always(Plan {
        cut: Cut::Every(1),
        ..Plan::echo()
    });
    let sandbox = node.sandbox(POLICY);
    let asks: Vec<Value> = ["openai", "anthropic"]
        .into_iter()
        .flat_map(|client| {
            [
                ("cloud.test", false),
                ("cloud.test", true),
                ("real.test", false),
                ("real.test", true),
            ]
            .map(|(host, stream)| ask(client, host, stream))
        })
        .collect();
    for answers in [sandbox.python(&asks), sandbox.javascript(&asks)] {
        for (asked, answer) in asks.iter().zip(&answers) {
            let text = answer["text"]
                .as_str()
                .unwrap_or_else(|| panic!("{asked}: {answer}"));
            if asked["base"]
                .as_str()
                .is_some_and(|base| base.contains("cloud"))
            {
                assert_eq!(text, SAID, "{asked}: {answer}");
            } else {
                assert!(!text.is_empty(), "{asked}: {answer}");
            }
        }
    }
    let seen = fake.asked();
    assert_eq!(seen.len(), 8, "{seen:?}");
    assert!(seen.iter().all(|asked| asked.whole().contains("hello")));
}
