//! What one endpoint lets pass, in parts that are compared one by one.

use super::side::{Cell, Ready};
use crate::automaton::Line;
use crate::decide::MCP_METHODS;
use crate::policy::{
    Enforcement, GraphqlMatcher, HttpMatcher, Matcher, Protocol, RpcMatcher, RuleRef, TOOLS_CALL,
    WEBSOCKET_TEXT,
};

/// A part of what an endpoint lets pass.
#[derive(Clone)]
pub(super) struct Atom<'a> {
    pub kind: Kind<'a>,
    /// What lets it pass, and where that stands.
    pub by: &'a RuleRef,
    /// How people call it.
    pub words: String,
    /// Each of these covers its path, in every reading.
    pub paths: Vec<&'a Line>,
}

/// What kind of flow.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    /// A connection before it says anything; asked about, or allowed.
    Connection(Rank),
    /// Any request, since none is looked at.
    Anything,
    /// Requests by method, path and query; any where there is no rule.
    Http(Option<&'a HttpMatcher>, Form),
    /// GraphQL operations, in requests or in a WebSocket's texts.
    Graphql(Option<&'a GraphqlMatcher>, Form),
    /// MCP messages or JSON-RPC calls.
    Rpc(Option<&'a RpcMatcher>),
    /// One of the methods that MCP defines.
    Known(&'static str),
    /// The requests that open and end an MCP stream.
    Stream,
    /// The texts that open a GraphQL stream and keep it going.
    TextStream,
    /// Every request, asked about or recorded.
    Fallback(Rank),
}

/// Which requests, beside method, path and query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Those that ask for no upgrade.
    Plain,
    /// Those, upgrades, and what goes through an upgraded connection.
    Unbounded,
    /// Upgrades to a WebSocket.
    Upgrade,
    /// Texts of a WebSocket.
    Text,
    /// Texts and other messages of a WebSocket.
    Frames,
}

/// How far a flow is let.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Ask,
    Record,
    Allow,
}

impl Rank {
    /// How far `enforcement` lets what is outside the rules, if at all.
    pub fn outside(enforcement: Enforcement) -> Option<Rank> {
        match enforcement {
            Enforcement::Enforce => None,
            Enforcement::Ask => Some(Rank::Ask),
            Enforcement::Audit => Some(Rank::Record),
        }
    }
}

/// The methods of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Methods<'a> {
    /// Any, those of WebSockets too.
    All,
    /// Those of WebSockets.
    Frames,
    /// Any of HTTP.
    Any,
    /// This one.
    One(&'a str),
    /// `GET` and `DELETE`.
    Stream,
}

impl<'a> Atom<'a> {
    pub fn methods(&self) -> Methods<'a> {
        match self.kind {
            Kind::Connection(_) | Kind::Anything | Kind::Fallback(_) => Methods::All,
            Kind::Http(_, Form::Text) | Kind::Graphql(_, Form::Text) | Kind::TextStream => {
                Methods::One(WEBSOCKET_TEXT)
            }
            Kind::Http(Some(rule), _) if rule.method != "*" => Methods::One(&rule.method),
            Kind::Http(_, Form::Unbounded) => Methods::All,
            Kind::Http(_, Form::Frames) => Methods::Frames,
            Kind::Http(..) | Kind::Graphql(..) => Methods::Any,
            Kind::Rpc(_) | Kind::Known(_) => Methods::One("POST"),
            Kind::Stream => Methods::Stream,
        }
    }
}

/// All parts of the cell's endpoint.
pub(super) fn atoms<'a>(cell: &Cell<'a, 'a>, any_path: &'a Line) -> Vec<Atom<'a>> {
    let own = cell.own;
    let endpoint = own.endpoint;
    let mut list = List {
        own,
        any_path,
        atoms: Vec::new(),
    };
    let asks = endpoint.enforcement == Enforcement::Ask && !own.looks();
    let rank = if asks { Rank::Ask } else { Rank::Allow };
    list.push(Kind::Connection(rank), "connections");
    // Beside an endpoint that looks at requests, one that does not lets none pass.
    if !own.looks() && cell.siblings.iter().any(|ready| ready.looks()) {
        return list.atoms;
    }
    match endpoint.protocol {
        Protocol::Tcp if endpoint.open => list.push(Kind::Anything, "any bytes"),
        Protocol::Tcp => {}
        Protocol::Rest => list.rest(),
        Protocol::Websocket => list.websocket(),
        Protocol::Graphql => list.graphql(Form::Plain),
        Protocol::Mcp | Protocol::JsonRpc => list.rpc(),
    }
    if let Some(rank) = Rank::outside(endpoint.enforcement).filter(|_| own.looks() || asks) {
        let words = match rank {
            Rank::Ask => "asking about every request",
            _ => "recording every request instead of refusing",
        };
        list.push(Kind::Fallback(rank), words);
    }
    list.atoms
}

