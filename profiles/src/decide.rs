//! Verdicts. Pure: a flow and a policy in, a verdict with its rule out.

use crate::policy::Policy;
use crate::source::Location;

/// What wants to pass.
#[derive(Debug, Clone, Copy)]
pub struct Flow<'a> {
    /// Host name, lower case, no trailing dot.
    pub host: &'a str,
    /// Port.
    pub port: u16,
    /// The request, once there is one.
    pub http: Option<HttpRequest<'a>>,
}

/// One HTTP request.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Normalised path without query.
    pub path: &'a str,
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

/// A rule's name for people and logs.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RuleRef {
    /// `entry key`, with ` / METHOD path` where a request rule decided.
    pub name: String,
    /// Where it stands.
    pub at: Location,
}

/// What the router must do with a connection to `host:port` before it has seen a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// No endpoint covers it.
    Refuse,
    /// Pass bytes; with TLS the SNI must agree.
    PassL4,
    /// Open it: requests are decided one by one.
    InspectHttp,
}

/// Whether DNS may answer for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameVerdict {
    /// No endpoint of some layer covers it: NXDOMAIN.
    Unknown,
    /// Named exactly.
    Exact,
    /// Covered by a wildcard only: counts against the wildcard's budget of names.
    Wildcard,
}

impl Policy {
    /// Decide one flow: every layer must allow it.
    pub fn decide(&self, flow: &Flow<'_>) -> Verdict {
        let _ = flow;
        unimplemented!()
    }

    /// How to treat a connection to `host:port`. `InspectHttp` as soon as one matching endpoint of any layer is `rest`.
    pub fn handling(&self, host: &str, port: u16) -> Handling {
        let _ = (host, port);
        unimplemented!()
    }

    /// Whether DNS answers for `name` (lower case, no trailing dot).
    pub fn name_verdict(&self, name: &str) -> NameVerdict {
        let _ = name;
        unimplemented!()
    }
}
