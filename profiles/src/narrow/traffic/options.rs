//! What an endpoint says beside its rules: addresses, and how long a body may be that is looked into.

use std::net::IpAddr;

use ipnet::IpNet;

use super::atom::{Atom, Kind, Methods};
use super::cover::{Miss, tree_within};
use super::decide::rivals;
use super::side::{Cell, Peer, Side};
use crate::automaton::all_within;
use crate::narrow::{Axis, Widening};
use crate::policy::{Endpoint, Protocol, Tls, WEBSOCKET_TEXT};
use crate::source::Location;

/// What the child's endpoint asks for on this port that the parent's do not give.
pub(super) fn widenings(
    cell: &Cell<'_, '_>,
    child: &Side<'_>,
    parent: &Side<'_>,
    found: &mut Vec<Widening>,
) {
    let own = cell.own.endpoint;
    let mut add = |axis, asked: String, has: String| {
        found.push(Widening {
            axis,
            asked: format!("{asked} on {}:{}", own.host, cell.port),
            has,
            place: own.place().clone(),
        });
    };
    let on_port: Vec<&Endpoint> = cell
        .on_host
        .iter()
        .map(|ready| ready.endpoint)
        .filter(|endpoint| endpoint.ports.contains(&cell.port))
        .collect();
    if on_port.is_empty() {
        return;
    }
    let listed: Vec<IpNet> = on_port
        .iter()
        .flat_map(|endpoint| endpoint.allowed_ips.iter().copied())
        .collect();
    let has = || match listed.is_empty() {
        true => "public addresses".to_owned(),
        false => words(&listed),
    };
    for net in &own.allowed_ips {
        if !covers(&listed, net) {
            add(Axis::AllowedIps, net.to_string(), has());
        }
    }
    let public = on_port
        .iter()
        .any(|endpoint| endpoint.allowed_ips.is_empty());
    if own.allowed_ips.is_empty() && !public {
        add(Axis::AllowedIps, "any public address".to_owned(), has());
    }
    for (host, fixed) in &parent.layer.resolve {
        if own.host.matches(host) && !child.layer.resolve.contains_key(host) {
            let has = addresses(fixed);
            add(Axis::Resolve, format!("any address of {host}"), has);
        }
    }
    for (host, fixed) in &child.layer.resolve {
        if !own.host.matches(host) {
            continue;
        }
        let pinned = parent.layer.resolve.get(host);
        let foreign: Vec<IpAddr> = fixed
            .iter()
            .filter(|address| match pinned {
                Some(theirs) => !theirs.contains(address),
                None => !listed.iter().any(|net| net.contains(*address)),
            })
            .copied()
            .collect();
        if !foreign.is_empty() {
            let asked = format!("{host} at {}", addresses(&foreign));
            add(
                Axis::Resolve,
                asked,
                pinned.map_or_else(has, |theirs| addresses(theirs)),
            );
        }
    }
}

/// Whether the nets together hold all of `net`.
fn covers(nets: &[IpNet], net: &IpNet) -> bool {
    nets.iter().any(|other| other.contains(net))
        || IpNet::aggregate(&nets.to_vec())
            .iter()
            .any(|other| other.contains(net))
}

fn words(nets: &[IpNet]) -> String {
    let words: Vec<String> = nets.iter().map(IpNet::to_string).collect();
    words.join(", ")
}

fn addresses(list: &[IpAddr]) -> String {
    let words: Vec<String> = list.iter().map(IpAddr::to_string).collect();
    words.join(", ")
}

/// What a body is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Graphql,
    Texts,
    Rpc,
}

fn slot(endpoint: &Endpoint) -> Option<Slot> {
    match endpoint.protocol {
        Protocol::Graphql => Some(Slot::Graphql),
        Protocol::Websocket if endpoint.has_graphql() => Some(Slot::Texts),
        Protocol::Mcp | Protocol::JsonRpc => Some(Slot::Rpc),
        Protocol::Websocket | Protocol::Rest | Protocol::Tcp => None,
    }
}

