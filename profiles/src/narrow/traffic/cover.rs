//! Whether a parent's endpoint admits a part of what a child's endpoint lets pass.

use super::atom::{Atom, Form, Kind, Methods, Rank};
use super::matcher::{graphql_within, names_method, query_within, rpc_within};
use super::side::{Cell, Peer, Ready};
use crate::automaton::{Line, all_within};
use crate::decide::{ANSWER, GraphqlOperation, MCP_METHODS, lawful};
use crate::narrow::Axis;
use crate::policy::{
    Endpoint, GraphqlMatcher, Matcher, PersistedQueries, Protocol, RpcMatcher, RpcMethod,
    TOOLS_CALL,
};

/// Why not, and what there is instead.
#[derive(Debug, Clone)]
pub(super) struct Miss {
    pub axis: Axis,
    pub has: String,
}

impl Miss {
    pub fn new(axis: Axis, has: impl Into<String>) -> Miss {
        Miss {
            axis,
            has: has.into(),
        }
    }

    /// Of two the one that came nearer to a match, since it says best what is missing.
    pub fn nearer(self, other: Miss) -> Miss {
        match depth(other.axis) > depth(self.axis) {
            true => other,
            false => self,
        }
    }
}

fn depth(axis: Axis) -> u8 {
    match axis {
        Axis::Hosts => 0,
        Axis::Ports => 1,
        Axis::Programs => 2,
        Axis::Protocol => 3,
        Axis::Methods => 4,
        Axis::Paths => 5,
        _ => 6,
    }
}

/// How many rules a message shows.
const SHOWN: usize = 4;

/// Whether `peer` admits all of `atom`.
pub(super) fn admits(cell: &Cell<'_, '_>, atom: &Atom<'_>, peer: &Ready<'_>) -> Result<(), Miss> {
    let endpoint = peer.endpoint;
    if let Kind::Connection(rank) = atom.kind {
        return connection(cell.own, rank, endpoint);
    }
    if endpoint.protocol == Protocol::Tcp && endpoint.open {
        return Ok(());
    }
    if let Some(tree) = &peer.tree
        && !all_within(&atom.paths, tree)
    {
        let has = endpoint.path.as_ref().map(|path| path.text.clone());
        return Err(Miss::new(Axis::PathChoice, has.unwrap_or_default()));
    }
    if let Kind::Fallback(rank) = atom.kind {
        return match Rank::outside(endpoint.enforcement) {
            Some(own) if own >= rank => Ok(()),
            _ => Err(Miss::new(Axis::Enforcement, word(endpoint))),
        };
    }
    if cell.own.looks() && cell.own.endpoint.encoded_slash && !endpoint.encoded_slash {
        return Err(Miss::new(Axis::EncodedSlash, "no encoded slash"));
    }
    match endpoint.protocol {
        Protocol::Tcp => Err(Miss::new(Axis::Enforcement, word(endpoint))),
        Protocol::Rest => rest(atom, peer),
        Protocol::Websocket => websocket(cell, atom, peer),
        Protocol::Graphql => match atom.kind {
            Kind::Graphql(rule, Form::Plain) => graphql(cell, rule, endpoint),
            _ => Err(protocol(endpoint)),
        },
        Protocol::Mcp | Protocol::JsonRpc => rpc(cell, atom, endpoint),
    }
}

fn word(endpoint: &Endpoint) -> &'static str {
    use crate::policy::Enforcement;
    match endpoint.enforcement {
        Enforcement::Enforce => "enforce",
        Enforcement::Ask => "ask",
        Enforcement::Audit => "audit",
    }
}

fn protocol(endpoint: &Endpoint) -> Miss {
    let has = format!("`protocol: {}`", endpoint.protocol.word());
    Miss::new(Axis::Protocol, has)
}

fn connection(own: &Ready<'_>, rank: Rank, endpoint: &Endpoint) -> Result<(), Miss> {
    use crate::policy::{Enforcement, Tls};
    let asks = endpoint.enforcement == Enforcement::Ask && endpoint.protocol == Protocol::Tcp;
    if asks && rank > Rank::Ask {
        return Err(Miss::new(Axis::Enforcement, "ask"));
    }
    if own.endpoint.tls == Tls::Skip && endpoint.tls == Tls::Auto {
        return Err(Miss::new(Axis::Tls, "`tls: auto`"));
    }
    if own.endpoint.credentials.uninspected && !endpoint.credentials.uninspected {
        return Err(Miss::new(Axis::CredentialsUninspected, "false"));
    }
    Ok(())
}

