//! Verdicts. Pure: a flow and a policy in, a verdict with its rule out. An allowed flow costs no allocation.
//!
//! A flow passes when every layer lets it pass. Within a layer: a matching deny rule beats every allow; among the
//! endpoints of one host and port those with the most specific `path` decide; of those, any may admit. Where one of
//! them looks at requests, those that do not admit none. A path with an encoded slash passes only if it passes in both
//! readings. Of a body with several messages each must pass by itself. `enforcement: audit` turns a refusal of that
//! endpoint into a recorded pass, `ask` into a question for a person; deny rules of an endpoint that asks refuse.

mod content;
mod graphql;
mod layer;
mod program;
mod query;
mod question;
mod readings;
mod rpc;
mod words;

pub use content::{Content, GraphqlOperation, Inspection, RpcCall};
pub use program::Program;
pub use question::{AddressVerdict, Handling, NameVerdict};
pub(crate) use readings::Readings;

pub use crate::policy::RuleRef;
pub(crate) use rpc::{ANSWER, MCP_METHODS, lawful};

use self::words::{closed, unconfined};
use crate::policy::{Binding, Mode, Policy};

/// What wants to pass.
#[derive(Debug, Clone, Copy)]
pub struct Flow<'a> {
    /// Host name, lower case, no trailing dot; an address in its usual form where none is known.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// The program behind it, where it was looked up: an entry with `binaries` covers no unknown program.
    pub program: Option<&'a Program>,
    /// The request, once there is one.
    pub http: Option<HttpRequest<'a>>,
}

impl<'a> Flow<'a> {
    /// A connection of an unknown program.
    #[must_use]
    pub fn to(host: &'a str, port: u16) -> Flow<'a> {
        Flow {
            host,
            port,
            program: None,
            http: None,
        }
    }

    /// The same of a known program.
    #[must_use]
    pub fn of(self, program: Option<&'a Program>) -> Flow<'a> {
        Flow { program, ..self }
    }

    /// The same with a request.
    #[must_use]
    pub fn with(self, http: HttpRequest<'a>) -> Flow<'a> {
        Flow {
            http: Some(http),
            ..self
        }
    }
}

/// One HTTP request, or one message of a WebSocket.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Method, upper case; [`crate::policy::WEBSOCKET_TEXT`] or [`crate::policy::WEBSOCKET_BINARY`] for a message of a
    /// WebSocket.
    pub method: &'a str,
    /// Normalised path without query.
    pub path: &'a str,
    /// Query as it came, without `?`.
    pub query: Option<&'a str>,
    /// It asks to become a WebSocket.
    pub upgrade: bool,
    /// What its body says, as far as it was read.
    pub content: Content<'a>,
}

impl<'a> HttpRequest<'a> {
    /// A plain request whose body nobody looked at.
    #[must_use]
    pub fn new(method: &'a str, path: &'a str) -> HttpRequest<'a> {
        HttpRequest {
            method,
            path,
            query: None,
            upgrade: false,
            content: Content::Unread,
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It passes.
    Allow {
        /// The rule that admitted it.
        rule: RuleRef,
        /// It would have been refused, but the endpoint says `enforcement: audit`.
        audit_only: bool,
        /// Whose credentials it may carry.
        grant: Grant,
    },
    /// A person must say.
    Ask {
        /// The endpoint that asks.
        rule: RuleRef,
        /// Whose credentials it may carry once it is allowed.
        grant: Grant,
    },
    /// It is refused.
    Deny {
        /// Why, one sentence without a full stop.
        reason: String,
        /// The rule that refused it; `None` when nothing matched.
        rule: Option<RuleRef>,
        /// How a person may grant it.
        hint: String,
    },
}

impl Verdict {
    /// Whether it passes now.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Verdict::Allow { .. })
    }

    /// How far it lets a flow: refused, asked about, recorded, allowed.
    fn rank(&self) -> u8 {
        match self {
            Verdict::Deny { .. } => 0,
            Verdict::Ask { .. } => 1,
            Verdict::Allow {
                audit_only: true, ..
            } => 2,
            Verdict::Allow { .. } => 3,
        }
    }
}

/// Whose credentials a request may carry, and where: what every layer grants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// Whose.
    pub provider: Binding,
    /// In its body too.
    pub body: bool,
    /// In the texts of its WebSocket too.
    pub websocket: bool,
}

impl Grant {
    fn meet(&self, other: &Grant) -> Grant {
        Grant {
            provider: self.provider.meet(&other.provider),
            body: self.body && other.body,
            websocket: self.websocket && other.websocket,
        }
    }
}

impl Policy {
    /// Decide one flow: every layer must let it pass.
    pub fn decide(&self, flow: &Flow<'_>) -> Verdict {
        match self.mode {
            Mode::Unconfined if self.network.is_empty() => return unconfined(&self.name),
            Mode::Offline => {
                return closed(flow, &format!("the policy `{}` has no network", self.name));
            }
            _ if self.network.is_empty() => {
                return closed(
                    flow,
                    &format!("the policy `{}` has no network rules", self.name),
                );
            }
            _ => {}
        }
        let mut least: Option<Verdict> = None;
        for layer in &self.network {
            let verdict = layer.decide(flow);
            least = Some(match least {
                None => verdict,
                Some(before) => lesser(before, verdict),
            });
            if least.as_ref().is_some_and(|least| least.rank() == 0) {
                break;
            }
        }
        least.unwrap_or_else(|| closed(flow, "no layer of rules was asked"))
    }
}

/// The verdict that lets less through, with the credentials that both grant.
fn lesser(a: Verdict, b: Verdict) -> Verdict {
    let (mut least, other) = if b.rank() < a.rank() { (b, a) } else { (a, b) };
    let other = match other {
        Verdict::Allow { grant, .. } | Verdict::Ask { grant, .. } => grant,
        Verdict::Deny { .. } => return least,
    };
    if let Verdict::Allow { grant, .. } | Verdict::Ask { grant, .. } = &mut least {
        *grant = grant.meet(&other);
    }
    least
}
