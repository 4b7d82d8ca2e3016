//! One layer's verdict: index, deny rules, the choice by path, then any that admits.

use smallvec::SmallVec;

use super::readings::Readings;
use super::words::closed;
use super::{Content, Flow, Grant, GraphqlOperation, HttpRequest, RpcCall, Verdict};
use crate::index::{Candidate, Candidates};
use crate::policy::{
    Endpoint, Enforcement, Matcher, NetworkLayer, Protocol, Rule, RuleRef, WEBSOCKET_BINARY,
    WEBSOCKET_TEXT,
};

/// One message of a request's body, or the request where no rule asks for its body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Message<'a> {
    /// The request itself.
    Whole,
    /// The body was asked for and cannot be read.
    Unreadable,
    /// Opens or ends a stream of messages, or keeps one going.
    Stream,
    /// One of its GraphQL operations.
    Graphql(&'a GraphqlOperation),
    /// One of its messages.
    Rpc(&'a RpcCall),
}

/// What rules look at.
pub(super) struct Seen<'a> {
    pub http: &'a HttpRequest<'a>,
    pub readings: Readings,
    pub message: Message<'a>,
}

impl NetworkLayer {
    /// The endpoints on `host:port`, whatever the program.
    pub(super) fn on(&self, host: &str, port: u16) -> Candidates<'_> {
        self.index.covering(&self.entries, host, |(_, endpoint)| {
            endpoint.ports.contains(&port)
        })
    }

    /// The endpoints that cover the flow's host, port and program.
    pub(super) fn candidates(&self, flow: &Flow<'_>) -> Candidates<'_> {
        self.index
            .covering(&self.entries, flow.host, |(entry, endpoint)| {
                endpoint.ports.contains(&flow.port) && entry.is_for(flow.program)
            })
    }

    pub(super) fn decide(&self, flow: &Flow<'_>) -> Verdict {
        let found = self.candidates(flow);
        if found.is_empty() {
            return self.uncovered(flow);
        }
        let Some(http) = &flow.http else {
            return connection(&found);
        };
        let Some(readings) = Readings::of(http.path) else {
            return closed(flow, "its path is not in the normal form");
        };
        let mut seen = Seen {
            http,
            readings,
            message: Message::Whole,
        };
        match http.content {
            Content::Unread => self.decide_message(flow, &seen, &found),
            Content::Nothing => self.decide_as(flow, &mut seen, &found, Message::Stream),
            Content::Unreadable => self.decide_as(flow, &mut seen, &found, Message::Unreadable),
            Content::Graphql(operations) => {
                let messages = operations.iter().map(Message::Graphql);
                self.decide_each(flow, &mut seen, &found, messages)
            }
            Content::Rpc(calls) => {
                let messages = calls.iter().map(Message::Rpc);
                self.decide_each(flow, &mut seen, &found, messages)
            }
        }
    }

    fn decide_as<'a>(
        &self,
        flow: &Flow<'_>,
        seen: &mut Seen<'a>,
        found: &Candidates<'_>,
        message: Message<'a>,
    ) -> Verdict {
        seen.message = message;
        self.decide_message(flow, seen, found)
    }

    /// Every message must pass by itself.
    fn decide_each<'a>(
        &self,
        flow: &Flow<'_>,
        seen: &mut Seen<'a>,
        found: &Candidates<'_>,
        messages: impl Iterator<Item = Message<'a>>,
    ) -> Verdict {
        let mut least: Option<Verdict> = None;
        for message in messages {
            let verdict = self.decide_as(flow, seen, found, message);
            least = Some(match least {
                None => verdict,
                Some(before) => super::lesser(before, verdict),
            });
        }
        match least {
            Some(verdict) => verdict,
            None => self.decide_as(flow, seen, found, Message::Unreadable),
        }
    }

    fn decide_message(&self, flow: &Flow<'_>, seen: &Seen<'_>, found: &Candidates<'_>) -> Verdict {
        let mut audited = None;
        for (_, endpoint) in found {
            if !seen.readings.any(|path| endpoint.covers_path(path)) {
                continue;
            }
            let Some(rule) = endpoint
                .deny_rules
                .iter()
                .find(|rule| rule.hits(endpoint, seen))
            else {
                continue;
            };
            if endpoint.enforcement != Enforcement::Audit {
                return self.denied(flow, rule.name.clone());
            }
            audited.get_or_insert(&rule.name);
        }
        let chosen = chosen(seen, found);
        match (self.admit(flow, seen, &chosen), audited) {
            (Verdict::Allow { grant, .. }, Some(rule)) => Verdict::Allow {
                rule: rule.clone(),
                audit_only: true,
                grant,
            },
            (verdict, _) => verdict,
        }
    }

    /// Ask the endpoints that decide.
    fn admit(&self, flow: &Flow<'_>, seen: &Seen<'_>, chosen: &Candidates<'_>) -> Verdict {
        let mut admitted: Option<(&RuleRef, Grant)> = None;
        for (_, endpoint) in chosen {
            if let Some(rule) = endpoint.admits(seen, chosen) {
                let grant = endpoint.grant();
                admitted = Some(match admitted {
                    None => (rule, grant),
                    // Of those that admit, one that has credentials to give.
                    Some((first, before)) if before == Grant::default() => (first, grant),
                    Some(before) => before,
                });
            }
        }
        if let Some((rule, grant)) = admitted {
            return Verdict::Allow {
                rule: rule.clone(),
                audit_only: false,
                grant,
            };
        }
        let lenient = chosen
            .iter()
            .max_by_key(|(_, endpoint)| endpoint.enforcement);
        match lenient {
            Some((_, endpoint)) if endpoint.enforcement == Enforcement::Audit => Verdict::Allow {
                rule: endpoint.at.clone(),
                audit_only: true,
                grant: endpoint.grant(),
            },
            Some((_, endpoint)) if endpoint.enforcement == Enforcement::Ask => Verdict::Ask {
                rule: endpoint.at.clone(),
                grant: endpoint.grant(),
            },
            _ => self.unmatched(flow, seen, chosen.first()),
        }
    }
}

