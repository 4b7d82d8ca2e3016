//! Where packets go, and where values are found.

use std::fs;
use std::time::Duration;

use nemoclaw_tests::node::Sandbox;
use nemoclaw_tests::search::{memory_holds, processes_beside};
use nemoclaw_tests::sh;
use nemoclaw_tests::shell::{Output, wait_for};

use crate::support::{
    CHAIN, CLAUDE_KEY, CLOUD_KEY, EMAIL, Ground, OWN, ask, holds_none, streamed, text, values,
};

#[test]
fn a_configuration_with_local_providers_only_sends_nothing_off_the_host() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let home = "version: 1\nproviders:\n  home: { type: llama.cpp, base_url: 'http://127.0.0.1:8080/v1', models: [small] }\n";
    ground.node.providers(home, &[]);
    let sandbox = ground.sandbox("{}", "{}");
    let before = ground.node.sent();
    let prompt = format!("My address is {EMAIL}.");
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
    std::thread::sleep(Duration::from_millis(300));
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
        "version: 1\nproviders:\n  open: { type: openai, base_url: 'https://cloud.test/v1', models: [big], file: $D/cloud.key, env: [CLOUD_KEY] }\n",
        &["open"],
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
    let refused = ground.sandbox("routes:\n  - { to: [open/big] }", "{}");
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
    sandbox.audited("the calls", |line| line.contains("\"provider\":\"open\""));
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

/// Asks, and lives on with what it has heard.
const AGENT: &str = "\
import sys, time
sys.argv = ['ask.py', sys.argv[1]]
exec(open('/opt/asks/ask.py').read())
open('/sandbox/asked', 'w').write('yes')
time.sleep(600)
";

/// The providers' keys are in no file, variable, command line or memory of a sandbox; its own is where it put it.
fn keys_are_nowhere_in(sandbox: &Sandbox<'_>) {
    let asks = ask("openai", "any", "Hello.").to_string();
    let variables = [
        "PYTHONPATH=/opt/clients/python",
        "PYTHONDONTWRITEBYTECODE=1",
    ];
    let begin = "/usr/bin/python3 -c \"$0\" \"$1\" >/sandbox/answer 2>&1 &";
    sandbox
        .exec_with(&variables, &["sh", "-c", begin, AGENT, &asks])
        .ok();
    wait_for("the agent's answer", Duration::from_secs(60), || {
        (sandbox.exec(&["test", "-e", "/sandbox/asked"]).code == 0).then_some(())
    });
    sandbox
        .exec(&["cat", "/sandbox/answer"])
        .ok()
        .says("Hello.");
    let init = sandbox.pid();
    let held = |word: &str| {
        let mut places = Vec::new();
        for pid in processes_beside(init) {
            if memory_holds(pid, word) {
                places.push(format!("memory of {pid}"));
            }
        }
        let root = format!("/proc/{init}/root");
        let found = sh(&format!(
            "grep -rlaF -D skip -e {word} {root}/sandbox {root}/tmp {root}/etc {root}/dev/shm {root}/var 2>/dev/null; true"
        ));
        places.extend(found.stdout.lines().map(str::to_owned));
        places
    };
    assert!(
        held(OWN).iter().any(|place| place.starts_with("memory")),
        "what is there is found"
    );
    for secret in [CLOUD_KEY, CLAUDE_KEY] {
        assert_eq!(held(secret), Vec::<String>::new());
    }
}
