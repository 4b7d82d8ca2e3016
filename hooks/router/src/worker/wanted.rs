//! A request as it was decided on, kept so that a later policy can be asked about it again.

use std::sync::Arc;

use nemoclaw_policy::decide::{Content, Flow, HttpRequest, Program, Verdict};
use nemoclaw_policy::{Policy, policy};

use super::inspect::Messages;

/// What a request asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The name that was dialled.
    pub host: Arc<str>,
    /// The port that was dialled.
    pub port: u16,
    /// The program behind it, where it was looked up.
    pub program: Option<Arc<Program>>,
    /// Its method.
    pub method: String,
    /// Methods that a header field asks the server to take instead: they must be allowed too.
    pub other_methods: Vec<String>,
    /// Its path in the normal form, which is the one that is sent.
    pub path: String,
    /// Its query as it came.
    pub query: Option<String>,
    /// It asks to become a WebSocket.
    pub upgrade: bool,
    /// What its body says.
    pub messages: Messages,
    /// A person allowed it.
    pub approved: bool,
}

impl Wanted {
    /// As the policy sees it.
    #[must_use]
    pub fn flow(&self) -> Flow<'_> {
        self.flow_by(&self.method)
    }

    fn flow_by<'a>(&'a self, method: &'a str) -> Flow<'a> {
        Flow::to(&self.host, self.port)
            .of(self.program.as_deref())
            .with(HttpRequest {
                method,
                path: &self.path,
                query: self.query.as_deref(),
                upgrade: self.upgrade,
                content: self.messages.content(),
            })
    }

    /// As the policy sees one text of the WebSocket that it became.
    #[must_use]
    pub fn text<'a>(&'a self, messages: &'a Messages) -> Flow<'a> {
        let mut flow = self.flow_by(policy::WEBSOCKET_TEXT);
        if let Some(http) = &mut flow.http {
            http.upgrade = false;
            http.content = messages.content();
        }
        flow
    }

    /// As the policy sees one other message of the WebSocket that it became.
    #[must_use]
    pub fn binary(&self) -> Flow<'_> {
        let mut flow = self.flow_by(policy::WEBSOCKET_BINARY);
        if let Some(http) = &mut flow.http {
            http.upgrade = false;
            http.content = Content::Unread;
        }
        flow
    }

    /// Whether whatever the client sends over the WebSocket passes, so that nobody needs to look at it.
    #[must_use]
    pub fn is_open(&self, policy: &Policy) -> bool {
        let passes = |flow: &Flow<'_>| {
            let verdict = policy.decide(flow);
            matches!(
                verdict,
                Verdict::Allow {
                    audit_only: false,
                    ..
                }
            )
        };
        let text = self.text(&Messages::Unread);
        passes(&text) && passes(&self.binary()) && !policy.inspection(&text).is_needed()
    }

    /// The policy's verdict. Every method that a server might take must pass.
    #[must_use]
    pub fn verdict(&self, policy: &Policy) -> Verdict {
        self.other_methods
            .iter()
            .map(|method| policy.decide(&self.flow_by(method)))
            .find(|verdict| !verdict.passes())
            .unwrap_or_else(|| policy.decide(&self.flow()))
    }

    /// Whether a later policy still lets it pass.
    #[must_use]
    pub fn still_allowed(&self, policy: &Policy) -> bool {
        match self.verdict(policy) {
            Verdict::Allow { .. } => true,
            Verdict::Ask { .. } => self.approved,
            Verdict::Deny { .. } => false,
        }
    }

    /// The same, and as a WebSocket whose texts nobody reads.
    #[must_use]
    pub fn still_open(&self, policy: &Policy) -> bool {
        self.still_allowed(policy) && self.is_open(policy)
    }
}
