//! Verdicts. Pure: a flow and a policy in, a verdict with its rule out.
//!
//! A flow passes when every layer lets it pass. Within a layer: a matching deny rule beats every allow; among the
//! endpoints of one host and port those with the most specific `path` decide; of those, any may admit. A path with an
//! encoded slash (npm's `/@scope%2Fname` is the only one that [`crate::path`] lets through) passes only if it passes in
//! both readings. `enforcement: audit` turns a refusal of that endpoint into a recorded pass.

mod layer;
mod words;

use std::fmt;

use self::words::{closed, unconfined};
use crate::policy::{Mode, Policy, Protocol};
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

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.at)
    }
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
        let mut passed: Option<(RuleRef, bool)> = None;
        for layer in &self.network {
            match layer.decide(flow) {
                Verdict::Allow { rule, audit_only } => match &passed {
                    Some((_, before)) if *before || !audit_only => {}
                    _ => passed = Some((rule, audit_only)),
                },
                deny @ Verdict::Deny { .. } => return deny,
            }
        }
        match passed {
            Some((rule, audit_only)) => Verdict::Allow { rule, audit_only },
            None => closed(flow, "no layer of rules was asked"),
        }
    }

    /// How to treat a connection to `host:port`. `InspectHttp` as soon as one matching endpoint of any layer is `rest`.
    pub fn handling(&self, host: &str, port: u16) -> Handling {
        match self.mode {
            Mode::Unconfined if self.network.is_empty() => return Handling::PassL4,
            Mode::Offline => return Handling::Refuse,
            _ if self.network.is_empty() => return Handling::Refuse,
            _ => {}
        }
        let mut handling = Handling::PassL4;
        for layer in &self.network {
            let found = layer.candidates(host, port);
            if found.is_empty() {
                return Handling::Refuse;
            }
            if found
                .iter()
                .any(|(_, endpoint)| endpoint.protocol == Protocol::Rest)
            {
                handling = Handling::InspectHttp;
            }
        }
        handling
    }

    /// Whether DNS answers for `name` (lower case, no trailing dot).
    pub fn name_verdict(&self, name: &str) -> NameVerdict {
        if self.mode == Mode::Offline || self.network.is_empty() {
            return NameVerdict::Unknown;
        }
        let mut verdict = NameVerdict::Wildcard;
        for layer in &self.network {
            let found = layer.index.covering(&layer.entries, name);
            if found.is_empty() {
                return NameVerdict::Unknown;
            }
            if found
                .iter()
                .any(|(_, endpoint)| !endpoint.host.is_wildcard())
            {
                verdict = NameVerdict::Exact;
            }
        }
        verdict
    }
}