struct List<'a> {
    own: &'a Ready<'a>,
    any_path: &'a Line,
    atoms: Vec<Atom<'a>>,
}

impl<'a> List<'a> {
    fn push(&mut self, kind: Kind<'a>, words: impl Into<String>) {
        let mut paths = vec![self.any_path];
        paths.extend(&self.own.tree);
        self.atoms.push(Atom {
            kind,
            by: &self.own.endpoint.at,
            words: words.into(),
            paths,
        });
    }

    /// One for each rule that `of` knows.
    fn push_rules(&mut self, of: impl Fn(&'a Matcher) -> Vec<Kind<'a>>) {
        for (rule, line) in self.own.endpoint.rules.iter().zip(&self.own.allows) {
            for kind in of(&rule.matcher) {
                self.push(kind, rule.matcher.to_string());
                let Some(last) = self.atoms.last_mut() else {
                    continue;
                };
                last.by = &rule.name;
                if let Kind::Http(..) = kind {
                    last.paths.push(line);
                }
            }
        }
    }

    fn rest(&mut self) {
        let form = match self.own.endpoint.is_unbounded() {
            true => Form::Unbounded,
            false => Form::Plain,
        };
        if self.own.endpoint.open {
            self.push(Kind::Http(None, form), "every request");
        }
        self.push_rules(|matcher| match matcher {
            Matcher::Http(rule) => vec![Kind::Http(Some(rule), form)],
            Matcher::Graphql(_) | Matcher::Rpc(_) => Vec::new(),
        });
    }

    fn websocket(&mut self) {
        let endpoint = self.own.endpoint;
        let graphql = endpoint.has_graphql();
        if endpoint.open {
            self.push(Kind::Http(None, Form::Upgrade), "every WebSocket");
        }
        if endpoint.open && !graphql {
            let words = "every message of a WebSocket";
            self.push(Kind::Http(None, Form::Frames), words);
        }
        if graphql {
            self.graphql(Form::Text);
            self.push(Kind::TextStream, "streams of GraphQL");
        }
        self.push_rules(|matcher| {
            let Matcher::Http(rule) = matcher else {
                return Vec::new();
            };
            let frames = match rule.method.as_str() {
                WEBSOCKET_TEXT => Some(Form::Text),
                "*" => Some(Form::Frames),
                _ => None,
            };
            let upgrade = (rule.method != WEBSOCKET_TEXT).then_some(Form::Upgrade);
            let forms = upgrade.into_iter().chain(frames.filter(|_| !graphql));
            forms.map(|form| Kind::Http(Some(rule), form)).collect()
        });
    }

    fn graphql(&mut self, form: Form) {
        if self.own.endpoint.open {
            self.push(Kind::Graphql(None, form), "every GraphQL operation");
        }
        self.push_rules(|matcher| match matcher {
            Matcher::Graphql(rule) => vec![Kind::Graphql(Some(rule), form)],
            Matcher::Http(_) | Matcher::Rpc(_) => Vec::new(),
        });
    }

    fn rpc(&mut self) {
        let endpoint = self.own.endpoint;
        let mcp = endpoint.protocol == Protocol::Mcp;
        if endpoint.open {
            self.push(Kind::Rpc(None), "every call");
        }
        self.push_rules(|matcher| match matcher {
            Matcher::Rpc(rule) => vec![Kind::Rpc(Some(rule))],
            Matcher::Http(_) | Matcher::Graphql(_) => Vec::new(),
        });
        if mcp && endpoint.mcp.all_known_methods {
            // Its own rules that name tools are all the calls of tools there are.
            let names_tools = endpoint
                .rules
                .iter()
                .any(|rule| matches!(&rule.matcher, Matcher::Rpc(rule) if !rule.tools.is_empty()));
            for method in MCP_METHODS.iter().copied().chain([crate::decide::ANSWER]) {
                if method != TOOLS_CALL || !names_tools {
                    self.push(Kind::Known(method), format!("the MCP method {method}"));
                }
            }
        }
        if mcp {
            self.push(Kind::Stream, "MCP streams");
        }
    }
}
