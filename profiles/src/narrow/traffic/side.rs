//! A layer made ready for comparing: its patterns in the common form, and which of its endpoints may meet a host.

use std::collections::HashMap;

use crate::automaton::{Line, all_within, overlap};
use crate::policy::{
    Endpoint, HostPattern, Matcher, McpOptions, NetworkEntry, NetworkLayer, Protocol, Rule,
};
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

impl<'a> Ready<'a> {
    /// A field that an endpoint has and that is not named here is compared nowhere: this does not compile then.
    fn new(entry: &'a NetworkEntry, endpoint: &'a Endpoint) -> Ready<'a> {
        let NetworkEntry {
            key: _,
            name: _,
            endpoints: _,
            binaries: _,
        } = entry;
        let Endpoint {
            host,
            ports: _,
            protocol: _,
            tls: _,
            enforcement: _,
            path,
            open: _,
            rules,
            deny_rules,
            allowed_ips: _,
            encoded_slash: _,
            credentials: _,
            max_body: _,
            mcp:
                McpOptions {
                    strict_tool_names: _,
                    all_known_methods: _,
                },
            persisted: _,
            at: _,
        } = endpoint;
        Ready {
            entry,
            endpoint,
            host: host.line(),
            tree: path.as_ref().map(|path| path.glob.tree_line()),
            allows: lines(rules),
            denies: lines(deny_rules),
        }
    }
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

    /// All that verdicts depend on.
    fn content(&self) -> (&[SegmentGlob], &Endpoint) {
        (&self.entry.binaries, self.endpoint)
    }

    /// Whether it is found wherever `other` is, on `port`, as far as programs go.
    fn is_for_all(&self, other: &Ready<'_>) -> bool {
        match other.entry.binaries.as_slice() {
            [] => self.is_for(None),
            some => some.iter().all(|program| self.is_for(Some(program))),
        }
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
                side.ready.push(Ready::new(entry, endpoint));
            }
        }
        side
    }

    /// The endpoints that cover some host of `of`.
    fn beside(&self, of: &Ready<'_>) -> Vec<(&Ready<'a>, Hosts)> {
        let found = self.places_beside(of).into_iter();
        found.map(|(i, hosts)| (&self.ready[i], hosts)).collect()
    }

    fn places_beside(&self, of: &Ready<'_>) -> Vec<(usize, Hosts)> {
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
            found.sort_unstable_by_key(|(i, _)| *i);
        }
        found
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
    port: u16,
    mirrors: &'c [&'c Ready<'p>],
}

impl<'c, 'p> Peer<'c, 'p> {
    /// The child's endpoints that cover, on the cell's port, every flow that this one covers.
    pub fn mirrors(&self) -> impl Iterator<Item = &'c Ready<'p>> {
        let (ready, port) = (self.ready, self.port);
        self.mirrors
            .iter()
            .copied()
            .filter(move |own| own.endpoint.ports.contains(&port) && own.is_for_all(ready))
    }
}

/// For each endpoint of `parent` those of `child` that cover all its hosts.
pub(super) fn mirrors<'c, 'a>(child: &'c Side<'a>, parent: &Side<'_>) -> Vec<Vec<&'c Ready<'a>>> {
    let within = |ready: &Ready<'_>| {
        child
            .beside(ready)
            .into_iter()
            .filter(|(_, hosts)| *hosts == Hosts::Within)
            .map(|(own, _)| own)
            .collect()
    };
    parent.ready.iter().map(within).collect()
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
    /// Both layers have the same endpoints here, and so the same verdicts.
    pub same: bool,
}

/// The cells of one child's endpoint.
pub(super) fn cells<'c, 'a>(
    own: &'c Ready<'a>,
    child: &'c Side<'a>,
    parent: &'c Side<'a>,
    mirrors: &'c [Vec<&'c Ready<'a>>],
) -> Vec<Cell<'c, 'a>> {
    let peers: Vec<(usize, &Ready<'_>, Hosts)> = parent
        .places_beside(own)
        .into_iter()
        .map(|(i, hosts)| (i, &parent.ready[i], hosts))
        .collect();
    let beside = child.beside(own);
    let siblings: Vec<&Ready<'_>> = beside
        .iter()
        .copied()
        .filter(|(_, hosts)| *hosts == Hosts::Within)
        .map(|(ready, _)| ready)
        .collect();
    let programs: Vec<Option<&SegmentGlob>> = match own.entry.binaries.as_slice() {
        [] => vec![None],
        some => some.iter().map(Some).collect(),
    };
    let mut cells = Vec::new();
    for port in &own.endpoint.ports {
        let on_port = |ready: &Ready<'_>| ready.endpoint.ports.contains(port);
        let same = beside
            .iter()
            .map(|(ready, _)| *ready)
            .filter(|ready| on_port(ready))
            .map(Ready::content)
            .eq(peers
                .iter()
                .map(|(_, ready, _)| *ready)
                .filter(|ready| on_port(ready))
                .map(Ready::content));
        for program in &programs {
            cells.push(Cell {
                same,
                own,
                port: *port,
                program: *program,
                peers: peers
                    .iter()
                    .filter(|(_, ready, _)| on_port(ready))
                    .map(|(i, ready, hosts)| Peer {
                        ready,
                        definite: *hosts == Hosts::Within && ready.is_for(*program),
                        port: *port,
                        mirrors: &mirrors[*i],
                    })
                    .collect(),
                siblings: siblings
                    .iter()
                    .copied()
                    .filter(|ready| on_port(ready) && ready.is_for(*program))
                    .collect(),
                on_host: peers
                    .iter()
                    .filter(|(_, _, hosts)| *hosts == Hosts::Within)
                    .map(|(_, ready, _)| *ready)
                    .collect(),
            });
        }
    }
    cells
}
