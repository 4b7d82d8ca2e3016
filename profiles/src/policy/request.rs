//! `access`, `rules` and `deny_rules`: which requests pass.

use super::endpoint::{Enforcement, Protocol};
use super::rule::{
    GraphqlMatcher, HttpMatcher, Matcher, OperationKind, QueryMatcher, RpcMatcher, RpcMethod, Rule,
    RuleRef, WEBSOCKET_TEXT,
};
use crate::glob::Glob;
use crate::segments::SegmentGlob;
use crate::source::Diagnostic;
use crate::yaml::{Fields, Value, View};

type Fault = Box<Diagnostic>;

/// Methods that a rule may name. A misspelt method in a deny rule would deny nothing, so others are refused.
pub(crate) const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "MKCALENDAR",
    "PURGE",
    "*",
];
/// Rules in one list.
const MAX_RULES: usize = 1024;
/// Parameters of one query matcher.
const MAX_PARAMETERS: usize = 64;

/// `access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
    Full,
}

impl Access {
    pub fn load(view: &View<'_>) -> Result<Access, Fault> {
        view.word(&[
            ("read-only", Access::ReadOnly),
            ("read-write", Access::ReadWrite),
            ("full", Access::Full),
        ])
    }

    /// The set as rules, all at the place of the word; none stands for everything.
    fn rules(self, key: &str, view: &View<'_>, protocol: Protocol) -> Result<Vec<Rule>, Fault> {
        if protocol == Protocol::Graphql {
            let kinds: &[OperationKind] = match self {
                Access::ReadOnly => &[OperationKind::Query],
                Access::ReadWrite => &[OperationKind::Query, OperationKind::Mutation],
                Access::Full => &[],
            };
            let rule = |kind: &OperationKind| {
                named(
                    key,
                    view,
                    Matcher::Graphql(GraphqlMatcher {
                        kind: *kind,
                        name: None,
                        fields: Vec::new(),
                    }),
                )
            };
            return Ok(kinds.iter().map(rule).collect());
        }
        let methods: &[&str] = match (self, protocol) {
            (Access::Full, _) => &[],
            (Access::ReadOnly, Protocol::Websocket) => &["GET"],
            (Access::ReadWrite, Protocol::Websocket) => &["GET", WEBSOCKET_TEXT],
            (Access::ReadOnly, _) => &["GET", "HEAD", "OPTIONS"],
            (Access::ReadWrite, _) => &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"],
        };
        let rule = |method: &&str| {
            let glob = Glob::new("**").map_err(|message| view.fault(message))?;
            Ok(named(
                key,
                view,
                Matcher::Http(HttpMatcher {
                    method: (*method).to_owned(),
                    path: "**".to_owned(),
                    query: Vec::new(),
                    glob,
                }),
            ))
        };
        methods.iter().map(rule).collect()
    }
}

/// What an endpoint allows and refuses.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Everything is allowed.
    pub open: bool,
    /// Allow rules.
    pub allow: Vec<Rule>,
    /// Deny rules.
    pub deny: Vec<Rule>,
}

/// The allow and deny rules, none with `protocol: tcp`.
pub(super) fn rules(
    key: &str,
    view: &View<'_>,
    keys: &Fields<'_>,
    protocol: Protocol,
    enforcement: Enforcement,
) -> Result<Rules, Fault> {
    let access = keys
        .get("access")
        .map(|view| Access::load(&view).map(|access| (view, access)))
        .transpose()?;
    if protocol == Protocol::Tcp {
        return no_requests(keys, access, enforcement);
    }
    let deny = keys
        .get("deny_rules")
        .map(|view| deny_rules(key, &view, protocol))
        .transpose()?
        .unwrap_or_default();
    let (open, allow) = match (access, keys.get("rules")) {
        (Some(_), Some(rules)) => {
            return Err(rules.fault("`rules` and `access` exclude each other"));
        }
        (Some((view, _)), None) if matches!(protocol, Protocol::Mcp | Protocol::JsonRpc) => {
            return Err(view
                .fault(format!(
                    "`access` has no meaning with `protocol: {}`",
                    protocol.word()
                ))
                .with_hint("list the methods under `rules`"));
        }
        (Some((view, access)), None) => {
            (access == Access::Full, access.rules(key, &view, protocol)?)
        }
        (None, Some(rules)) => (false, allow_rules(key, &rules, protocol)?),
        (None, None) if enforcement == Enforcement::Ask || all_known(keys)? => (false, Vec::new()),
        (None, None) => {
            return Err(view
                .fault("the endpoint allows no request: it has neither `access` nor `rules`")
                .with_hint(match protocol {
                    Protocol::Mcp | Protocol::JsonRpc => "add `rules`",
                    _ => "add `access: read-only`",
                }));
        }
    };
    Ok(Rules { open, allow, deny })
}

