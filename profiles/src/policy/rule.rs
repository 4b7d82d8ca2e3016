//! Rules on requests as checked values.

use std::fmt;
use std::sync::Arc;

use crate::glob::Glob;
use crate::segments::SegmentGlob;
use crate::source::Location;

/// A rule's name for people and logs. Cheap to clone.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RuleRef {
    /// `entry key`, with ` / METHOD path` (or what the rule is about) where a request rule decided.
    pub name: Arc<str>,
    /// Where it stands.
    pub at: Location,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.at)
    }
}

/// One allow or deny rule of an endpoint. Equality is about what it matches.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name and place.
    pub name: RuleRef,
    /// What it matches.
    pub matcher: Matcher,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.matcher == other.matcher
    }
}

/// What a rule matches.
#[derive(Debug, Clone, PartialEq)]
pub enum Matcher {
    /// Requests and WebSocket texts.
    Http(HttpMatcher),
    /// GraphQL operations.
    Graphql(GraphqlMatcher),
    /// MCP messages and JSON-RPC calls.
    Rpc(RpcMatcher),
}

/// The method of a rule that is about the client's WebSocket texts.
pub const WEBSOCKET_TEXT: &str = "WEBSOCKET_TEXT";
/// The method as which the client's other WebSocket messages are decided. No rule can name it: `*` and
/// `access: full` cover it.
pub const WEBSOCKET_BINARY: &str = "WEBSOCKET_BINARY";

/// Requests by method, path and query.
#[derive(Debug, Clone)]
pub struct HttpMatcher {
    /// Upper case, `*`, or `WEBSOCKET_TEXT`.
    pub method: String,
    /// Glob on the path: `*` and `**` cross `/`; `?`; classes.
    pub path: String,
    /// Parameters of the query. An allow rule wants each of them, and every value of it to match; a deny rule wants
    /// each of them, and one value of it to match.
    pub query: Vec<QueryMatcher>,
    pub(crate) glob: Glob,
}

impl PartialEq for HttpMatcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.method, &self.path, &self.query) == (&other.method, &other.path, &other.query)
    }
}

/// One parameter of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryMatcher {
    /// The parameter's name, decoded.
    pub name: String,
    /// Globs on its decoded value; one of them must match. At least one.
    pub any: Vec<SegmentGlob>,
}

/// GraphQL operations by kind, name and root fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphqlMatcher {
    /// `operation_type`.
    pub kind: OperationKind,
    /// `operation_name`; `None` matches any, unnamed ones too.
    pub name: Option<SegmentGlob>,
    /// `fields`: an allow rule wants every root field to match one of them, a deny rule wants one field to match;
    /// empty matches any.
    pub fields: Vec<SegmentGlob>,
}

/// `operation_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperationKind {
    /// Reads.
    Query,
    /// Writes.
    Mutation,
    /// Streams.
    Subscription,
}

impl OperationKind {
    /// The word in a policy and in GraphQL.
    pub fn word(self) -> &'static str {
        match self {
            OperationKind::Query => "query",
            OperationKind::Mutation => "mutation",
            OperationKind::Subscription => "subscription",
        }
    }

    /// All of them.
    pub const ALL: [OperationKind; 3] = [
        OperationKind::Query,
        OperationKind::Mutation,
        OperationKind::Subscription,
    ];
}

/// MCP messages and JSON-RPC calls by method, and by tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcMatcher {
    /// `method`: exact, `*` (json-rpc only), or a glob below `tools/` (mcp only, held as its text).
    pub method: RpcMethod,
    /// `tool` or `params.name`: one of them must match the tool of a `tools/call`; empty matches any.
    pub tools: Vec<SegmentGlob>,
}

/// Which methods a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RpcMethod {
    /// Every one.
    Any,
    /// This one.
    Exact(String),
    /// Those of MCP's `tools/` family that the glob (on what follows `tools/`) covers.
    Tools(SegmentGlob),
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Http(http) => {
                write!(f, "{} {}", http.method, http.path)?;
                for (i, parameter) in http.query.iter().enumerate() {
                    let mark = if i == 0 { '?' } else { '&' };
                    write!(f, "{mark}{}={}", parameter.name, list(&parameter.any))?;
                }
                Ok(())
            }
            Matcher::Graphql(graphql) => {
                f.write_str(graphql.kind.word())?;
                if let Some(name) = &graphql.name {
                    write!(f, " {name}")?;
                }
                match graphql.fields.is_empty() {
                    true => Ok(()),
                    false => write!(f, " {{ {} }}", list(&graphql.fields)),
                }
            }
            Matcher::Rpc(rpc) => {
                match &rpc.method {
                    RpcMethod::Any => f.write_str("*")?,
                    RpcMethod::Exact(method) => f.write_str(method)?,
                    RpcMethod::Tools(glob) => write!(f, "tools/{glob}")?,
                }
                match rpc.tools.is_empty() {
                    true => Ok(()),
                    false => write!(f, " {}", list(&rpc.tools)),
                }
            }
        }
    }
}

/// Globs with bars between them.
fn list(globs: &[SegmentGlob]) -> String {
    let texts: Vec<&str> = globs.iter().map(SegmentGlob::as_str).collect();
    texts.join("|")
}
