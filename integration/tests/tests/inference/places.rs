//! Where packets go, and where values are found.

use std::fs;

use nemoclaw_tests::node::Sandbox;
use nemoclaw_tests::sh;
use nemoclaw_tests::shell::Output;

use crate::support::{
    CHAIN, CLAUDE_KEY, CLOUD_KEY, EMAIL, Ground, ask, holds_none, key, streamed, text, values,
};

#[test]
fn a_configuration_with_local_providers_only_sends_nothing_off_the_host() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let home = "version: 1\nproviders:\n  home: { type: llama.cpp, base_url: 'http://127.0.0.1:8080/v1', models: [small] }\n";
    ground.node.providers(home, &["home"]);
    let sandbox = ground.sandbox("{}", "{}");
    let before = ground.node.sent();
    let prompt = format!("My address is {EMAIL}, my key {}.", key());
    let asks = [
        ask("openai", "small", &prompt),
        streamed("openai", "small", &prompt),
        ask("anthropic", "small", &prompt),
        streamed("anthropic", "small", &prompt),
        ask("openai", "big", "Is anybody there?"),
    ];
    let answers = sandbox.python(&asks);
    for answer in &answers[..4] {
        assert_eq!(text(answer), prompt);
    }
    assert!(answers[4]["status"].as_u64() >= Some(400), "{answers:?}");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(
        ground.node.sent(),
        before,
        "packets on the wire to the outside"
    );
    assert_eq!(
        (ground.cloud.connections(), ground.claude.connections()),
        (0, 0)
    );
    // The wire does count: with the cloud's entry back a request is on it.
    ground.node.providers(
        "version: 1\nproviders:\n  cloud: { type: openai, base_url: 'https://cloud.test/v1', models: [big], file: $D/cloud.key, env: [CLOUD_KEY] }\n",
        &["cloud"],
    );
    assert_eq!(
        text(&sandbox.python(&[ask("openai", "big", "Hello.")])[0]),
        "Hello."
    );
    assert!(ground.node.sent() > before);
}

#[test]
fn what_is_sensitive_is_found_in_no_log_number_or_word_of_the_operators() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox(
        &format!("routes:\n  - {CHAIN}"),
        "rules:\n  - { class: [secret, regulated], to: cloud, do: redact }",
    );
    let refused = ground.sandbox("routes:\n  - { to: [cloud/big] }", "{}");
    let all = values().map(|(_, value)| value).join(" and ");
    let asks = [
        ask("openai", "any", &all),
        streamed("anthropic", "any", &all),
        ask("openai", &all, "Hello."),
    ];
    for answer in sandbox.python(&asks[..2]) {
        assert!(text(&answer).contains(EMAIL), "{answer}");
    }
    // Where they should not be at all: a model's name.
    sandbox.python(&asks[2..]);
    for answer in refused.python(&asks[..2]) {
        assert_eq!(answer["status"], 403, "{answer}");
    }
    sandbox.audited("the calls", |line| line.contains("cloud"));
    let dir = ground.node.dir.path().display();
    let mut told: Vec<Output> = vec![sh(&format!(
        "cat {dir}/router.log; find {dir}/data {dir}/state -type f -exec cat {{}} +"
    ))];
    for words in [
        &["status", "--output", "json"][..],
        &["logs", "--json", &sandbox.name],
        &["logs", "--json", &refused.name],
        &["provider", "list", "--output", "json"],
    ] {
        told.push(ground.node.cli(words));
    }
    for said in &told {
        holds_none(&said.command, &format!("{}{}", said.stdout, said.stderr));
        for secret in [CLOUD_KEY, CLAUDE_KEY] {
            assert!(!said.stdout.contains(secret), "{}", said.command);
        }
    }
    let metrics = ground.node.metrics();
    assert!(!metrics.is_empty());
    holds_none("the numbers", &metrics);
    for pid in [ground.node.router(), ground.node.worker()] {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        assert_eq!(
            core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(),
            ["0", "0"],
            "core files of {pid}"
        );
    }
    keys_are_nowhere_in(&sandbox);
}

/// The providers' keys are in no file, variable or command line of a sandbox.
fn keys_are_nowhere_in(sandbox: &Sandbox<'_>) {
    for secret in [CLOUD_KEY, CLAUDE_KEY] {
        // The pattern is put together inside, so that the search does not find itself.
        let (one, two) = secret.split_at(10);
        let script = format!(
            "p={one}; q={two}; grep -rlaF -D skip -e \"$p$q\" /sandbox /tmp /etc /dev/shm /proc/1/environ /proc/1/cmdline /proc/self/environ 2>/dev/null; true"
        );
        let found = sandbox.exec(&["sh", "-c", &script]).ok();
        assert_eq!(found.text(), "", "{found:?}");
    }
}
