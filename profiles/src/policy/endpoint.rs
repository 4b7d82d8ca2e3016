//! Rules for traffic as checked values: layers, entries, endpoints.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::rule::{OperationKind, Rule, RuleRef};
use crate::glob::Glob;
use crate::index::HostIndex;
use crate::segments::SegmentGlob;
use crate::source::Location;

/// One file's network rules. Any entry may admit a flow; a matching deny rule beats every allow.
#[derive(Debug, Clone, Default)]
pub struct NetworkLayer {
    /// The policy it came from.
    pub policy: String,
    /// Entries in file order, those of included presets after them.
    pub entries: Vec<NetworkEntry>,
    /// `resolve`: fixed addresses of names, before any resolver. They count as listed in `allowed_ips`.
    pub resolve: BTreeMap<String, Vec<IpAddr>>,
    /// Finds the endpoints of a host without walking all entries.
    pub(crate) index: HostIndex,
}

impl NetworkLayer {
    /// A layer with its index.
    pub fn new(
        policy: impl Into<String>,
        entries: Vec<NetworkEntry>,
        resolve: BTreeMap<String, Vec<IpAddr>>,
    ) -> NetworkLayer {
        let index = HostIndex::new(&entries);
        NetworkLayer {
            policy: policy.into(),
            entries,
            resolve,
            index,
        }
    }
}

impl PartialEq for NetworkLayer {
    fn eq(&self, other: &Self) -> bool {
        (&self.policy, &self.entries, &self.resolve)
            == (&other.policy, &other.entries, &other.resolve)
    }
}

/// `network_policies.<key>`.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkEntry {
    /// The key, shown in every verdict.
    pub key: Arc<str>,
    /// `name`: a title for people, where one is given.
    pub name: Option<String>,
    /// Its endpoints in file order.
    pub endpoints: Vec<Endpoint>,
    /// `binaries`: programs (executable, script or an ancestor) that it is for; empty means any.
    pub binaries: Vec<SegmentGlob>,
}

/// One endpoint of an entry.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host names it covers.
    pub host: HostPattern,
    /// Ports, at least one, ascending.
    pub ports: Vec<u16>,
    /// Protocol.
    pub protocol: Protocol,
    /// What TLS does.
    pub tls: Tls,
    /// What happens to what the rules do not allow.
    pub enforcement: Enforcement,
    /// Path glob that chooses among endpoints of one host and port; `/x/**` covers `/x` too.
    pub path: Option<PathChoice>,
    /// `access: full`, or no `protocol`: every request is allowed, whatever `rules` say (there are none then).
    pub open: bool,
    /// Allowed requests.
    pub rules: Vec<Rule>,
    /// Refused requests, before any allow.
    pub deny_rules: Vec<Rule>,
    /// `allowed_ips`: what the host's addresses must be within; private ones are reached by this list only.
    pub allowed_ips: Vec<IpNet>,
    /// `allow_encoded_slash`: a path may hold `%2F`.
    pub encoded_slash: bool,
    /// Whose credentials may be used here.
    pub credentials: Credentials,
    /// The longest body that is read to decide (graphql, mcp, json-rpc), in bytes; longer ones are refused.
    pub max_body: u32,
    /// What holds for MCP beside the rules.
    pub mcp: McpOptions,
    /// What happens to GraphQL requests that name a stored document instead of holding one.
    pub persisted: PersistedQueries,
    /// Its name in verdicts: the entry's key, and where it stands.
    pub at: RuleRef,
}

impl Endpoint {
    /// Where it stands.
    pub fn place(&self) -> &Location {
        &self.at.at
    }

    fn axes(&self) -> impl PartialEq + '_ {
        (
            (&self.host, &self.ports, self.protocol, self.tls),
            (self.enforcement, &self.path, self.open),
            (&self.rules, &self.deny_rules, &self.allowed_ips),
            (self.encoded_slash, &self.credentials, self.max_body),
            (&self.mcp, &self.persisted),
        )
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.axes() == other.axes()
    }
}

/// An endpoint's `path`, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct PathChoice {
    /// As written.
    pub text: String,
    pub(crate) glob: Glob,
}

/// A host pattern: exact (a name or an address), `*.x.y` (one label), `a.*.y`, or `**.x.y` (one label or more). Lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern(pub(crate) String);

/// `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Bytes: only host and port are looked at (SNI must still agree).
    Tcp,
    /// HTTP requests are looked at, TLS is opened.
    Rest,
    /// The upgrade request and each text message of the client are looked at.
    Websocket,
    /// GraphQL operations in request bodies are looked at.
    Graphql,
    /// MCP messages (streamable HTTP) are looked at.
    Mcp,
    /// JSON-RPC calls are looked at.
    JsonRpc,
}

impl Protocol {
    /// The word in a policy.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Rest => "rest",
            Protocol::Websocket => "websocket",
            Protocol::Graphql => "graphql",
            Protocol::Mcp => "mcp",
            Protocol::JsonRpc => "json-rpc",
        }
    }

    /// All of them.
    pub const ALL: [Protocol; 6] = [
        Protocol::Tcp,
        Protocol::Rest,
        Protocol::Websocket,
        Protocol::Graphql,
        Protocol::Mcp,
        Protocol::JsonRpc,
    ];
}

/// `tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Opened where a rule needs it.
    Auto,
    /// Never opened.
    Skip,
}

/// `enforcement`; omitted means `Enforce`. Ordered by what passes: the lesser lets less through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Enforcement {
    /// What is outside the rules is refused.
    Enforce,
    /// What is outside the rules waits until a person allows it.
    Ask,
    /// What is outside the rules passes and is recorded.
    Audit,
}

/// `credential_binding` and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// Whose placeholders are resolved in requests here.
    pub provider: Binding,
    /// `request_body_credential_rewrite`: in bodies too.
    pub body: bool,
    /// `websocket_credential_rewrite`: in the client's WebSocket texts too.
    pub websocket: bool,
    /// `allow_uninspected_credentials`: a provider's host may be passed through unopened, where no placeholder is resolved.
    pub uninspected: bool,
}

/// Whose credentials an endpoint may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Binding {
    /// Nobody's.
    #[default]
    Nobody,
    /// Those of one of the node's providers.
    Provider(Arc<str>),
    /// Whichever another layer names (`"*"`): for ceilings.
    Any,
}

impl Binding {
    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Binding) -> Binding {
        match (self, other) {
            (Binding::Any, other) => other.clone(),
            (own, Binding::Any) => own.clone(),
            (own, other) if own == other => own.clone(),
            _ => Binding::Nobody,
        }
    }
}

/// `mcp:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpOptions {
    /// `strict_tool_names`: tool names match `^[A-Za-z0-9_.-]{1,128}$`.
    pub strict_tool_names: bool,
    /// `allow_all_known_mcp_methods`: the methods that MCP itself defines need no rule; calls of tools still do where a
    /// rule names tools.
    pub all_known_methods: bool,
}

impl Default for McpOptions {
    fn default() -> Self {
        McpOptions {
            strict_tool_names: true,
            all_known_methods: false,
        }
    }
}

/// `persisted_queries` and `graphql_persisted_queries`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PersistedQueries {
    /// A request that only names a stored document is refused.
    #[default]
    Deny,
    /// It is decided as the operation that is registered under its hash or id, and refused when there is none.
    Registered(BTreeMap<String, Registered>),
}

/// What a stored GraphQL document is known to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its kind.
    pub kind: OperationKind,
    /// Its operation's name.
    pub name: Option<String>,
    /// Its root fields.
    pub fields: Vec<String>,
}
