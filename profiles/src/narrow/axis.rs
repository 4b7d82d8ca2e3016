//! What two policies can differ in, and one thing that is asked for and not given.

use std::fmt;

use crate::source::Location;

/// One thing that a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Axis {
    /// `box.mode`.
    Mode,
    /// `filesystem_policy.read_only` and `read_write`: the level at each path.
    Filesystem,
    /// `filesystem_policy.include_workdir`.
    Workdir,
    /// `landlock.compatibility`.
    LandlockCompatibility,
    /// `landlock.minimum_abi`.
    LandlockAbi,
    /// `process.run_as_user`.
    User,
    /// `process.run_as_group`.
    Group,
    /// `box.capabilities`.
    Capabilities,
    /// `devices`: what the box gets.
    DevicesGiven,
    /// `devices`: what it may have at most.
    DevicesAllowed,
    /// `resources.memory`.
    Memory,
    /// `resources.cpu`.
    Cpu,
    /// `resources.pids`.
    Pids,
    /// `resources.nofile`.
    OpenFiles,
    /// `resources.disk./sandbox`.
    DiskSandbox,
    /// `resources.disk./tmp`.
    DiskTmp,
    /// `budgets.requests`.
    Requests,
    /// `budgets.bytes_out`.
    BytesOut,
    /// `budgets.connections`.
    Connections,
    /// `budgets.wildcard_names`.
    WildcardNames,
    /// `ports`: what may be reached from outside.
    Inbound,
    /// `inference` and `inference.routes`: models that may be asked.
    Models,
    /// `inference.hosts`: names that the router answers itself, so that nothing passes to them beside its rules.
    ModelHosts,
    /// `inference.providers`.
    ModelProviders,
    /// `inference.residency`.
    Residency,
    /// `inference.budgets.tokens`.
    ModelTokens,
    /// `inference.budgets.requests`.
    ModelRequests,
    /// `inference.budgets.cost`.
    ModelCost,
    /// `privacy`: what models may see.
    Privacy,
    /// Hosts of endpoints.
    Hosts,
    /// Ports of endpoints.
    Ports,
    /// `binaries`.
    Programs,
    /// `protocol`: what is looked at.
    Protocol,
    /// `tls`.
    Tls,
    /// `enforcement`.
    Enforcement,
    /// `path` of endpoints: which of them decides.
    PathChoice,
    /// Methods of rules, and `access`.
    Methods,
    /// Paths of rules.
    Paths,
    /// `query` of rules.
    Query,
    /// GraphQL rules.
    Graphql,
    /// Rules of MCP and JSON-RPC.
    Rpc,
    /// `deny_rules`.
    DenyRules,
    /// `allow_encoded_slash`.
    EncodedSlash,
    /// `allowed_ips`.
    AllowedIps,
    /// `resolve`.
    Resolve,
    /// `credential_binding`.
    Provider,
    /// `request_body_credential_rewrite`.
    CredentialsInBodies,
    /// `websocket_credential_rewrite`.
    CredentialsInWebsockets,
    /// `allow_uninspected_credentials`.
    CredentialsUninspected,
    /// `graphql_max_body_bytes`, `mcp.max_body_bytes`, `json_rpc.max_body_bytes`.
    MaxBody,
    /// `mcp.strict_tool_names` and `mcp.allow_all_known_mcp_methods`.
    Mcp,
    /// `persisted_queries` and `graphql_persisted_queries`.
    PersistedQueries,
}

