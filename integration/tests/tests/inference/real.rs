//! Two real models, one here and one in the cloud.

use nemoclaw_tests::model::{Model, Plan, Says};
use nemoclaw_tests::models::Real;
use nemoclaw_tests::skip;
use serde_json::Value;

use crate::support::{CLOUD_KEY, EMAIL, PORT, ask, holds_none, key, policy, streamed, text, up};

const SECRETS_STAY: &str = "rules:\n  - { class: secret, do: route, via: local }";

/// Each client asks, plain and streaming.
fn asks(prompt: &str) -> Vec<Value> {
    ["openai", "anthropic"]
        .into_iter()
        .flat_map(|client| [ask(client, "any", prompt), streamed(client, "any", prompt)])
        .map(|mut ask| {
            ask["tokens"] = 8.into();
            ask
        })
        .collect()
}

#[track_caller]
fn spoke(answers: &[Value]) {
    for answer in answers {
        assert!(!text(answer).is_empty(), "{answer}");
    }
}

#[test]
fn secrets_stay_with_the_local_model_all_else_goes_to_the_cloud_and_home_when_the_cloud_is_gone() {
    if let Err(reason) = Real::possible() {
        skip!("{reason}");
    }
    let Some(node) = up("") else { return };
    let _home = Real::start(&node, &node.host, PORT, "small");
    let mut big = Real::start(&node, &node.outside, 8081, "big");
    let cloud: Model = node.provider("cloud.test", Some(CLOUD_KEY));
    cloud.always(Plan {
        says: Says::Relay(big.address),
        ..Plan::default()
    });
    let chain = "routes:\n  - { to: [open/big, home/small], retries: 0 }";
    let sandbox = node.sandbox(&policy(chain, SECRETS_STAY));

    spoke(&sandbox.python(&asks("Say hello.")));
    spoke(&sandbox.javascript(&asks("Say hello.")));
    assert_eq!(cloud.asked().len(), 8);

    spoke(&sandbox.python(&asks(&format!("Say hello to {EMAIL}."))));
    let seen = cloud.asked();
    assert_eq!(seen.len(), 4);
    for asked in seen {
        holds_none("a request", &asked.whole());
    }

    spoke(&sandbox.python(&asks(&format!("Say hello. {}", key()))));
    assert_eq!(cloud.asked().len(), 0, "a secret stays");

    big.kill();
    spoke(&sandbox.python(&asks("Say good-bye.")));
}