/// Whether `mcp.allow_all_known_mcp_methods` stands in for rules.
fn all_known(keys: &Fields<'_>) -> Result<bool, Fault> {
    let Some(mcp) = keys.get("mcp") else {
        return Ok(false);
    };
    mcp.child("allow_all_known_mcp_methods")
        .map_or(Ok(false), |view| view.boolean())
}

/// `protocol: tcp` looks at no request.
fn no_requests(
    keys: &Fields<'_>,
    access: Option<(View<'_>, Access)>,
    enforcement: Enforcement,
) -> Result<Rules, Fault> {
    let idle = ["rules", "deny_rules", "path"]
        .iter()
        .find_map(|key| keys.get(key));
    let idle = idle.or(access
        .filter(|(_, access)| *access != Access::Full)
        .map(|(view, _)| view));
    if let Some(idle) = idle {
        return Err(idle
            .fault(format!(
                "`{}` looks at requests, which `protocol: tcp` does not open",
                idle.name
            ))
            .with_hint("write `protocol: rest`"));
    }
    Ok(Rules {
        open: enforcement != Enforcement::Ask,
        ..Rules::default()
    })
}

/// `rules: [{allow: {…}}]`.
fn allow_rules(key: &str, view: &View<'_>, protocol: Protocol) -> Result<Vec<Rule>, Fault> {
    limited(view)?
        .iter()
        .map(|item| rule(key, &item.fields(&["allow"], &[])?.need("allow")?, protocol))
        .collect()
}

/// `deny_rules: [{…}]`.
fn deny_rules(key: &str, view: &View<'_>, protocol: Protocol) -> Result<Vec<Rule>, Fault> {
    limited(view)?
        .iter()
        .map(|item| rule(key, item, protocol))
        .collect()
}

fn limited<'a>(view: &View<'a>) -> Result<Vec<View<'a>>, Fault> {
    let items = view.some_list()?;
    if items.len() > MAX_RULES {
        return Err(view.fault(format!("`{}` has more than {MAX_RULES} rules", view.name)));
    }
    Ok(items)
}

fn rule(key: &str, view: &View<'_>, protocol: Protocol) -> Result<Rule, Fault> {
    let graphql = ["operation_type", "operation_name", "fields"];
    let matcher = match protocol {
        Protocol::Graphql => Matcher::Graphql(graphql_matcher(view)?),
        Protocol::Websocket if graphql.iter().any(|name| view.key(name).is_some()) => {
            Matcher::Graphql(graphql_matcher(view)?)
        }
        Protocol::Mcp => Matcher::Rpc(mcp_matcher(view)?),
        Protocol::JsonRpc => Matcher::Rpc(json_rpc_matcher(view)?),
        Protocol::Rest | Protocol::Websocket | Protocol::Tcp => {
            Matcher::Http(http_matcher(view, protocol)?)
        }
    };
    Ok(named(key, view, matcher))
}

/// The rule with its name in verdicts.
fn named(key: &str, view: &View<'_>, matcher: Matcher) -> Rule {
    let name = RuleRef {
        name: format!("{key} / {matcher}").into(),
        at: view.at(),
    };
    Rule { name, matcher }
}

fn http_matcher(view: &View<'_>, protocol: Protocol) -> Result<HttpMatcher, Fault> {
    let keys = view.fields(&["method", "path", "query"], &[])?;
    let method = keys.need("method")?;
    let text = method.text()?.to_ascii_uppercase();
    match (protocol, text.as_str()) {
        (Protocol::Websocket, "GET" | WEBSOCKET_TEXT | "*") => {}
        (Protocol::Websocket, _) => {
            return Err(method
                .fault(format!("`{}` is no method of a WebSocket", method.text()?))
                .with_hint(
                    "known values: GET (the upgrade), WEBSOCKET_TEXT (the client's texts), *",
                ));
        }
        (_, WEBSOCKET_TEXT) => {
            return Err(method
                .fault("`WEBSOCKET_TEXT` is about a WebSocket's texts, which this protocol does not look at")
                .with_hint("write `protocol: websocket`"));
        }
        (_, known) if METHODS.contains(&known) => {}
        _ => {
            let fault = method.fault(format!("unknown method `{}`", method.text()?));
            return Err(match crate::suggest::nearest(&text, METHODS) {
                Some(word) => fault.with_hint(format!("did you mean `{word}`?")),
                None => fault,
            });
        }
    }
    let path = keys.need("path")?;
    let glob = Glob::new(path.text()?).map_err(|message| path.fault(message))?;
    Ok(HttpMatcher {
        method: text,
        path: path.text()?.to_owned(),
        query: keys
            .get("query")
            .map_or(Ok(Vec::new()), |view| query(&view))?,
        glob,
    })
}