impl Axis {
    /// All of them, in the order of a policy's text.
    pub const ALL: [Axis; 52] = [
        Axis::Mode,
        Axis::Filesystem,
        Axis::Workdir,
        Axis::LandlockCompatibility,
        Axis::LandlockAbi,
        Axis::User,
        Axis::Group,
        Axis::Capabilities,
        Axis::DevicesGiven,
        Axis::DevicesAllowed,
        Axis::Memory,
        Axis::Cpu,
        Axis::Pids,
        Axis::OpenFiles,
        Axis::DiskSandbox,
        Axis::DiskTmp,
        Axis::Requests,
        Axis::BytesOut,
        Axis::Connections,
        Axis::WildcardNames,
        Axis::Inbound,
        Axis::Models,
        Axis::ModelHosts,
        Axis::ModelProviders,
        Axis::Residency,
        Axis::ModelTokens,
        Axis::ModelRequests,
        Axis::ModelCost,
        Axis::Privacy,
        Axis::Hosts,
        Axis::Ports,
        Axis::Programs,
        Axis::Protocol,
        Axis::Tls,
        Axis::Enforcement,
        Axis::PathChoice,
        Axis::Methods,
        Axis::Paths,
        Axis::Query,
        Axis::Graphql,
        Axis::Rpc,
        Axis::DenyRules,
        Axis::EncodedSlash,
        Axis::AllowedIps,
        Axis::Resolve,
        Axis::Provider,
        Axis::CredentialsInBodies,
        Axis::CredentialsInWebsockets,
        Axis::CredentialsUninspected,
        Axis::MaxBody,
        Axis::Mcp,
        Axis::PersistedQueries,
    ];

    /// The key in a policy.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Axis::Mode => "box.mode",
            Axis::Filesystem => "filesystem_policy",
            Axis::Workdir => "filesystem_policy.include_workdir",
            Axis::LandlockCompatibility => "landlock.compatibility",
            Axis::LandlockAbi => "landlock.minimum_abi",
            Axis::User => "process.run_as_user",
            Axis::Group => "process.run_as_group",
            Axis::Capabilities => "box.capabilities",
            Axis::DevicesGiven => "devices (given)",
            Axis::DevicesAllowed => "devices (allowed)",
            Axis::Memory => "resources.memory",
            Axis::Cpu => "resources.cpu",
            Axis::Pids => "resources.pids",
            Axis::OpenFiles => "resources.nofile",
            Axis::DiskSandbox => "resources.disk./sandbox",
            Axis::DiskTmp => "resources.disk./tmp",
            Axis::Requests => "budgets.requests",
            Axis::BytesOut => "budgets.bytes_out",
            Axis::Connections => "budgets.connections",
            Axis::WildcardNames => "budgets.wildcard_names",
            Axis::Inbound => "ports",
            Axis::Models => "inference.routes",
            Axis::ModelHosts => "inference.hosts",
            Axis::ModelProviders => "inference.providers",
            Axis::Residency => "inference.residency",
            Axis::ModelTokens => "inference.budgets.tokens",
            Axis::ModelRequests => "inference.budgets.requests",
            Axis::ModelCost => "inference.budgets.cost",
            Axis::Privacy => "privacy",
            _ => self.endpoint_key(),
        }
    }

    fn endpoint_key(self) -> &'static str {
        match self {
            Axis::Ports => "endpoint ports",
            Axis::Programs => "binaries",
            Axis::Protocol => "protocol",
            Axis::Tls => "tls",
            Axis::Enforcement => "enforcement",
            Axis::PathChoice => "endpoint path",
            Axis::Methods => "methods",
            Axis::Paths => "paths",
            Axis::Query => "query",
            Axis::Graphql => "graphql",
            Axis::Rpc => "mcp and json-rpc rules",
            Axis::DenyRules => "deny_rules",
            Axis::EncodedSlash => "allow_encoded_slash",
            Axis::AllowedIps => "allowed_ips",
            Axis::Resolve => "resolve",
            Axis::Provider => "credential_binding",
            Axis::CredentialsInBodies => "request_body_credential_rewrite",
            Axis::CredentialsInWebsockets => "websocket_credential_rewrite",
            Axis::CredentialsUninspected => "allow_uninspected_credentials",
            Axis::MaxBody => "max_body_bytes",
            Axis::Mcp => "mcp",
            Axis::PersistedQueries => "persisted_queries",
            _ => "hosts",
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// One thing that a policy asks for and another does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widening {
    /// In what.
    pub axis: Axis,
    /// What is asked for.
    pub asked: String,
    /// What the other one gives instead.
    pub has: String,
    /// The line that asks for it.
    pub place: Location,
}

impl fmt::Display for Widening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}: asks for {}, but the other has {}",
            self.place, self.axis, self.asked, self.has
        )
    }
}
