//! Entries, endpoints and rules.

use serde_json::{Value, json};

use super::{described, flag, list, map, object, port, some, text, whole, words};
use crate::policy::{METHODS, OperationKind, Protocol, WEBSOCKET_TEXT};

/// The longest body that may be looked into.
const MAX_BODY: u64 = 8 * 1024 * 1024;

/// `network_policies.<key>`.
pub(super) fn entry() -> Value {
    let program = object(
        "A program.",
        &[(
            "path",
            described(
                text(),
                "Absolute path or glob; `*` stays inside a component, `**` crosses them.",
            ),
        )],
        &["path"],
    );
    object(
        "Endpoints, and the programs they are for.",
        &[
            ("name", described(text(), "A title for people.")),
            ("endpoints", some(endpoint(), "Where to.")),
            (
                "binaries",
                some(
                    program,
                    "For these programs only, by executable, script or ancestor; omitted, for all.",
                ),
            ),
        ],
        &["endpoints"],
    )
}

fn endpoint() -> Value {
    let mut keys = target();
    keys.extend(rules());
    keys.extend(options());
    let mut schema = object(
        "One host, its ports, and what may be asked there.",
        &keys,
        &["host"],
    );
    schema["anyOf"] = json!([{ "required": ["port"] }, { "required": ["ports"] }]);
    schema["not"] = json!({ "required": ["access", "rules"] });
    schema
}

fn target() -> Vec<(&'static str, Value)> {
    vec![
        (
            "host",
            described(
                text(),
                "A name, an IPv4 address, or a pattern: `*` is one label or a part of the first, `**` as the first label is one or more.",
            ),
        ),
        ("port", port()),
        ("ports", some(port(), "Several ports; wins over `port`.")),
        (
            "protocol",
            described(
                words(&Protocol::ALL.map(Protocol::word)),
                "What is looked at. Omitted: `rest` where something about requests is said, else `tcp`.",
            ),
        ),
        (
            "tls",
            described(
                words(&["auto", "skip", "terminate", "passthrough"]),
                "`skip`: passed through unopened. `terminate` and `passthrough` are old words for `auto` and `skip`.",
            ),
        ),
        (
            "enforcement",
            described(
                words(&["enforce", "audit", "ask"]),
                "What becomes of requests that no rule allows: refused (where omitted), recorded, or asked about.",
            ),
        ),
        (
            "path",
            described(
                text(),
                "Among the endpoints of one host and port the most specific path decides; `/x/**` covers `/x` too.",
            ),
        ),
        (
            "allowed_ips",
            some(
                text(),
                "Addresses and CIDR ranges that the host must be within; private ones are reached by this only.",
            ),
        ),
        ("allow_encoded_slash", flag("A path may hold `%2F`.")),
    ]
}

fn rules() -> Vec<(&'static str, Value)> {
    let allow = object("An allowed request.", &[("allow", rule())], &["allow"]);
    vec![
        (
            "access",
            described(
                words(&["read-only", "read-write", "full"]),
                "`read-only`: GET, HEAD, OPTIONS. `read-write`: POST, PUT, PATCH too, not DELETE. Instead of `rules`.",
            ),
        ),
        ("rules", some(allow, "What is allowed.")),
        (
            "deny_rules",
            some(rule(), "What is refused, whatever else allows it."),
        ),
    ]
}

/// A rule of any protocol.
fn rule() -> Value {
    json!({ "anyOf": [http(), graphql(), mcp()] })
}

fn http() -> Value {
    let mut methods = METHODS.to_vec();
    methods.push(WEBSOCKET_TEXT);
    let lower: Vec<String> = methods
        .iter()
        .map(|word| word.to_ascii_lowercase())
        .collect();
    let all: Vec<&str> = methods
        .iter()
        .copied()
        .chain(lower.iter().map(String::as_str).filter(|word| *word != "*"))
        .collect();
    object(
        "Requests by method, path and query; texts of a WebSocket.",
        &[
            (
                "method",
                described(words(&all), "A method, `*`, or `WEBSOCKET_TEXT`."),
            ),
            ("path", described(text(), "A glob; `*` and `**` cross `/`.")),
            (
                "query",
                map(one_or_any(), "Parameters and what their values match."),
            ),
        ],
        &["method", "path"],
    )
}

fn graphql() -> Value {
    object(
        "GraphQL operations.",
        &[
            ("operation_type", kind()),
            (
                "operation_name",
                described(text(), "A glob on the operation's name."),
            ),
            (
                "fields",
                some(
                    text(),
                    "Globs on root fields: an allow rule wants all of them to match, a deny rule one.",
                ),
            ),
        ],
        &["operation_type"],
    )
}

fn kind() -> Value {
    described(
        words(&OperationKind::ALL.map(OperationKind::word)),
        "The kind of operation.",
    )
}

/// MCP messages and JSON-RPC calls.
fn mcp() -> Value {
    object(
        "MCP messages (by method and tool) or JSON-RPC calls (by method).",
        &[
            (
                "method",
                described(
                    text(),
                    "A method; `*` for all of JSON-RPC, `tools/*` in MCP.",
                ),
            ),
            ("tool", one_or_any()),
            ("params.name", one_or_any()),
        ],
        &[],
    )
}

/// A glob, or `{any: [globs]}`.
fn one_or_any() -> Value {
    let any = object(
        "Several globs, one of which must match.",
        &[("any", some(text(), "Globs."))],
        &["any"],
    );
    described(
        json!({ "anyOf": [text(), any] }),
        "A glob, or `any` of some.",
    )
}

fn options() -> Vec<(&'static str, Value)> {
    let body = || {
        whole(
            1,
            Some(MAX_BODY),
            "The longest body that is looked into, bytes.",
        )
    };
    vec![
        (
            "credential_binding",
            object(
                "Whose placeholders are resolved in requests here.",
                &[(
                    "provider",
                    described(text(), "One of the node's providers, or `*`."),
                )],
                &["provider"],
            ),
        ),
        ("request_body_credential_rewrite", flag("In bodies too.")),
        (
            "websocket_credential_rewrite",
            flag("In the client's WebSocket texts too."),
        ),
        (
            "allow_uninspected_credentials",
            flag("A provider's host may be passed through unopened, without its credential."),
        ),
        (
            "mcp",
            object(
                "What holds for MCP beside the rules.",
                &[
                    ("max_body_bytes", body()),
                    (
                        "strict_tool_names",
                        flag("Tool names match `^[A-Za-z0-9_.-]{1,128}$`. Omitted: true."),
                    ),
                    (
                        "allow_all_known_mcp_methods",
                        flag("The methods that MCP defines need no rule."),
                    ),
                ],
                &[],
            ),
        ),
        (
            "json_rpc",
            object(
                "What holds for JSON-RPC.",
                &[("max_body_bytes", body())],
                &[],
            ),
        ),
        ("graphql_max_body_bytes", body()),
        (
            "persisted_queries",
            described(
                words(&["deny", "allow_registered"]),
                "Requests that only name a stored document.",
            ),
        ),
        (
            "graphql_persisted_queries",
            map(registered(), "What stored documents do, by hash or id."),
        ),
    ]
}

fn registered() -> Value {
    object(
        "A stored document.",
        &[
            ("operation_type", kind()),
            ("operation_name", text()),
            ("fields", list(text(), "Its root fields.")),
        ],
        &["operation_type", "fields"],
    )
}
