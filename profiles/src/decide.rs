//! Verdicts. Pure: a flow and a policy in, a verdict with its rule out.
//!
//! A flow passes when every layer lets it pass. Within a layer: a matching deny rule beats every allow; among the
//! endpoints of one host and port those with the most specific `path` decide; of those, any may admit. A path with an
//! encoded slash (npm's `/@scope%2Fname` is the only one that [`crate::path`] lets through) passes only if it passes in
//! both readings. `enforcement: audit` turns a refusal of that endpoint into a recorded pass.

use std::fmt;

use crate::path;
use crate::policy::{Endpoint, Enforcement, HttpRule, Mode, NetworkEntry, NetworkLayer, Policy, Protocol};
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

/// A path as globs see it: its reading, and the second one where a slash is encoded.
struct Readings {
    all: Vec<Vec<u8>>,
}

type Candidate<'a> = (&'a NetworkEntry, &'a Endpoint);

impl Policy {
    /// Decide one flow: every layer must allow it.
    pub fn decide(&self, flow: &Flow<'_>) -> Verdict {
        match self.mode {
            Mode::Unconfined if self.network.is_empty() => return unconfined(&self.name),
            Mode::Offline => return closed(flow, &format!("the policy `{}` has no network", self.name)),
            _ if self.network.is_empty() => return closed(flow, &format!("the policy `{}` has no network rules", self.name)),
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
            if found.iter().any(|(_, endpoint)| endpoint.protocol == Protocol::Rest) {
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
            if found.iter().any(|(_, endpoint)| !endpoint.host.is_wildcard()) {
                verdict = NameVerdict::Exact;
            }
        }
        verdict
    }
}

impl NetworkLayer {
    fn candidates(&self, host: &str, port: u16) -> Vec<Candidate<'_>> {
        let mut found = self.index.covering(&self.entries, host);
        found.retain(|(_, endpoint)| endpoint.ports.contains(&port));
        found
    }

    fn decide(&self, flow: &Flow<'_>) -> Verdict {
        let found = self.candidates(flow.host, flow.port);
        let Some(first) = found.first() else {
            return self.uncovered(flow);
        };
        let Some(http) = &flow.http else {
            return Verdict::Allow { rule: entry_ref(first), audit_only: false };
        };
        let Some(readings) = Readings::of(http.path) else {
            return closed(flow, "its path is not in the normal form");
        };
        let covering: Vec<Candidate<'_>> =
            found.into_iter().filter(|(_, endpoint)| readings.any(|path| endpoint.covers_path(path))).collect();
        let mut audited = None;
        for candidate in &covering {
            let Some(rule) = candidate.1.deny_rules.iter().find(|rule| rule.hits(http.method, &readings)) else {
                continue;
            };
            let refused = rule_ref(candidate, rule);
            if candidate.1.enforcement == Enforcement::Enforce {
                return self.denied(flow, refused);
            }
            audited.get_or_insert(refused);
        }
        match (self.admit(flow, http, &readings, &chosen(covering)), audited) {
            (Verdict::Allow { .. }, Some(rule)) => Verdict::Allow { rule, audit_only: true },
            (verdict, _) => verdict,
        }
    }

