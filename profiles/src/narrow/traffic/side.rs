//! A layer made ready for comparing: its patterns in the common form, and which of its endpoints may meet a host.

use std::collections::HashMap;

use crate::automaton::{Line, all_within, overlap};
use crate::policy::{Endpoint, HostPattern, Matcher, NetworkEntry, NetworkLayer, Protocol, Rule};
use crate::segments::SegmentGlob;

/// An endpoint with its patterns.
pub(super) struct Ready<'a> {
    pub entry: &'a NetworkEntry,
    pub endpoint: &'a Endpoint,
    host: Line,
    /// Its `path`.
    pub tree: Option<Line>,
    /// The paths of its rules, in their order; of rules that are not about paths the empty text.
    pub allows: Vec<Line>,
    /// The same of its deny rules.
    pub denies: Vec<Line>,
}

impl Ready<'_> {
    /// Whether it looks at requests.
    pub fn looks(&self) -> bool {
        self.endpoint.protocol != Protocol::Tcp
    }

    /// How much its `path` says: the greater decides.
    pub fn specificity(&self) -> Option<(bool, usize)> {
        self.endpoint
            .path
            .as_ref()
            .map(|choice| choice.glob.specificity())
    }

    /// Whether it covers the program, which may be any.
    fn is_for(&self, program: Option<&SegmentGlob>) -> bool {
        self.entry.binaries.is_empty()
            || program.is_some_and(|program| {
                self.entry
                    .binaries
                    .iter()
                    .any(|own| segment_within(program, own))
            })
    }
}

/// Whether `outer` covers all that `inner` does.
pub(super) fn segment_within(inner: &SegmentGlob, outer: &SegmentGlob) -> bool {
    inner == outer
        || match inner.is_literal() {
            true => outer.matches(inner.as_str()),
            false => all_within(&[&inner.line()], &outer.line()),
        }
}

/// Whether both have a text in common.
pub(super) fn segments_overlap(a: &SegmentGlob, b: &SegmentGlob) -> bool {
    if a.is_literal() {
        return b.matches(a.as_str());
    }
    if b.is_literal() {
        return a.matches(b.as_str());
    }
    overlap(&[&a.line()], &b.line())
}

/// How the hosts of two endpoints lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Each host of the first is one of the second.
    Within,
    /// Some are.
    Some,
}

/// A layer.
pub(super) struct Side<'a> {
    pub layer: &'a NetworkLayer,
    pub ready: Vec<Ready<'a>>,
    exact: HashMap<&'a str, Vec<usize>>,
    wild: Vec<usize>,
}

