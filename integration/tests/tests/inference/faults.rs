//! Providers that are busy, broken, slow or hostile: what the agent gets, and who is asked next.

use std::time::{Duration, Instant};

use nemoclaw_tests::model::{Fault, Plan};
use serde_json::Value;

use crate::support::{Ground, ask, streamed, text, with};

const SAID: &str = "Hello there, general.";
/// Longer than any answer may be.
const HUGE: usize = 80 << 20;

fn both() -> [Value; 2] {
    [
        ask("openai", "any", SAID),
        streamed("anthropic", "any", SAID),
    ]
}

fn status(code: u16, retry_after: Option<u32>) -> Fault {
    Fault::Status { code, retry_after }
}

#[test]
fn a_provider_that_fails_before_it_speaks_is_followed_by_the_next_of_the_chain() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox(
        "routes:\n  - { to: [open/big, home/small], timeout: 1s, retries: 0 }",
        "",
    );
    for fault in [
        status(429, Some(30)),
        status(500, None),
        status(503, Some(1)),
        status(529, None),
        Fault::Reset,
        Fault::Hang,
    ] {
        ground.cloud.always(Plan::fault(fault));
        for answer in sandbox.python(&both()) {
            assert_eq!(text(&answer), SAID, "{fault:?}: {answer}");
        }
        assert_eq!(ground.home.asked().len(), 2, "{fault:?}");
    }
}

#[test]
fn a_provider_that_fails_once_is_asked_again() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("routes:\n  - { to: [open/big], retries: 2 }", "");
    ground.cloud.next([Plan::status(503), Plan::status(500)]);
    assert_eq!(
        text(&sandbox.python(&[ask("openai", "any", SAID)])[0]),
        SAID
    );
    assert_eq!(ground.cloud.asked().len(), 3);
}

#[test]
fn the_last_providers_failure_is_told_in_the_clients_own_dialect() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("routes:\n  - { to: [open/big], retries: 0 }", "");
    for (fault, told) in [
        (status(429, Some(7)), 429..=429),
        (status(400, None), 400..=400),
        (status(500, None), 500..=504),
        (status(503, None), 500..=504),
        (Fault::Reset, 500..=504),
    ] {
        ground.cloud.always(Plan::fault(fault));
        let answers = sandbox.python(&both());
        for answer in &answers {
            let status = answer["status"].as_u64().unwrap_or_default();
            assert!(told.contains(&status), "{fault:?}: {answer}");
        }
        assert!(
            answers[0]["body"]["message"].is_string(),
            "{fault:?}: {answers:?}"
        );
        assert_eq!(
            answers[1]["body"]["type"], "error",
            "{fault:?}: {answers:?}"
        );
    }
}

#[test]
fn an_answer_that_is_cut_or_spoilt_is_an_error_and_never_half_an_answer() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("routes:\n  - { to: [open/big], retries: 0 }", "{}");
    for fault in [
        Fault::BreakOff(40),
        Fault::BreakOff(300),
        Fault::Malformed,
        Fault::Kind("text/html"),
        Fault::NoText,
    ] {
        ground.cloud.always(Plan {
            fault: Some(fault),
            ..Plan::echo()
        });
        let asks = [
            ask("openai", "any", SAID),
            streamed("openai", "any", SAID),
            streamed("anthropic", "any", SAID),
        ];
        for (asked, answer) in asks.iter().zip(sandbox.python(&asks)) {
            // JSON is JSON, whatever its server calls it; a stream of something else is none.
            let whole = matches!(fault, Fault::Kind(_)) && asked["stream"].is_null();
            assert!(
                whole || answer["error"].is_string(),
                "{fault:?}: {asked}: {answer}"
            );
        }
    }
    ground.cloud.always(Plan::echo());
    assert_eq!(
        text(&sandbox.python(&[ask("openai", "any", SAID)])[0]),
        SAID,
        "the next one is whole"
    );
}

#[test]
fn an_answer_or_an_event_without_end_is_refused_and_the_router_stays_small() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("routes:\n  - { to: [open/big], retries: 0 }", "{}");
    for (fault, stream) in [(Fault::Huge(HUGE), false), (Fault::HugeEvent(HUGE), true)] {
        ground.cloud.always(Plan::fault(fault));
        let answer = &sandbox.python(&[with(ask("openai", "any", SAID), "stream", stream)])[0];
        assert!(
            answer["error"].is_string(),
            "{fault:?}: {}",
            answer["text"].as_str().map_or(0, str::len)
        );
    }
    let peak = peak(ground.node.worker());
    assert!(peak < 200 << 10, "the worker has had {peak} KiB");
}

/// The most memory a process has had, in KiB.
fn peak(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_slow_first_word_is_waited_for_as_long_as_the_route_says_and_a_slow_stream_is_not_cut() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox(
        "routes:\n  - { to: [open/big], timeout: 3s, retries: 0 }",
        "{}",
    );
    ground.cloud.always(Plan {
        before: Duration::from_secs(1),
        ..Plan::echo()
    });
    assert_eq!(
        text(&sandbox.python(&[streamed("openai", "any", SAID)])[0]),
        SAID
    );
    ground.cloud.always(Plan {
        between: Duration::from_millis(600),
        ..Plan::echo()
    });
    let begun = Instant::now();
    assert_eq!(
        text(&sandbox.python(&[streamed("openai", "any", SAID)])[0]),
        SAID
    );
    assert!(
        begun.elapsed() > Duration::from_secs(4),
        "longer than the time for its head"
    );
    ground.cloud.always(Plan {
        before: Duration::from_secs(20),
        ..Plan::echo()
    });
    let begun = Instant::now();
    assert!(sandbox.python(&[ask("openai", "any", SAID)])[0]["error"].is_string());
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_budget_that_is_spent_is_429_with_a_body_for_programs() {
    let Some(ground) = Ground::start() else {
        return;
    };
    let sandbox = ground.sandbox("budgets: { requests: 2 }", "");
    let asks = [
        ask("openai", "big", SAID),
        streamed("anthropic", "claude", SAID),
        ask("openai", "big", SAID),
        streamed("anthropic", "claude", SAID),
    ];
    let answers = sandbox.python(&asks);
    assert_eq!((text(&answers[0]), text(&answers[1])), (SAID, SAID));
    for answer in &answers[2..] {
        assert_eq!(
            (&answer["status"], &answer["kind"]),
            (&429.into(), &"RateLimitError".into()),
            "{answer}"
        );
        assert!(answer["body"].to_string().contains("budget"), "{answer}");
    }
    assert_eq!(ground.counts(), [0, 1, 1]);
    let tokens = ground.sandbox("budgets: { tokens: 600 }", "");
    let answers = tokens.python(&vec![ask("openai", "big", SAID); 20]);
    assert!(
        answers.iter().any(|answer| answer["status"] == 429),
        "eighteen tokens each, and what is reserved"
    );
    assert_eq!(text(&answers[0]), SAID);
}
