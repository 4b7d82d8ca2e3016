//! May one message of a WebSocket pass? The policy in force decides, and a refusal is recorded before anyone hears of it.

use nemoclaw_api::audit::{AUDIT, Event};
use nemoclaw_policy::decide::{Flow, RuleRef, Verdict};
use nemoclaw_policy::policy::WEBSOCKET_BINARY;
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

    /// A frame of the server's in which a credential could not be found.
    #[must_use]
    pub fn unseen() -> Refused {
        Refused::new(
            CloseCode::Policy,
            "the connection carries a credential, and a message of the server's cannot be looked at",
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

/// A message on its way.
struct Sent<'a> {
    flow: Flow<'a>,
    /// Its bytes, or those of its first frame.
    length: u64,
    /// Under which it is decided.
    policy: &'a Compiled,
}

impl Sent<'_> {
    fn method(&self) -> &str {
        self.flow
            .http
            .as_ref()
            .map_or(WEBSOCKET_BINARY, |http| http.method)
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
        let mut sent = Sent {
            flow: self.wanted.text(&unread),
            length,
            policy: &policy,
        };
        let messages = match policy.policy.inspection(&sent.flow).graphql {
            None => Messages::Unread,
            Some(limit) if length > u64::from(limit) => {
                let reason = format!(
                    "a text is longer than the {limit} bytes that its endpoint's rules look at"
                );
                return Err(self.refused(&sent, &reason, None).await);
            }
            Some(_) => match texts::text(text.as_bytes()) {
                Ok(Some(operations)) => Messages::Graphql(operations),
                Ok(None) => Messages::Nothing,
                Err(why) => Messages::Unreadable(why),
            },
        };
        sent.flow = self.wanted.text(&messages);
        self.decide(&sent, &messages).await
    }

    /// Decide a binary message, of which only the first frame's length is known.
    ///
    /// # Errors
    /// It may not pass.
    pub async fn decide_binary(&self, length: u64) -> Result<(), Refused> {
        let policy = self.connection.sandbox.policy.snapshot();
        let sent = Sent {
            flow: self.wanted.binary(),
            length,
            policy: &policy,
        };
        self.decide(&sent, &Messages::Unread).await
    }

    /// A text that may pass with its placeholders resolved.
    ///
    /// # Errors
    /// One stands where it must not.
    pub async fn resolved(&self, text: String) -> Result<String, Refused> {
        let Some(texts) = &self.texts else {
            return Ok(text);
        };
        let length = text.len() as u64;
        match texts.outgoing(text) {
            Ok(text) => Ok(text),
            Err(misuse) => {
                let policy = self.connection.sandbox.policy.snapshot();
                let reason = format!("credential: {misuse}");
                let unread = Messages::Unread;
                let sent = Sent {
                    flow: self.wanted.text(&unread),
                    length,
                    policy: &policy,
                };
                let mut event = denied(self.event(&sent), &reason, None);
                event.finding = misuse.finding();
                let sink = &self.connection.sandbox.node.sink;
                sink.room().await;
                sink.refusal(event).await;
                let words = format!("refused by the sandbox's policy: {reason}");
                Err(Refused::new(CloseCode::Policy, &words))
            }
        }
    }

    async fn decide(&self, sent: &Sent<'_>, messages: &Messages) -> Result<(), Refused> {
        match sent.policy.policy.decide(&sent.flow) {
            Verdict::Allow {
                audit_only: false, ..
            } => Ok(()),
            Verdict::Allow { rule, .. } => {
                let mut event = self.event(sent);
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
                Err(self.refused(sent, reason, Some(&rule)).await)
            }
            Verdict::Deny {
                mut reason, rule, ..
            } => {
                if let Some(why) = messages.unclear() {
                    reason.push_str(&format!(": {why}"));
                }
                Err(self.refused(sent, &reason, rule.as_ref()).await)
            }
        }
    }

    /// Record a refusal before anyone hears of it.
    async fn refused(&self, sent: &Sent<'_>, reason: &str, rule: Option<&RuleRef>) -> Refused {
        let sink = &self.connection.sandbox.node.sink;
        sink.room().await;
        let event = self.event(sent);
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

    fn event(&self, sent: &Sent<'_>) -> Event {
        let Inspected {
            sandbox,
            host,
            port,
            ..
        } = &*self.connection;
        let mut event = sandbox.event("ws", host, *port);
        event.generation = sent.policy.generation;
        event.method = Some(sent.method().to_owned());
        event.path = Some(short_path(&self.wanted.path));
        event.bytes_out = sent.length;
        event
    }
}
