//! Whether the parent lets a part pass once all its endpoints are asked, as [`crate::decide`] asks them.

use super::atom::{Atom, Form, Kind, Methods, Rank};
use super::cover::{Miss, admits, registered, tree_within};
use super::matcher::{
    graphql_overlaps, graphql_within, queries_overlap, query_within, rpc_overlaps, rpc_within,
};
use super::side::{Cell, Peer, Ready};
use crate::automaton::{Line, overlap, overlap_without_parameters};
use crate::decide::GraphqlOperation;
use crate::narrow::Axis;
use crate::policy::{
    Binding, Credentials, Enforcement, Matcher, RpcMatcher, RpcMethod, Rule, WEBSOCKET_TEXT,
};

/// Whether the parent's layer lets `atom` pass, with the credentials that the child gives it.
pub(super) fn passes(cell: &Cell<'_, '_>, atom: &Atom<'_>) -> Result<(), Miss> {
    let mut nearest = uncovered(cell);
    for peer in cell.peers.iter().filter(|peer| peer.definite) {
        let outcome = admits(cell, atom, peer.ready)
            .and_then(|()| is_asked(cell, atom, peer.ready))
            .and_then(|()| grants(&cell.own.endpoint.credentials, atom, peer.ready));
        match outcome {
            Ok(()) => return others_grant(cell, atom).and_then(|()| is_not_denied(cell, atom)),
            Err(miss) => nearest = nearest.nearer(miss),
        }
    }
    Err(nearest)
}

/// What is said where no endpoint covers the cell.
fn uncovered(cell: &Cell<'_, '_>) -> Miss {
    let programs: Vec<&str> = cell
        .peers
        .iter()
        .flat_map(|peer| &peer.ready.entry.binaries)
        .map(|glob| glob.as_str())
        .collect();
    let ports: Vec<u16> = cell
        .on_host
        .iter()
        .flat_map(|ready| ready.endpoint.ports.iter().copied())
        .collect();
    let hosts: Vec<&str> = cell
        .peers
        .iter()
        .map(|peer| peer.ready.endpoint.host.as_str())
        .collect();
    match (ports.contains(&cell.port), ports.is_empty()) {
        (true, _) => Miss::new(Axis::Programs, programs.join(", ")),
        (false, false) => Miss::new(Axis::Ports, crate::narrow::r#box::numbers(&ports)),
        (false, true) if hosts.is_empty() => Miss::new(Axis::Hosts, "no entry for it"),
        (false, true) => Miss::new(Axis::Hosts, hosts.join(", ")),
    }
}

/// Whether `base` is among the endpoints that decide, or those that decide in its stead admit the part too.
fn is_asked(cell: &Cell<'_, '_>, atom: &Atom<'_>, base: &Ready<'_>) -> Result<(), Miss> {
    // Where the child has an endpoint that looks too, one of its own that does not is not asked.
    let looking = cell
        .peers
        .iter()
        .filter(|peer| peer.ready.looks())
        .find(|peer| cell.own.looks() || !peer.mirrors().any(|own| own.looks()));
    let raw = !cell.own.looks() && !cell.siblings.iter().any(|ready| ready.looks());
    if let Some(peer) = looking
        && (raw || (!base.looks() && !matches!(atom.kind, Kind::Connection(_))))
    {
        let word = peer.ready.endpoint.protocol.word();
        return Err(Miss::new(Axis::Protocol, format!("`protocol: {word}`")));
    }
    if matches!(atom.kind, Kind::Connection(_)) || !base.looks() {
        return Ok(());
    }
    for peer in rivals(cell, atom) {
        let rival = peer.ready;
        if rival.specificity() <= base.specificity() {
            continue;
        }
        let stands_in = |other: &&Peer<'_, '_>| {
            let whole = !matches!(atom.kind, Kind::Fallback(_))
                || tree_within(rival.tree.as_ref(), other.ready.tree.as_ref());
            other.definite
                && other.ready.looks()
                && other.ready.specificity() == rival.specificity()
                && whole
                && admits(cell, atom, other.ready).is_ok()
                && grants(&cell.own.endpoint.credentials, atom, other.ready).is_ok()
        };
        if !cell.peers.iter().any(|other| stands_in(&other)) {
            let path = rival.endpoint.path.as_ref().map(|path| path.text.as_str());
            let has = format!(
                "an endpoint of its own for `{}`, which decides there",
                path.unwrap_or_default()
            );
            return Err(Miss::new(Axis::PathChoice, has));
        }
    }
    Ok(())
}

/// The parent's endpoints that look at requests and may be asked about some of the part.
pub(super) fn rivals<'c, 'a>(
    cell: &'c Cell<'c, 'a>,
    atom: &'c Atom<'_>,
) -> impl Iterator<Item = &'c Peer<'c, 'a>> {
    cell.peers
        .iter()
        .filter(|peer| peer.ready.looks())
        .filter(|peer| reaches(atom, peer.ready.tree.as_ref()) && !is_hidden(cell, peer))
}