fn query(view: &View<'_>) -> Result<Vec<QueryMatcher>, Fault> {
    let pairs = view.entries()?;
    if pairs.is_empty() || pairs.len() > MAX_PARAMETERS {
        return Err(view.fault(format!("`query` names 1 to {MAX_PARAMETERS} parameters")));
    }
    pairs
        .into_iter()
        .map(|(key, view)| {
            Ok(QueryMatcher {
                name: key.text.clone(),
                any: one_or_any(&view)?,
            })
        })
        .collect()
}

/// A glob, or `{any: [globs]}`.
fn one_or_any(view: &View<'_>) -> Result<Vec<SegmentGlob>, Fault> {
    let glob =
        |view: &View<'_>| SegmentGlob::value(view.text()?).map_err(|message| view.fault(message));
    if let Value::Map(_) = view.node.value {
        let any = view.fields(&["any"], &[])?.need("any")?;
        return limited(&any)?.iter().map(glob).collect();
    }
    Ok(vec![glob(view)?])
}

fn graphql_matcher(view: &View<'_>) -> Result<GraphqlMatcher, Fault> {
    let keys = view.fields(&["operation_type", "operation_name", "fields"], &[])?;
    let kinds = OperationKind::ALL.map(|kind| (kind.word(), kind));
    let glob =
        |view: &View<'_>| SegmentGlob::value(view.text()?).map_err(|message| view.fault(message));
    Ok(GraphqlMatcher {
        kind: keys.need("operation_type")?.word(&kinds)?,
        name: keys
            .get("operation_name")
            .map(|view| glob(&view))
            .transpose()?,
        fields: match keys.get("fields") {
            Some(view) => limited(&view)?.iter().map(glob).collect::<Result<_, _>>()?,
            None => Vec::new(),
        },
    })
}

fn json_rpc_matcher(view: &View<'_>) -> Result<RpcMatcher, Fault> {
    let method = view.fields(&["method"], &[])?.need("method")?;
    let text = method.text()?;
    let method = match text {
        "*" => RpcMethod::Any,
        _ if text.is_empty() || text.contains(['*', '?', '[']) => {
            return Err(method.fault("a JSON-RPC method is an exact name, or `*` for all"));
        }
        _ => RpcMethod::Exact(text.to_owned()),
    };
    Ok(RpcMatcher {
        method,
        tools: Vec::new(),
    })
}

fn mcp_matcher(view: &View<'_>) -> Result<RpcMatcher, Fault> {
    let keys = view.fields(&["method", "tool", "params.name"], &[])?;
    let tool = match (keys.get("tool"), keys.get("params.name")) {
        (Some(_), Some(view)) => {
            return Err(view.fault("`tool` and `params.name` are one thing; write one of them"));
        }
        (tool, name) => tool.or(name),
    };
    let tools = tool.map_or(Ok(Vec::new()), |view| one_or_any(&view))?;
    let method = match keys.get("method") {
        Some(view) => mcp_method(&view)?,
        None if !tools.is_empty() => RpcMethod::Exact(TOOLS_CALL.to_owned()),
        None => return Err(view.fault("the rule names neither `method` nor `tool`")),
    };
    if !tools.is_empty() && method != RpcMethod::Exact(TOOLS_CALL.to_owned()) {
        return Err(view
            .fault("`tool` is about calls of tools, and `method` is not")
            .with_hint("write `method: tools/call`"));
    }
    Ok(RpcMatcher { method, tools })
}

/// The MCP method that names a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// The family in which a rule's method may be a glob.
const TOOLS: &str = "tools/";

fn mcp_method(view: &View<'_>) -> Result<RpcMethod, Fault> {
    let text = view.text()?;
    if !text.contains(['*', '?', '[']) && !text.is_empty() {
        return Ok(RpcMethod::Exact(text.to_owned()));
    }
    match text.strip_prefix(TOOLS) {
        Some(rest) => SegmentGlob::value(rest)
            .map(RpcMethod::Tools)
            .map_err(|message| view.fault(message)),
        None => Err(view
            .fault("an MCP method is an exact name; a glob may stand below `tools/` only")
            .with_hint("for all methods that MCP defines, set `mcp: { allow_all_known_mcp_methods: true }`")),
    }
}