/// The verdict on a connection before there is a request.
fn connection(found: &Candidates<'_>) -> Verdict {
    let first = found
        .iter()
        .find(|(_, endpoint)| endpoint.enforcement != Enforcement::Ask || looks(endpoint));
    match (first, found.first()) {
        (Some((_, endpoint)), _) => Verdict::Allow {
            rule: endpoint.at.clone(),
            audit_only: false,
            grant: Grant::default(),
        },
        (None, Some((_, endpoint))) => Verdict::Ask {
            rule: endpoint.at.clone(),
            grant: Grant::default(),
        },
        (None, None) => Verdict::Deny {
            reason: "no endpoint covers it".into(),
            rule: None,
            hint: String::new(),
        },
    }
}

fn looks(endpoint: &Endpoint) -> bool {
    endpoint.protocol != Protocol::Tcp
}

/// The endpoints with the most specific `path`; where some look at requests, only those.
fn chosen<'a>(seen: &Seen<'_>, found: &Candidates<'a>) -> Candidates<'a> {
    let mut best = None;
    let mut chosen: Candidates<'a> = SmallVec::new();
    let inspected = found.iter().any(|(_, endpoint)| looks(endpoint));
    for candidate in found {
        let endpoint = candidate.1;
        if inspected && !looks(endpoint) || !seen.readings.any(|path| endpoint.covers_path(path)) {
            continue;
        }
        let specificity = endpoint.specificity();
        if best.is_none_or(|best| specificity > best) {
            best = Some(specificity);
            chosen.clear();
        }
        if best == Some(specificity) {
            chosen.push(*candidate);
        }
    }
    chosen
}

impl Endpoint {
    pub(super) fn covers_path(&self, path: &[u8]) -> bool {
        self.path
            .as_ref()
            .is_none_or(|choice| choice.glob.covers_tree(path))
    }

    fn specificity(&self) -> Option<(bool, usize)> {
        self.path.as_ref().map(|choice| choice.glob.specificity())
    }

    /// Whether a WebSocket's texts are looked at as GraphQL.
    pub(crate) fn has_graphql(&self) -> bool {
        self.rules
            .iter()
            .chain(&self.deny_rules)
            .any(|rule| matches!(rule.matcher, Matcher::Graphql(_)))
    }

    fn grant(&self) -> Grant {
        Grant {
            provider: self.credentials.provider.clone(),
            body: self.credentials.body,
            websocket: self.credentials.websocket,
        }
    }