/// The rules of an endpoint, for a message.
pub(super) fn shown(endpoint: &Endpoint) -> String {
    if endpoint.open {
        return format!("every request by `protocol: {}`", endpoint.protocol.word());
    }
    let mut texts: Vec<String> = endpoint
        .rules
        .iter()
        .take(SHOWN)
        .map(|rule| rule.matcher.to_string())
        .collect();
    if endpoint.rules.len() > SHOWN {
        texts.push(format!("{} more", endpoint.rules.len() - SHOWN));
    }
    match texts.is_empty() {
        true => "no rule".to_owned(),
        false => texts.join(", "),
    }
}

fn rest(atom: &Atom<'_>, peer: &Ready<'_>) -> Result<(), Miss> {
    let upgrades = match atom.kind {
        Kind::Anything => return Err(protocol(peer.endpoint)),
        Kind::Http(_, form) | Kind::Graphql(_, form) => form != Form::Plain,
        Kind::TextStream => true,
        _ => false,
    };
    if upgrades && !peer.endpoint.is_unbounded() {
        return Err(Miss::new(
            Axis::Protocol,
            "`protocol: rest` without upgrades to other protocols",
        ));
    }
    match peer.endpoint.open {
        true => Ok(()),
        false => http_rules(atom, peer),
    }
}

/// Whether one HTTP rule admits all of it.
fn http_rules(atom: &Atom<'_>, peer: &Ready<'_>) -> Result<(), Miss> {
    let query = match atom.kind {
        Kind::Http(Some(rule), _) => rule.query.as_slice(),
        _ => &[],
    };
    let methods: &[Methods<'_>] = match atom.methods() {
        Methods::Stream => &[Methods::One("GET"), Methods::One("DELETE")],
        one => &[one],
    };
    for method in methods {
        let mut nearest = Miss::new(Axis::Methods, shown(peer.endpoint));
        let mut found = false;
        for (rule, line) in peer.endpoint.rules.iter().zip(&peer.allows) {
            let Matcher::Http(rule) = &rule.matcher else {
                continue;
            };
            let named = rule.method == "*"
                || matches!(method, Methods::One(method) if rule.method == *method);
            let miss = |axis| Miss::new(axis, shown(peer.endpoint));
            if !named {
                continue;
            }
            if !all_within(&atom.paths, line) {
                nearest = nearest.nearer(miss(Axis::Paths));
            } else if !query_within(query, &rule.query) {
                nearest = nearest.nearer(miss(Axis::Query));
            } else {
                found = true;
                break;
            }
        }
        if !found {
            return Err(nearest);
        }
    }
    Ok(())
}

fn websocket(cell: &Cell<'_, '_>, atom: &Atom<'_>, peer: &Ready<'_>) -> Result<(), Miss> {
    let endpoint = peer.endpoint;
    let looks = endpoint.has_graphql();
    match atom.kind {
        Kind::Graphql(rule, Form::Text) if looks => graphql(cell, rule, endpoint),
        Kind::TextStream if looks => Ok(()),
        Kind::Http(_, Form::Text | Form::Frames) if looks => {
            Err(Miss::new(Axis::Graphql, shown(endpoint)))
        }
        Kind::Http(_, Form::Upgrade | Form::Text | Form::Frames)
        | Kind::Graphql(_, Form::Text)
        | Kind::TextStream => match endpoint.open {
            true => Ok(()),
            false => http_rules(atom, peer),
        },
        _ => Err(protocol(endpoint)),
    }
}

