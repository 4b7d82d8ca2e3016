//! The policy language once more, straight from its description: no index, no compiled pattern, no thought of speed.
//! What the crate decides must be what this decides.

use nemoclaw_policy::Flow;
use nemoclaw_policy::decide::{Content, Grant, GraphqlOperation, Program, RpcCall};
use nemoclaw_policy::policy::{
    Binding, Endpoint, Enforcement, GraphqlMatcher, HttpMatcher, Matcher, Mode, NetworkEntry,
    NetworkLayer, OperationKind, PersistedQueries, Policy, Protocol, RpcMatcher, RpcMethod, Rule,
};

use super::patterns::{Part, any_segment, glob, host_matches, parts, segment, tree};

/// How far a flow is let.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    Deny,
    Ask,
    Record,
    Allow,
}

/// What is said of a flow.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub rank: Rank,
    pub grant: Grant,
}

impl Said {
    fn deny() -> Said {
        Said {
            rank: Rank::Deny,
            grant: Grant::default(),
        }
    }

    /// What both let.
    pub fn and(self, other: Said) -> Said {
        let rank = self.rank.min(other.rank);
        if rank == Rank::Deny {
            return Said::deny();
        }
        Said {
            rank,
            grant: Grant {
                provider: match (self.grant.provider, other.grant.provider) {
                    (Binding::Any, one) | (one, Binding::Any) => one,
                    (one, other) if one == other => one,
                    _ => Binding::Nobody,
                },
                body: self.grant.body && other.grant.body,
                websocket: self.grant.websocket && other.grant.websocket,
            },
        }
    }
}

/// One message of a request.
#[derive(Clone, Copy)]
enum Message<'a> {
    Whole,
    Unreadable,
    Stream,
    Graphql(&'a GraphqlOperation),
    Rpc(&'a RpcCall),
}

pub fn decide(policy: &Policy, flow: &Flow<'_>) -> Said {
    if policy.mode == Mode::Unconfined && policy.network.is_empty() {
        return Said {
            rank: Rank::Allow,
            grant: Grant::default(),
        };
    }
    if policy.mode == Mode::Offline || policy.network.is_empty() {
        return Said::deny();
    }
    policy
        .network
        .iter()
        .map(|layer| in_layer(layer, flow))
        .reduce(Said::and)
        .unwrap_or_else(Said::deny)
}

fn in_layer(layer: &NetworkLayer, flow: &Flow<'_>) -> Said {
    let mut found: Vec<&Endpoint> = Vec::new();
    for entry in &layer.entries {
        for endpoint in &entry.endpoints {
            if host_matches(endpoint.host.as_str(), flow.host)
                && endpoint.ports.contains(&flow.port)
                && is_for(entry, flow.program)
            {
                found.push(endpoint);
            }
        }
    }
    if found.is_empty() {
        return Said::deny();
    }
    let Some(http) = &flow.http else {
        let asks = |endpoint: &&&Endpoint| {
            endpoint.enforcement == Enforcement::Ask && endpoint.protocol == Protocol::Tcp
        };
        let all = found.iter().filter(asks).count() == found.len();
        return Said {
            rank: if all { Rank::Ask } else { Rank::Allow },
            grant: Grant::default(),
        };
    };
    let messages: Vec<Message<'_>> = match http.content {
        Content::Unread => vec![Message::Whole],
        Content::Nothing => vec![Message::Stream],
        Content::Unreadable => vec![Message::Unreadable],
        Content::Graphql([]) | Content::Rpc([]) => vec![Message::Unreadable],
        Content::Graphql(operations) => operations.iter().map(Message::Graphql).collect(),
        Content::Rpc(calls) => calls.iter().map(Message::Rpc).collect(),
    };
    messages
        .into_iter()
        .map(|message| one_message(&found, flow, message))
        .reduce(Said::and)
        .unwrap_or_else(Said::deny)
}

