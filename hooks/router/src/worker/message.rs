//! May one message of a WebSocket pass? The policy in force decides, and a refusal is recorded before anyone hears of it.

use nemoclaw_api::audit::{AUDIT, Event};
use nemoclaw_policy::decide::{Flow, RuleRef, Verdict};
use nemoclaw_policy::policy::{WEBSOCKET_BINARY, WEBSOCKET_TEXT};
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

use super::event::{denied, rule_text, short_path};
use super::http::Inspected;
use super::inspect::frames::Misframed;
use super::inspect::{Messages, texts};
use super::policy::Compiled;
use super::websocket::Socket;

/// Most bytes of a close frame's reason (RFC 6455 §5.5: 125 with the code).
const REASON: usize = 123;

/// Why the connection is closed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    code: CloseCode,
    /// For the log.
    reason: String,
    /// For the client.
    words: String,
}

impl Refused {
    fn new(code: CloseCode, reason: &str) -> Refused {
        Refused {
            code,
            reason: reason.to_owned(),
            words: reason.to_owned(),
        }
    }

    /// No room for a text.
    #[must_use]
    pub fn crowded() -> Refused {
        Refused::new(
            CloseCode::Again,
            "too many long texts of this sandbox are under way",
        )
    }

    /// The policy changed.
    #[must_use]
    pub fn no_longer() -> Refused {
        Refused::new(CloseCode::Policy, "the policy no longer allows it")
    }

    /// What the client is told.
    #[must_use]
    pub fn frame(&self) -> CloseFrame {
        let mut end = self.words.len().min(REASON);
        while !self.words.is_char_boundary(end) {
            end -= 1;
        }
        CloseFrame {
            code: self.code,
            reason: self.words[..end].into(),
        }
    }
}

impl From<Misframed> for Refused {
    fn from(why: Misframed) -> Refused {
        Refused::new(why.code(), &why.to_string())
    }
}

impl Socket {
    /// Decide a text.
    ///
    /// # Errors
    /// It may not pass.
    pub async fn decide_text(&self, text: &str) -> Result<(), Refused> {
        let policy = self.connection.sandbox.policy.snapshot();
        let length = text.len() as u64;
        let unread = Messages::Unread;
        let inspection = policy.policy.inspection(&self.wanted.text(&unread));
        let messages = match inspection.graphql {
            None => unread,
            Some(limit) if length > u64::from(limit) => {
                let reason = format!(
                    "a text is longer than the {limit} bytes that its endpoint's rules look at"
                );
                return Err(self
                    .refused(&policy, WEBSOCKET_TEXT, length, &reason, None)
                    .await);
            }
            Some(_) => match texts::text(text.as_bytes()) {
                Ok(Some(operations)) => Messages::Graphql(operations),
                Ok(None) => Messages::Nothing,
                Err(why) => Messages::Unreadable(why),
            },
        };
        let flow = self.wanted.text(&messages);
        self.decide(&policy, &flow, length, &messages).await
    }

    /// Decide a binary message, of which only the first frame's length is known.
    ///
    /// # Errors
    /// It may not pass.
    pub async fn decide_binary(&self, length: u64) -> Result<(), Refused> {
        let policy = self.connection.sandbox.policy.snapshot();
        let messages = Messages::Unread;
        self.decide(&policy, &self.wanted.binary(), length, &messages)
            .await
    }

    async fn decide(
        &self,
        policy: &Compiled,
        flow: &Flow<'_>,
        length: u64,
        messages: &Messages,
    ) -> Result<(), Refused> {
        let method = flow
            .http
            .as_ref()
            .map_or(WEBSOCKET_BINARY, |http| http.method);
        match policy.policy.decide(flow) {
            Verdict::Allow {
                audit_only: false, ..
            } => Ok(()),
            Verdict::Allow { rule, .. } => {
                let mut event = self.event(policy, method, length);
                event.verdict = AUDIT.to_owned();
                event.rule = Some(rule_text(&rule));
                let sink = &self.connection.sandbox.node.sink;
                sink.room().await;
                let recorded = sink.recorded(event).await;
                recorded.map_err(|gone| Refused::new(CloseCode::Error, &gone.to_string()))
            }
            Verdict::Ask { .. } if self.wanted.approved => Ok(()),
            Verdict::Ask { rule, .. } => {
                let reason = "a person must allow it, and a message of a WebSocket cannot wait";
                Err(self
                    .refused(policy, method, length, reason, Some(&rule))
                    .await)
            }
            Verdict::Deny {
                mut reason, rule, ..
            } => {
                if let Some(why) = messages.unclear() {
                    reason.push_str(&format!(": {why}"));
                }
                Err(self
                    .refused(policy, method, length, &reason, rule.as_ref())
                    .await)
            }
        }
    }

    /// Record a refusal before anyone hears of it.
    async fn refused(
        &self,
        policy: &Compiled,
        method: &str,
        length: u64,
        reason: &str,
        rule: Option<&RuleRef>,
    ) -> Refused {
        let sink = &self.connection.sandbox.node.sink;
        sink.room().await;
        let event = self.event(policy, method, length);
        sink.refusal(denied(event, reason, rule)).await;
        let words = match rule {
            Some(rule) => format!("refused by the sandbox's policy: {}", rule.name),
            None => format!("refused by the sandbox's policy: {reason}"),
        };
        Refused {
            code: CloseCode::Policy,
            reason: reason.to_owned(),
            words,
        }
    }

    fn event(&self, policy: &Compiled, method: &str, length: u64) -> Event {
        let Inspected {
            sandbox,
            host,
            port,
            ..
        } = &*self.connection;
        let mut event = sandbox.event("ws", host, *port);
        event.generation = policy.generation;
        event.method = Some(method.to_owned());
        event.path = Some(short_path(&self.wanted.path));
        event.bytes_out = length;
        event
    }
}