fn graphql(
    cell: &Cell<'_, '_>,
    rule: Option<&GraphqlMatcher>,
    endpoint: &Endpoint,
) -> Result<(), Miss> {
    if endpoint.open {
        return Ok(());
    }
    let own: Vec<&GraphqlMatcher> = endpoint
        .rules
        .iter()
        .filter_map(|rule| match &rule.matcher {
            Matcher::Graphql(rule) => Some(rule),
            Matcher::Http(_) | Matcher::Rpc(_) => None,
        })
        .collect();
    let miss = |axis| Err(Miss::new(axis, shown(endpoint)));
    let Some(rule) = rule else {
        return miss(Axis::Graphql);
    };
    if !own.iter().any(|other| graphql_within(rule, other)) {
        return miss(Axis::Graphql);
    }
    // What is registered of a stored document may differ from what the other one registers of it.
    let persisted = &cell.own.endpoint.persisted;
    for id in registered(persisted) {
        let stored = GraphqlOperation::Stored { id: id.clone() };
        let admitted = |other: &&GraphqlMatcher| other.admits(&endpoint.persisted, &stored);
        if rule.admits(persisted, &stored) && !own.iter().any(admitted) {
            let has = format!("no such document `{id}`");
            return Err(Miss::new(Axis::PersistedQueries, has));
        }
    }
    Ok(())
}

/// The ids of the documents that are known.
pub(super) fn registered(persisted: &PersistedQueries) -> impl Iterator<Item = &String> {
    match persisted {
        PersistedQueries::Deny => None,
        PersistedQueries::Registered(documents) => Some(documents.keys()),
    }
    .into_iter()
    .flatten()
}

fn rpc(cell: &Cell<'_, '_>, atom: &Atom<'_>, endpoint: &Endpoint) -> Result<(), Miss> {
    match atom.kind {
        Kind::Stream if endpoint.protocol == Protocol::Mcp => Ok(()),
        Kind::Rpc(_) | Kind::Known(_) if endpoint.open => Ok(()),
        Kind::Rpc(Some(rule)) => calls(cell, rule, endpoint),
        Kind::Rpc(None) => Err(Miss::new(Axis::Rpc, shown(endpoint))),
        Kind::Known(method) => {
            let rule = RpcMatcher {
                method: RpcMethod::Exact(method.to_owned()),
                tools: Vec::new(),
            };
            calls(cell, &rule, endpoint)
        }
        _ => Err(protocol(endpoint)),
    }
}

/// Whether the endpoint admits whatever the child's rule does.
fn calls(cell: &Cell<'_, '_>, rule: &RpcMatcher, endpoint: &Endpoint) -> Result<(), Miss> {
    let mcp = endpoint.protocol == Protocol::Mcp;
    let own = cell.own.endpoint;
    let own_strict = own.protocol == Protocol::Mcp && own.mcp.strict_tool_names;
    if mcp && endpoint.mcp.strict_tool_names && !own_strict && !names_strictly(rule) {
        return Err(Miss::new(Axis::Mcp, "`strict_tool_names: true`"));
    }
    let by_rule = endpoint
        .rules
        .iter()
        .any(|other| matches!(&other.matcher, Matcher::Rpc(other) if rpc_within(rule, other)));
    let known = mcp && endpoint.mcp.all_known_methods && is_known(cell, rule);
    match by_rule || known {
        true => Ok(()),
        false => Err(Miss::new(Axis::Rpc, shown(endpoint))),
    }
}

/// Whether the rule lets no tool be called but by a strict name.
fn names_strictly(rule: &RpcMatcher) -> bool {
    if !names_method(rule, TOOLS_CALL) {
        return true;
    }
    !rule.tools.is_empty()
        && rule
            .tools
            .iter()
            .all(|tool| tool.is_literal() && lawful(TOOLS_CALL, Some(tool.as_str()), true))
}

/// Whether `allow_all_known_mcp_methods` is enough for the rule: no endpoint that may decide with it names tools.
fn is_known(cell: &Cell<'_, '_>, rule: &RpcMatcher) -> bool {
    let RpcMethod::Exact(method) = &rule.method else {
        return false;
    };
    let names_tools = |peer: &Peer<'_, '_>| {
        peer.ready
            .endpoint
            .rules
            .iter()
            .any(|rule| matches!(&rule.matcher, Matcher::Rpc(rule) if !rule.tools.is_empty()))
    };
    (method == ANSWER || MCP_METHODS.contains(&method.as_str()))
        && (method != TOOLS_CALL || !cell.peers.iter().any(names_tools))
}

/// Whether `inner`, where any, covers no path that `outer` does not.
pub(super) fn tree_within(inner: Option<&Line>, outer: Option<&Line>) -> bool {
    match (inner, outer) {
        (_, None) => true,
        (Some(inner), Some(outer)) => all_within(&[&Line::path(), inner], outer),
        (None, Some(_)) => false,
    }
}