fn one_message(found: &[&Endpoint], flow: &Flow<'_>, message: Message<'_>) -> Said {
    let Some(http) = &flow.http else {
        return Said::deny();
    };
    let (lawful, suspect) = readings(http.path);
    let on = |endpoint: &Endpoint| {
        endpoint
            .path
            .as_ref()
            .is_none_or(|path| suspect.iter().any(|reading| tree(&path.text, reading)))
    };
    let mut recorded = false;
    for endpoint in found.iter().filter(|endpoint| on(endpoint)) {
        for rule in &endpoint.deny_rules {
            if !hits(endpoint, rule, flow, message, &suspect) {
                continue;
            }
            if endpoint.enforcement != Enforcement::Audit {
                return Said::deny();
            }
            recorded = true;
        }
    }
    let looks = found
        .iter()
        .any(|endpoint| endpoint.protocol != Protocol::Tcp);
    let asked: Vec<&&Endpoint> = found
        .iter()
        .filter(|endpoint| !looks || endpoint.protocol != Protocol::Tcp)
        .filter(|endpoint| on(endpoint))
        .collect();
    let best = asked.iter().map(|endpoint| weight(endpoint)).max();
    let asked: Vec<&&Endpoint> = asked
        .into_iter()
        .filter(|endpoint| Some(weight(endpoint)) == best)
        .collect();
    let admitting: Vec<&&&Endpoint> = asked
        .iter()
        .filter(|endpoint| admits(endpoint, flow, message, &lawful, &asked))
        .collect();
    if let Some(first) = admitting.first() {
        let giver = admitting
            .iter()
            .find(|endpoint| grant(endpoint) != Grant::default())
            .unwrap_or(first);
        return Said {
            rank: if recorded { Rank::Record } else { Rank::Allow },
            grant: grant(giver),
        };
    }
    for (enforcement, rank) in [
        (Enforcement::Audit, Rank::Record),
        (Enforcement::Ask, Rank::Ask),
    ] {
        // Of several the last one stands for them.
        if let Some(endpoint) = asked
            .iter()
            .rev()
            .find(|endpoint| endpoint.enforcement == enforcement)
        {
            return Said {
                rank,
                grant: grant(endpoint),
            };
        }
    }
    Said::deny()
}

fn grant(endpoint: &Endpoint) -> Grant {
    Grant {
        provider: endpoint.credentials.provider.clone(),
        body: endpoint.credentials.body,
        websocket: endpoint.credentials.websocket,
    }
}

/// How much an endpoint's `path` says.
fn weight(endpoint: &Endpoint) -> Option<(bool, usize)> {
    endpoint.path.as_ref().map(|path| {
        let parts = parts(&path.text);
        let plain = parts
            .iter()
            .filter(|part| matches!(part, Part::Byte(_)))
            .count();
        (plain == parts.len(), plain)
    })
}

fn admits(
    endpoint: &Endpoint,
    flow: &Flow<'_>,
    message: Message<'_>,
    lawful: &[Vec<u8>],
    asked: &[&&Endpoint],
) -> bool {
    let Some(http) = &flow.http else { return false };
    let everywhere = endpoint
        .path
        .as_ref()
        .is_none_or(|path| lawful.iter().all(|reading| tree(&path.text, reading)));
    let tcp = endpoint.protocol == Protocol::Tcp;
    if !everywhere || (!tcp && !endpoint.encoded_slash && foreign_slash(http.path)) {
        return false;
    }
    let text = http.method == "WEBSOCKET_TEXT";
    let frame = text || http.method == "WEBSOCKET_BINARY";
    let any_method =
        |rule: &Rule| matches!(&rule.matcher, Matcher::Http(rule) if rule.method == "*");
    let graphql = |rule: &Rule| matches!(rule.matcher, Matcher::Graphql(_));
    let looks_into_texts =
        endpoint.rules.iter().any(graphql) || endpoint.deny_rules.iter().any(graphql);
    let by_http = || {
        endpoint.rules.iter().any(|rule| match &rule.matcher {
            Matcher::Http(rule) => allows_http(rule, flow, lawful),
            _ => false,
        })
    };
    let by_graphql = |operation: &GraphqlOperation| {
        endpoint.rules.iter().any(|rule| match &rule.matcher {
            Matcher::Graphql(rule) => operation_matches(rule, &endpoint.persisted, operation, true),
            _ => false,
        })
    };
    match endpoint.protocol {
        Protocol::Tcp => endpoint.open,
        Protocol::Rest => {
            let tunnels = endpoint.open || endpoint.rules.iter().any(any_method);
            (!(frame || http.upgrade) || tunnels) && (endpoint.open || by_http())
        }
        Protocol::Websocket if frame && looks_into_texts => match message {
            Message::Graphql(operation) => text && (endpoint.open || by_graphql(operation)),
            Message::Stream => text,
            _ => false,
        },
        Protocol::Websocket => {
            let opens = http.upgrade && matches!(message, Message::Whole);
            (frame || opens) && (endpoint.open || by_http())
        }
        Protocol::Graphql => match message {
            Message::Graphql(operation) => {
                !frame && !http.upgrade && (endpoint.open || by_graphql(operation))
            }
            _ => false,
        },
        Protocol::Mcp | Protocol::JsonRpc => match message {
            Message::Rpc(call) => {
                !frame
                    && !http.upgrade
                    && http.method == "POST"
                    && (endpoint.open
                        || endpoint.rules.iter().any(|rule| match &rule.matcher {
                            Matcher::Rpc(rule) => {
                                call_matches(rule, call) && strict(endpoint, call)
                            }
                            _ => false,
                        })
                        || known(endpoint, call, asked))
            }
            Message::Stream => {
                endpoint.protocol == Protocol::Mcp
                    && !http.upgrade
                    && (http.method == "GET" || http.method == "DELETE")
            }
            _ => false,
        },
    }
}