    /// Ask the endpoints that decide.
    fn admit(
        &self,
        flow: &Flow<'_>,
        http: &HttpRequest<'_>,
        readings: &Readings,
        chosen: &[Candidate<'_>],
    ) -> Verdict {
        for candidate in chosen.iter().filter(|(_, endpoint)| endpoint.covers_all(readings)) {
            let endpoint = candidate.1;
            if endpoint.rules.is_empty() {
                return Verdict::Allow { rule: entry_ref(candidate), audit_only: false };
            }
            if let Some(rule) = endpoint.rules.iter().find(|rule| rule.admits(http.method, readings)) {
                return Verdict::Allow { rule: rule_ref(candidate, rule), audit_only: false };
            }
        }
        match chosen.iter().find(|(_, endpoint)| endpoint.enforcement == Enforcement::Audit) {
            Some(candidate) => Verdict::Allow { rule: entry_ref(candidate), audit_only: true },
            None => self.unmatched(flow, http, chosen.first()),
        }
    }

    fn uncovered(&self, flow: &Flow<'_>) -> Verdict {
        let Flow { host, port, .. } = flow;
        let other: Vec<String> = self
            .index
            .covering(&self.entries, host)
            .iter()
            .flat_map(|(_, endpoint)| endpoint.ports.iter().map(u16::to_string))
            .collect();
        let reason = if other.is_empty() {
            format!("no entry of policy `{}` covers host `{host}`, port {port}", self.policy)
        } else {
            format!("policy `{}` covers host `{host}` on port {} only, not on {port}", self.policy, other.join(", "))
        };
        Verdict::Deny { reason, rule: None, hint: self.hint(flow) }
    }

    fn unmatched(&self, flow: &Flow<'_>, http: &HttpRequest<'_>, candidate: Option<&Candidate<'_>>) -> Verdict {
        let what = request_words(flow, http);
        let reason = match candidate {
            Some((entry, _)) => format!("{what} is outside the rules of entry `{}` in policy `{}`", entry.key, self.policy),
            None => format!("{what} is outside every endpoint path of policy `{}`", self.policy),
        };
        Verdict::Deny { reason, rule: candidate.map(entry_ref), hint: self.hint(flow) }
    }

    fn denied(&self, flow: &Flow<'_>, rule: RuleRef) -> Verdict {
        let what = match &flow.http {
            Some(http) => request_words(flow, http),
            None => format!("a connection to host `{}`, port {}", flow.host, flow.port),
        };
        Verdict::Deny {
            reason: format!("{what} is refused by the deny rule `{}` of policy `{}`", rule.name, self.policy),
            hint: format!("remove the deny rule at {} if the agent may do this", rule.at),
            rule: Some(rule),
        }
    }

    /// The line that would allow this flow and no more, and where it belongs.
    fn hint(&self, flow: &Flow<'_>) -> String {
        let (host, port) = (flow.host, flow.port);
        let grant = match &flow.http {
            Some(http) if !["GET", "HEAD", "OPTIONS"].contains(&http.method) => {
                let (method, path) = (http.method, clip(http.path));
                format!("{{ host: {host}, port: {port}, protocol: rest, rules: [{{ allow: {{ method: {method}, path: \"{path}\" }} }}] }}")
            }
            _ => format!("{{ host: {host}, port: {port}, access: read-only }}"),
        };
        if self.policy.contains('/') {
            format!("add `{grant}` to an entry's endpoints under network_policies of {}", self.policy)
        } else {
            format!(
                "policy `{}` is named, not a file of yours: put `{grant}` into an entry's endpoints under network_policies of a policy file and start the sandbox with `--policy FILE`",
                self.policy
            )
        }
    }
}

impl Endpoint {
    fn covers_path(&self, path: &[u8]) -> bool {
        self.path.as_ref().is_none_or(|choice| choice.glob.covers_tree(path))
    }

    fn covers_all(&self, readings: &Readings) -> bool {
        readings.all.iter().all(|path| self.covers_path(path))
    }

    fn specificity(&self) -> Option<(bool, usize)> {
        self.path.as_ref().map(|choice| choice.glob.specificity())
    }
}

impl HttpRule {
    fn names(&self, method: &str) -> bool {
        self.method == "*" || self.method == method
    }

    /// An allow rule: every reading must match.
    fn admits(&self, method: &str, readings: &Readings) -> bool {
        self.names(method) && readings.all.iter().all(|path| self.glob.matches(path))
    }

    /// A deny rule: one reading is enough.
    fn hits(&self, method: &str, readings: &Readings) -> bool {
        self.names(method) && readings.any(|path| self.glob.matches(path))
    }
}

impl Readings {
    fn of(path: &str) -> Option<Readings> {
        // The caller normalises; a path that is not in its form was never checked.
        if path::normalise_path(path).as_deref() != Ok(path) {
            return None;
        }
        let (first, second) = path::readings(path)?;
        Some(Readings { all: std::iter::once(first).chain(second).collect() })
    }

    fn any(&self, matches: impl Fn(&[u8]) -> bool) -> bool {
        self.all.iter().any(|path| matches(path))
    }
}

/// The endpoints with the most specific `path`.
fn chosen(covering: Vec<Candidate<'_>>) -> Vec<Candidate<'_>> {
    let best = covering.iter().map(|(_, endpoint)| endpoint.specificity()).max();
    covering.into_iter().filter(|(_, endpoint)| Some(endpoint.specificity()) == best).collect()
}

fn entry_ref((entry, endpoint): &Candidate<'_>) -> RuleRef {
    RuleRef { name: entry.key.to_string(), at: endpoint.at.clone() }
}

fn rule_ref((entry, _): &Candidate<'_>, rule: &HttpRule) -> RuleRef {
    RuleRef { name: format!("{} / {} {}", entry.key, rule.method, rule.path), at: rule.at.clone() }
}

fn request_words(flow: &Flow<'_>, http: &HttpRequest<'_>) -> String {
    format!("{} {} on host `{}`, port {},", http.method, clip(http.path), flow.host, flow.port)
}

/// A path as far as a message needs it.
fn clip(path: &str) -> String {
    const SHOWN: usize = 200;
    match path.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

fn unconfined(name: &str) -> Verdict {
    let at = Location { file: name.into(), line: 1, column: 1 };
    Verdict::Allow { rule: RuleRef { name: "unconfined".into(), at }, audit_only: false }
}

fn closed(flow: &Flow<'_>, why: &str) -> Verdict {
    Verdict::Deny {
        reason: format!("host `{}`, port {} is refused: {why}", flow.host, flow.port),
        rule: None,
        hint: "start the sandbox with a policy that has network_policies, such as `--policy default`".into(),
    }
}
