//! MCP and JSON-RPC matchers.

use super::RpcCall;
use crate::index::Candidate;
use crate::policy::{Matcher, RpcMatcher, RpcMethod, TOOLS_CALL};

/// What MCP defines for a client to send (revisions 2025-03-26, 2025-06-18, 2025-11-25).
pub(crate) const MCP_METHODS: &[&str] = &[
    "initialize",
    "ping",
    "logging/setLevel",
    "tools/list",
    TOOLS_CALL,
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/cancel",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/tasks/status",
];
/// The longest strict tool name, in characters.
const MAX_TOOL: usize = 128;
/// The word by which a rule names answers to the server's requests.
pub(crate) const ANSWER: &str = "response";

/// Whether an allow rule matches. A call of a tool whose name is missing, or is not strict where it must be, matches
/// none.
pub(super) fn admits(rule: &RpcMatcher, call: &RpcCall, strict: bool) -> bool {
    let (method, name) = parts(call);
    covers_method(rule, method) && lawful(method, name, strict) && covers_tool(rule, name)
}

/// Whether a deny rule matches.
pub(super) fn hits(rule: &RpcMatcher, call: &RpcCall) -> bool {
    let (method, name) = parts(call);
    covers_method(rule, method) && covers_tool(rule, name)
}

/// Whether MCP defines the message; calls of tools only where no rule of the endpoints that decide names tools.
pub(super) fn known(call: &RpcCall, strict: bool, chosen: &[Candidate<'_>]) -> bool {
    let (method, name) = parts(call);
    let names_tools = || {
        chosen
            .iter()
            .flat_map(|(_, endpoint)| &endpoint.rules)
            .any(|rule| matches!(&rule.matcher, Matcher::Rpc(rule) if !rule.tools.is_empty()))
    };
    (method == ANSWER || MCP_METHODS.contains(&method))
        && lawful(method, name, strict)
        && (method != TOOLS_CALL || !names_tools())
}

fn parts(call: &RpcCall) -> (&str, Option<&str>) {
    match call {
        RpcCall::Method { method, name } => (method, name.as_deref()),
        RpcCall::Answer => (ANSWER, None),
    }
}

pub(crate) fn lawful(method: &str, name: Option<&str>, strict: bool) -> bool {
    if method != TOOLS_CALL || !strict {
        return true;
    }
    name.is_some_and(|name| {
        (1..=MAX_TOOL).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
    })
}

fn covers_method(rule: &RpcMatcher, method: &str) -> bool {
    match &rule.method {
        RpcMethod::Any => true,
        RpcMethod::Exact(own) => own == method,
        RpcMethod::Tools(glob) => method
            .strip_prefix("tools/")
            .is_some_and(|rest| glob.matches(rest)),
    }
}

fn covers_tool(rule: &RpcMatcher, name: Option<&str>) -> bool {
    rule.tools.is_empty()
        || name.is_some_and(|name| rule.tools.iter().any(|glob| glob.matches(name)))
}