    /// The rule that admits what is seen.
    fn admits<'a>(&'a self, seen: &Seen<'_>, chosen: &Candidates<'a>) -> Option<&'a RuleRef> {
        if !seen.readings.all(|path| self.covers_path(path))
            || (seen.readings.encoded_slash && !self.encoded_slash && looks(self))
        {
            return None;
        }
        if !self.fits(seen) {
            return None;
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.admits(self, seen)) {
            return Some(&rule.name);
        }
        let open = self.open
            || (matches!(seen.message, Message::Stream) && self.streams())
            || self.knows(seen, chosen.as_slice());
        open.then_some(&self.at)
    }

    /// Whether this endpoint's protocol is that of what is seen.
    fn fits(&self, seen: &Seen<'_>) -> bool {
        let text = seen.http.method == WEBSOCKET_TEXT;
        let frame = text || seen.http.method == WEBSOCKET_BINARY;
        match (self.protocol, seen.message) {
            (Protocol::Tcp, _) => true,
            // An upgraded connection is no request any more: only who may send anything may have one.
            (Protocol::Rest, _) => !(frame || seen.http.upgrade) || self.is_unbounded(),
            // Servers read GraphQL out of binary messages too, where nobody could look.
            (Protocol::Websocket, message) if frame && self.has_graphql() => {
                text && matches!(message, Message::Graphql(_) | Message::Stream)
            }
            // Whatever another endpoint makes of a text, here it is one.
            (Protocol::Websocket, message) => {
                frame || (seen.http.upgrade && matches!(message, Message::Whole))
            }
            _ if frame || seen.http.upgrade => false,
            (Protocol::Graphql, message) => matches!(message, Message::Graphql(_)),
            (Protocol::Mcp | Protocol::JsonRpc, Message::Rpc(_)) => seen.http.method == "POST",
            (Protocol::Mcp, Message::Stream) => matches!(seen.http.method, "GET" | "DELETE"),
            _ => false,
        }
    }

    /// Whether its protocol has messages that carry nothing but the stream itself, which need no rule.
    fn streams(&self) -> bool {
        match self.protocol {
            Protocol::Mcp => true,
            Protocol::Websocket => self.has_graphql(),
            _ => false,
        }
    }

    /// Whether rules look at what a message is, not only at its method and path.
    fn reads_bodies(&self) -> bool {
        match self.protocol {
            Protocol::Rest => false,
            Protocol::Websocket => self.has_graphql(),
            _ => true,
        }
    }

    /// Whether every request passes, whatever its method.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.open
            || self
                .rules
                .iter()
                .any(|rule| matches!(&rule.matcher, Matcher::Http(http) if http.method == "*"))
    }

    /// Whether MCP itself defines the method, and that is enough here.
    fn knows(&self, seen: &Seen<'_>, chosen: &[Candidate<'_>]) -> bool {
        let Message::Rpc(call) = seen.message else {
            return false;
        };
        self.protocol == Protocol::Mcp
            && self.mcp.all_known_methods
            && super::rpc::known(call, self.mcp.strict_tool_names, chosen)
    }
}

impl Rule {
    /// As an allow rule: everything about it must match.
    fn admits(&self, endpoint: &Endpoint, seen: &Seen<'_>) -> bool {
        match (&self.matcher, seen.message) {
            (Matcher::Http(rule), message)
                if matches!(message, Message::Whole) || !endpoint.reads_bodies() =>
            {
                rule.names(seen.http.method)
                    && seen.readings.all(|path| rule.glob.matches(path))
                    && rule.query_admits(seen.http.query)
            }
            (Matcher::Graphql(rule), Message::Graphql(operation)) => {
                rule.admits(&endpoint.persisted, operation)
            }
            (Matcher::Rpc(rule), Message::Rpc(call)) => {
                super::rpc::admits(rule, call, strict(endpoint))
            }
            _ => false,
        }
    }

    /// As a deny rule: one part that matches is enough, and what cannot be read is refused elsewhere.
    fn hits(&self, endpoint: &Endpoint, seen: &Seen<'_>) -> bool {
        match (&self.matcher, seen.message) {
            (Matcher::Http(rule), _) => {
                rule.names(seen.http.method)
                    && seen.readings.any(|path| rule.glob.matches(path))
                    && rule.query_hits(seen.http.query)
            }
            (Matcher::Graphql(rule), Message::Graphql(operation)) => {
                rule.hits(&endpoint.persisted, operation)
            }
            (Matcher::Rpc(rule), Message::Rpc(call)) => super::rpc::hits(rule, call),
            _ => false,
        }
    }
}

fn strict(endpoint: &Endpoint) -> bool {
    endpoint.protocol == Protocol::Mcp && endpoint.mcp.strict_tool_names
}
