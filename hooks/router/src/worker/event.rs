//! Audit events and the words in them.

use nemoclaw_api::audit::{ALLOW, DENY, Event};
use nemoclaw_policy::decide::RuleRef;

use crate::{clock, limits};

/// An allowed event with nothing but its place.
#[must_use]
pub fn blank(sandbox: &str, kind: &str, host: &str, port: u16, generation: u64) -> Event {
    Event {
        time: clock::now(),
        sandbox: sandbox.to_owned(),
        kind: kind.to_owned(),
        host: host.to_owned(),
        port,
        verdict: ALLOW.to_owned(),
        generation,
        ..Event::default()
    }
}

/// The same, refused.
#[must_use]
pub fn denied(mut event: Event, reason: impl Into<String>, rule: Option<&RuleRef>) -> Event {
    event.verdict = DENY.to_owned();
    event.reason = Some(cut(&reason.into()).to_owned());
    event.rule = rule.map(rule_text);
    event
}

/// A rule with its place, for the log.
#[must_use]
pub fn rule_text(rule: &RuleRef) -> String {
    format!("{} ({})", rule.name, rule.at)
}

/// A path for the log: cut to its length, and nothing in it that a terminal would obey (a path as it came may hold
/// U+009B, which begins an escape sequence).
#[must_use]
pub fn short_path(path: &str) -> String {
    let mut short = String::with_capacity(path.len().min(limits::AUDIT_PATH));
    for byte in cut(path).bytes() {
        if byte.is_ascii_graphic() {
            short.push(char::from(byte));
        } else {
            short.push_str(&format!("%{byte:02X}"));
        }
    }
    short
}

/// A text cut to the log's length at a character.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(limits::AUDIT_PATH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_reaches_the_log_short_and_without_control_characters() {
        assert_eq!(short_path("/a\u{9b}31m\u{202e}b"), "/a%C2%9B31m%E2%80%AEb");
        let event = denied(
            blank("box", "http", "a.test", 80, 1),
            "é".repeat(40_000),
            None,
        );
        assert_eq!(
            event.reason.map(|reason| reason.len()),
            Some(limits::AUDIT_PATH)
        );
    }
}