/// Whether a path of the part is covered by `line` in one of its readings.
fn reaches(atom: &Atom<'_>, line: Option<&Line>) -> bool {
    let Some(line) = line else { return true };
    // What falls through to an endpoint is covered by it in one reading only: the others may be anywhere.
    matches!(atom.kind, Kind::Fallback(_))
        || overlap(&atom.paths, line)
        || overlap_without_parameters(&atom.paths, line)
}

/// Whether an endpoint of the child decides wherever `rival` does, so that the part never has these paths.
fn is_hidden(cell: &Cell<'_, '_>, rival: &Peer<'_, '_>) -> bool {
    let tree = rival.ready.tree.as_ref();
    tree.is_some()
        && cell
            .siblings
            .iter()
            .copied()
            .chain(rival.mirrors())
            .any(|own| {
                own.looks()
                    && own.specificity() > cell.own.specificity()
                    && tree_within(tree, own.tree.as_ref())
            })
}

/// Whether `peer` gives the credentials that the child's endpoint gives.
fn grants(own: &Credentials, atom: &Atom<'_>, peer: &Ready<'_>) -> Result<(), Miss> {
    let Credentials {
        provider,
        body,
        websocket,
        uninspected: _,
    } = own;
    if matches!(atom.kind, Kind::Connection(_)) || *provider == Binding::Nobody {
        return Ok(());
    }
    let has = &peer.endpoint.credentials;
    let word = match &has.provider {
        Binding::Nobody => "none".to_owned(),
        Binding::Any => "any".to_owned(),
        Binding::Provider(name) => format!("provider `{name}`"),
    };
    if has.provider != Binding::Any && has.provider != *provider {
        return Err(Miss::new(Axis::Provider, word));
    }
    if *body && !has.body {
        return Err(Miss::new(Axis::CredentialsInBodies, "false"));
    }
    if *websocket && !has.websocket {
        return Err(Miss::new(Axis::CredentialsInWebsockets, "false"));
    }
    Ok(())
}

/// Of the endpoints that admit a flow one is taken that has credentials: each that may be taken must give the child's.
fn others_grant(cell: &Cell<'_, '_>, atom: &Atom<'_>) -> Result<(), Miss> {
    let own = &cell.own.endpoint.credentials;
    if own.provider == Binding::Nobody {
        return Ok(());
    }
    let silent = |peer: &Peer<'_, '_>| {
        let Credentials {
            provider,
            body,
            websocket,
            uninspected: _,
        } = &peer.ready.endpoint.credentials;
        *provider == Binding::Nobody && !body && !websocket
    };
    let fallback = matches!(atom.kind, Kind::Fallback(_));
    rivals(cell, atom)
        .filter(|peer| fallback || !silent(peer))
        .try_for_each(|peer| grants(own, atom, peer.ready))
}

/// Whether no deny rule of the parent hits a flow of the part, unless one of the child's does too.
fn is_not_denied(cell: &Cell<'_, '_>, atom: &Atom<'_>) -> Result<(), Miss> {
    if matches!(atom.kind, Kind::Connection(_)) {
        return Ok(());
    }
    for peer in &cell.peers {
        let rival = peer.ready;
        let audits = rival.endpoint.enforcement == Enforcement::Audit;
        let records = matches!(atom.kind, Kind::Fallback(rank) if rank <= Rank::Record);
        if (audits && records) || !reaches(atom, rival.tree.as_ref()) {
            continue;
        }
        for (rule, line) in rival.endpoint.deny_rules.iter().zip(&rival.denies) {
            let deny = Deny {
                peer,
                of: rival,
                rule,
                line,
            };
            if deny.may_hit(cell, atom) && !deny.is_kept(cell) {
                let has = format!("the deny rule {}", rule.matcher);
                return Err(Miss::new(Axis::DenyRules, has));
            }
        }
    }
    Ok(())
}

/// A deny rule of the parent.
struct Deny<'a> {
    peer: &'a Peer<'a, 'a>,
    of: &'a Ready<'a>,
    rule: &'a Rule,
    line: &'a Line,
}