fn hits(
    endpoint: &Endpoint,
    rule: &Rule,
    flow: &Flow<'_>,
    message: Message<'_>,
    suspect: &[Vec<u8>],
) -> bool {
    let Some(http) = &flow.http else { return false };
    match (&rule.matcher, message) {
        (Matcher::Http(rule), _) => {
            (rule.method == "*" || rule.method == http.method)
                && suspect.iter().any(|reading| glob(&rule.path, reading))
                && rule.query.iter().all(|wanted| {
                    pairs(http.query).iter().any(|(name, value)| {
                        *name == wanted.name && any_segment(&wanted.any, value, b'.')
                    })
                })
        }
        (Matcher::Graphql(rule), Message::Graphql(operation)) => {
            operation_matches(rule, &endpoint.persisted, operation, false)
        }
        (Matcher::Rpc(rule), Message::Rpc(call)) => call_matches(rule, call),
        _ => false,
    }
}

fn allows_http(rule: &HttpMatcher, flow: &Flow<'_>, lawful: &[Vec<u8>]) -> bool {
    let Some(http) = &flow.http else { return false };
    (rule.method == "*" || rule.method == http.method)
        && lawful.iter().all(|reading| glob(&rule.path, reading))
        && rule.query.iter().all(|wanted| {
            let values: Vec<String> = pairs(http.query)
                .into_iter()
                .filter(|(name, _)| *name == wanted.name)
                .map(|(_, value)| value)
                .collect();
            !values.is_empty()
                && values
                    .iter()
                    .all(|value| any_segment(&wanted.any, value, b'.'))
        })
}

/// The parameters of a query; the tests use plain characters only.
fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    query
        .unwrap_or_default()
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn operation_matches(
    rule: &GraphqlMatcher,
    persisted: &PersistedQueries,
    operation: &GraphqlOperation,
    all: bool,
) -> bool {
    let (kind, name, fields): (OperationKind, Option<&str>, &[String]) = match operation {
        GraphqlOperation::Document { kind, name, fields } => (*kind, name.as_deref(), fields),
        GraphqlOperation::Stored { id } => match persisted {
            PersistedQueries::Deny => return false,
            PersistedQueries::Registered(documents) => match documents.get(id) {
                None => return false,
                Some(one) => (one.kind, one.name.as_deref(), &one.fields),
            },
        },
    };
    let named = match &rule.name {
        None => true,
        Some(glob) => name.is_some_and(|name| segment(glob.as_str(), name, b'.')),
    };
    let listed = |field: &String| any_segment(&rule.fields, field, b'.');
    let fields = rule.fields.is_empty()
        || match all {
            true => fields.iter().all(listed),
            false => fields.iter().any(listed),
        };
    rule.kind == kind && named && fields
}

