//! Audit events and the words in them.

use nemoclaw_api::audit::Event;
use nemoclaw_policy::decide::RuleRef;

use crate::{clock, limits};

/// An allowed event with nothing but its place.
#[must_use]
pub fn blank(sandbox: &str, kind: &str, host: &str, port: u16, generation: u64) -> Event {
    Event {
        time: clock::now(),
        sandbox: sandbox.to_owned(),
        pid: None,
        kind: kind.to_owned(),
        host: host.to_owned(),
        port,
        method: None,
        path: None,
        verdict: "allow".to_owned(),
        rule: None,
        reason: None,
        generation,
        bytes_out: 0,
        bytes_in: 0,
    }
}

/// The same, refused.
#[must_use]
pub fn denied(mut event: Event, reason: impl Into<String>, rule: Option<&RuleRef>) -> Event {
    event.verdict = "deny".to_owned();
    event.reason = Some(reason.into());
    event.rule = rule.map(rule_text);
    event
}

/// A rule with its place, for the log.
#[must_use]
pub fn rule_text(rule: &RuleRef) -> String {
    format!("{} ({})", rule.name, rule.at)
}

/// A path cut to the log's length at a character.
#[must_use]
pub fn short_path(path: &str) -> String {
    let mut end = path.len().min(limits::AUDIT_PATH);
    while !path.is_char_boundary(end) {
        end -= 1;
    }
    path[..end].to_owned()
}

/// An error with its causes, as one line.
#[must_use]
pub fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}