impl Deny<'_> {
    fn may_hit(&self, cell: &Cell<'_, '_>, atom: &Atom<'_>) -> bool {
        match &self.rule.matcher {
            Matcher::Http(deny) => {
                let named = match atom.methods() {
                    _ if deny.method == "*" => true,
                    Methods::All => true,
                    Methods::Any => deny.method != WEBSOCKET_TEXT,
                    Methods::Frames => deny.method == WEBSOCKET_TEXT,
                    Methods::One(method) => deny.method == method,
                    Methods::Stream => matches!(deny.method.as_str(), "GET" | "DELETE"),
                };
                let queries = match atom.kind {
                    Kind::Http(Some(rule), _) => queries_overlap(&rule.query, &deny.query),
                    _ => true,
                };
                named && queries && reaches(atom, Some(self.line))
            }
            Matcher::Graphql(deny) => match atom.kind {
                Kind::Graphql(Some(rule), _) => {
                    graphql_overlaps(rule, deny) || self.hits_stored(cell, atom)
                }
                Kind::Http(_, Form::Upgrade) | Kind::TextStream => false,
                Kind::Rpc(_) | Kind::Known(_) | Kind::Stream | Kind::Connection(_) => false,
                Kind::Graphql(None, _) | Kind::Http(..) | Kind::Anything | Kind::Fallback(_) => {
                    true
                }
            },
            Matcher::Rpc(deny) => match atom.kind {
                Kind::Rpc(Some(rule)) => rpc_overlaps(rule, deny),
                Kind::Known(method) => rpc_overlaps(&exactly(method), deny),
                Kind::Http(_, Form::Upgrade) | Kind::TextStream => false,
                Kind::Graphql(..) | Kind::Stream | Kind::Connection(_) => false,
                Kind::Rpc(None) | Kind::Http(..) | Kind::Anything | Kind::Fallback(_) => true,
            },
        }
    }

    /// Whether it hits a stored document that the part admits.
    fn hits_stored(&self, cell: &Cell<'_, '_>, atom: &Atom<'_>) -> bool {
        let (Matcher::Graphql(deny), Kind::Graphql(Some(allow), _)) =
            (&self.rule.matcher, atom.kind)
        else {
            return false;
        };
        let own = &cell.own.endpoint.persisted;
        registered(&self.of.endpoint.persisted).any(|id| {
            let stored = GraphqlOperation::Stored { id: id.clone() };
            deny.hits(&self.of.endpoint.persisted, &stored) && allow.admits(own, &stored)
        })
    }

    /// Whether the child denies all that this rule does. A rule of an endpoint that only records counts where this one
    /// only records too.
    fn is_kept(&self, cell: &Cell<'_, '_>) -> bool {
        let everywhere = cell.siblings.iter().copied();
        everywhere.chain(self.peer.mirrors()).any(|own| {
            let strict = own.endpoint.enforcement != Enforcement::Audit
                || self.of.endpoint.enforcement == Enforcement::Audit;
            // The cell's own endpoint covers every path of the part.
            let everywhere = std::ptr::eq(own, cell.own)
                || tree_within(self.of.tree.as_ref(), own.tree.as_ref());
            strict
                && everywhere
                && own
                    .endpoint
                    .deny_rules
                    .iter()
                    .zip(&own.denies)
                    .any(|(rule, line)| self.is_within(own, rule, line))
        })
    }

    fn is_within(&self, own: &Ready<'_>, rule: &Rule, line: &Line) -> bool {
        match (&self.rule.matcher, &rule.matcher) {
            (Matcher::Http(inner), Matcher::Http(outer)) => {
                (outer.method == "*" || outer.method == inner.method)
                    && query_within(&inner.query, &outer.query)
                    && tree_within(Some(self.line), Some(line))
            }
            (Matcher::Graphql(inner), Matcher::Graphql(outer)) => {
                let (theirs, ours) = (&self.of.endpoint.persisted, &own.endpoint.persisted);
                graphql_within(inner, outer)
                    && registered(theirs).all(|id| {
                        let stored = GraphqlOperation::Stored { id: id.clone() };
                        !inner.hits(theirs, &stored) || outer.hits(ours, &stored)
                    })
            }
            (Matcher::Rpc(inner), Matcher::Rpc(outer)) => rpc_within(inner, outer),
            _ => false,
        }
    }
}

fn exactly(method: &str) -> RpcMatcher {
    RpcMatcher {
        method: RpcMethod::Exact(method.to_owned()),
        tools: Vec::new(),
    }
}