fn words(call: &RpcCall) -> (&str, Option<&str>) {
    match call {
        RpcCall::Method { method, name } => (method, name.as_deref()),
        RpcCall::Answer => ("response", None),
    }
}

fn call_matches(rule: &RpcMatcher, call: &RpcCall) -> bool {
    let (method, name) = words(call);
    let named = match &rule.method {
        RpcMethod::Any => true,
        RpcMethod::Exact(own) => own == method,
        RpcMethod::Tools(glob) => {
            method.len() >= 6
                && method.starts_with("tools/")
                && segment(glob.as_str(), &method[6..], b'.')
        }
    };
    named
        && (rule.tools.is_empty() || name.is_some_and(|name| any_segment(&rule.tools, name, b'.')))
}

fn strict(endpoint: &Endpoint, call: &RpcCall) -> bool {
    let (method, name) = words(call);
    if endpoint.protocol != Protocol::Mcp
        || !endpoint.mcp.strict_tool_names
        || method != "tools/call"
    {
        return true;
    }
    name.is_some_and(|name| {
        !name.is_empty()
            && name.len() <= 128
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
    })
}

fn known(endpoint: &Endpoint, call: &RpcCall, asked: &[&&Endpoint]) -> bool {
    let (method, _) = words(call);
    let family = [
        "initialize",
        "ping",
        "response",
        "logging/setLevel",
        "completion/complete",
    ]
    .contains(&method)
        || [
            "tools/",
            "resources/",
            "prompts/",
            "notifications/",
            "tasks/",
        ]
        .iter()
        .any(|family| {
            // The tests know no method of these families that MCP does not, but `tools/x`.
            method.starts_with(family) && method != "tools/x"
        });
    let names_tools = asked.iter().any(|endpoint| {
        endpoint
            .rules
            .iter()
            .any(|rule| matches!(&rule.matcher, Matcher::Rpc(rule) if !rule.tools.is_empty()))
    });
    endpoint.protocol == Protocol::Mcp
        && endpoint.mcp.all_known_methods
        && family
        && strict(endpoint, call)
        && !(method == "tools/call" && names_tools)
}

fn is_for(entry: &NetworkEntry, program: Option<&Program>) -> bool {
    let Some(program) = program else {
        return entry.binaries.is_empty();
    };
    let mut paths: Vec<&String> = vec![&program.exe];
    paths.extend(&program.scripts);
    paths.extend(&program.ancestors);
    entry.binaries.is_empty()
        || paths
            .iter()
            .any(|path| any_segment(&entry.binaries, path, b'/'))
}

/// What a path means to whoever allows (all must agree) and to whoever refuses (one is enough).
fn readings(path: &str) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let decode = |path: &str, slash: u8| -> Vec<u8> {
        let mut out = Vec::new();
        let bytes = path.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            if bytes[i] == b'%' {
                let value = u8::from_str_radix(&path[i + 1..i + 3], 16).expect("two digits");
                out.push(if value == b'/' { slash } else { value });
                i += 3;
            } else {
                out.push(bytes[i]);
                i += 1;
            }
        }
        out
    };
    let mut lawful = vec![decode(path, 0)];
    if path.contains("%2F") {
        lawful.push(decode(path, b'/'));
    }
    let mut suspect = lawful.clone();
    let text = String::from_utf8(decode(path, b'/')).expect("text");
    let mut bare = String::new();
    for segment in text.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        if !name.is_empty() {
            bare = format!("{bare}/{name}");
        }
    }
    if bare.is_empty() || text.ends_with('/') {
        bare.push('/');
    }
    suspect.push(bare.into_bytes());
    (lawful, suspect)
}

/// Whether a path holds an encoded slash that is not npm's.
fn foreign_slash(path: &str) -> bool {
    let plain = |word: &str| {
        !word.is_empty()
            && !word.starts_with('.')
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
    };
    let first = path[1..].split('/').next().unwrap_or_default();
    let npm = first
        .strip_prefix('@')
        .and_then(|rest| rest.split_once("%2F"))
        .is_some_and(|(scope, name)| plain(scope) && plain(name));
    match path.matches("%2F").count() {
        0 => false,
        1 => !npm,
        _ => true,
    }
}