impl<'a> Side<'a> {
    pub fn new(layer: &'a NetworkLayer) -> Side<'a> {
        let NetworkLayer {
            policy: _,
            entries,
            resolve: _,
            index: _,
        } = layer;
        let mut side = Side {
            layer,
            ready: Vec::new(),
            exact: HashMap::new(),
            wild: Vec::new(),
        };
        for entry in entries {
            for endpoint in &entry.endpoints {
                let place = side.ready.len();
                match endpoint.host.is_wildcard() {
                    true => side.wild.push(place),
                    false => side
                        .exact
                        .entry(endpoint.host.as_str())
                        .or_default()
                        .push(place),
                }
                side.ready.push(Ready {
                    entry,
                    endpoint,
                    host: endpoint.host.line(),
                    tree: endpoint.path.as_ref().map(|path| path.glob.tree_line()),
                    allows: lines(&endpoint.rules),
                    denies: lines(&endpoint.deny_rules),
                });
            }
        }
        side
    }

    /// The endpoints that cover some host of `of`.
    fn beside(&self, of: &Ready<'_>) -> Vec<(&Ready<'a>, Hosts)> {
        let host = &of.endpoint.host;
        let mut found: Vec<(usize, Hosts)> = Vec::new();
        if host.is_wildcard() {
            for (i, other) in self.ready.iter().enumerate() {
                found.extend(relation(of, other).map(|hosts| (i, hosts)));
            }
        } else {
            let exact = self.exact.get(host.as_str()).into_iter().flatten();
            found.extend(exact.map(|i| (*i, Hosts::Within)));
            let covers = |i: &&usize| self.ready[**i].endpoint.host.matches(host.as_str());
            found.extend(self.wild.iter().filter(covers).map(|i| (*i, Hosts::Within)));
        }
        found
            .into_iter()
            .map(|(i, hosts)| (&self.ready[i], hosts))
            .collect()
    }
}

fn lines(rules: &[Rule]) -> Vec<Line> {
    rules
        .iter()
        .map(|rule| match &rule.matcher {
            Matcher::Http(http) => http.glob.line(),
            Matcher::Graphql(_) | Matcher::Rpc(_) => Line::new(),
        })
        .collect()
}

/// How the hosts of `a`, which has a wildcard, lie to those of `b`; `None` where they have none in common.
fn relation(a: &Ready<'_>, b: &Ready<'_>) -> Option<Hosts> {
    let (first, second): (&HostPattern, &HostPattern) = (&a.endpoint.host, &b.endpoint.host);
    if first == second {
        return Some(Hosts::Within);
    }
    if !second.is_wildcard() {
        return first.matches(second.as_str()).then_some(Hosts::Some);
    }
    let (own, other) = (first.literal_tail(), second.literal_tail());
    if !own.ends_with(other) && !other.ends_with(own) {
        return None;
    }
    if all_within(&[&a.host], &b.host) {
        return Some(Hosts::Within);
    }
    overlap(&[&a.host], &b.host).then_some(Hosts::Some)
}

/// A parent's endpoint beside a cell.
#[derive(Clone, Copy)]
pub(super) struct Peer<'c, 'p> {
    pub ready: &'c Ready<'p>,
    /// It covers every flow of the cell, as far as host, port and program go; else perhaps some.
    pub definite: bool,
}

/// The flows of one child's endpoint on one port for one program, and which endpoints cover them.
pub(super) struct Cell<'c, 'a> {
    pub own: &'c Ready<'a>,
    pub port: u16,
    pub program: Option<&'a SegmentGlob>,
    /// The parent's endpoints that may cover some flow.
    pub peers: Vec<Peer<'c, 'a>>,
    /// The child's endpoints that cover every flow, `own` too.
    pub siblings: Vec<&'c Ready<'a>>,
    /// The parent's endpoints on every host of the cell, on other ports too.
    pub on_host: Vec<&'c Ready<'a>>,
}

/// The cells of one child's endpoint.
pub(super) fn cells<'c, 'a>(
    own: &'c Ready<'a>,
    child: &'c Side<'a>,
    parent: &'c Side<'a>,
) -> Vec<Cell<'c, 'a>> {
    let peers = parent.beside(own);
    let siblings: Vec<&Ready<'_>> = child
        .beside(own)
        .into_iter()
        .filter(|(_, hosts)| *hosts == Hosts::Within)
        .map(|(ready, _)| ready)
        .collect();
    let programs: Vec<Option<&SegmentGlob>> = match own.entry.binaries.as_slice() {
        [] => vec![None],
        some => some.iter().map(Some).collect(),
    };
    let mut cells = Vec::new();
    for port in &own.endpoint.ports {
        for program in &programs {
            let on_port = |ready: &Ready<'_>| ready.endpoint.ports.contains(port);
            cells.push(Cell {
                own,
                port: *port,
                program: *program,
                peers: peers
                    .iter()
                    .filter(|(ready, _)| on_port(ready))
                    .map(|(ready, hosts)| Peer {
                        ready,
                        definite: *hosts == Hosts::Within && ready.is_for(*program),
                    })
                    .collect(),
                siblings: siblings
                    .iter()
                    .copied()
                    .filter(|ready| on_port(ready) && ready.is_for(*program))
                    .collect(),
                on_host: peers
                    .iter()
                    .filter(|(_, hosts)| *hosts == Hosts::Within)
                    .map(|(ready, _)| *ready)
                    .collect(),
            });
        }
    }
    cells
}