/// Whether the parent reads the bodies of a part no shorter than the child does, where it reads them at all.
pub(super) fn bodies(cell: &Cell<'_, '_>, atom: &Atom<'_>, child: &Side<'_>) -> Result<(), Miss> {
    let own = cell.own.endpoint;
    let kinds: &[Slot] = match atom.methods() {
        _ if matches!(atom.kind, Kind::Connection(_)) => &[],
        Methods::One(WEBSOCKET_TEXT) | Methods::Frames => &[Slot::Texts],
        Methods::All => &[Slot::Graphql, Slot::Texts, Slot::Rpc],
        _ => &[Slot::Graphql, Slot::Rpc],
    };
    for kind in kinds {
        let readers: Vec<&Peer<'_, '_>> = rivals(cell, atom)
            .filter(|peer| slot(peer.ready.endpoint) == Some(*kind))
            .collect();
        let asked = match slot(own) == Some(*kind) {
            true => longest(cell, child, *kind),
            false => None,
        };
        let enough = |peer: &&Peer<'_, '_>| {
            let ready = peer.ready;
            peer.definite
                && asked.is_some_and(|asked| ready.endpoint.max_body >= asked)
                && ready
                    .tree
                    .as_ref()
                    .is_none_or(|tree| all_within(&atom.paths, tree))
        };
        // Where the child's own endpoints read wherever this one does, it is enough that they read no more.
        let most_read = longest(cell, child, *kind);
        let mirrored = |peer: &&Peer<'_, '_>| {
            let ready = peer.ready;
            most_read.is_some_and(|most| most <= ready.endpoint.max_body)
                && peer.mirrors().any(|own| {
                    slot(own.endpoint) == Some(*kind)
                        && tree_within(ready.tree.as_ref(), own.tree.as_ref())
                })
        };
        if !readers.iter().any(enough) && !readers.iter().all(mirrored) {
            let most = readers.iter().map(|peer| peer.ready.endpoint.max_body);
            let has = format!("{} bytes", most.max().unwrap_or_default());
            return Err(Miss::new(Axis::MaxBody, has));
        }
    }
    Ok(())
}

/// The longest body that the child may read here: another endpoint raises the limit where both cover a path.
fn longest(cell: &Cell<'_, '_>, child: &Side<'_>, kind: Slot) -> Option<u32> {
    let own = cell.own.endpoint;
    child
        .ready
        .iter()
        .map(|ready| ready.endpoint)
        .filter(|endpoint| slot(endpoint) == Some(kind) && endpoint.ports.contains(&cell.port))
        .filter(
            |endpoint| match (endpoint.host.is_wildcard(), own.host.is_wildcard()) {
                (true, true) => true,
                (true, false) => endpoint.host.matches(own.host.as_str()),
                (false, true) => own.host.matches(endpoint.host.as_str()),
                (false, false) => endpoint.host == own.host,
            },
        )
        .map(|endpoint| endpoint.max_body)
        .max()
}

/// The words of an atom with its endpoint, for messages.
pub(super) fn asked(cell: &Cell<'_, '_>, atom: &Atom<'_>, axis: Axis) -> String {
    let endpoint = cell.own.endpoint;
    let at = format!("{}:{}", endpoint.host, cell.port);
    match axis {
        Axis::Hosts | Axis::Ports => at,
        Axis::Programs => match cell.program {
            Some(program) => format!("{program} on {at}"),
            None => format!("any program on {at}"),
        },
        Axis::Tls => format!("`tls: {}` on {at}", tls(endpoint.tls)),
        Axis::Protocol => format!(
            "{} by `protocol: {}` on {at}",
            atom.words,
            endpoint.protocol.word()
        ),
        Axis::PathChoice => match &endpoint.path {
            Some(path) => format!("{} below `{}` on {at}", atom.words, path.text),
            None => format!("{} on every path of {at}", atom.words),
        },
        Axis::MaxBody => match slot(endpoint) {
            Some(_) => format!("{} bytes on {at}", endpoint.max_body),
            None => format!("bodies of any length on {at}"),
        },
        Axis::Provider | Axis::CredentialsInBodies | Axis::CredentialsInWebsockets => {
            format!("credentials for {} on {at}", atom.words)
        }
        Axis::CredentialsUninspected => format!("true on {at}"),
        Axis::EncodedSlash => format!("`%2F` in paths on {at}"),
        _ => format!("{} on {at}", atom.words),
    }
}

fn tls(tls: Tls) -> &'static str {
    match tls {
        Tls::Auto => "auto",
        Tls::Skip => "skip",
    }
}

/// Where the atom stands, or its endpoint where the miss is about that.
pub(super) fn place(cell: &Cell<'_, '_>, atom: &Atom<'_>, axis: Axis) -> Location {
    match axis {
        Axis::Methods | Axis::Paths | Axis::Query | Axis::Graphql | Axis::Rpc | Axis::DenyRules => {
            atom.by.at.clone()
        }
        _ => cell.own.endpoint.place().clone(),
    }
}
