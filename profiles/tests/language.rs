//! What the language's rules decide, protocol by protocol.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use nemoclaw_policy::decide::{
    AddressVerdict, Content, Grant, GraphqlOperation, Handling, Inspection, NameVerdict, Program,
    RpcCall,
};
use nemoclaw_policy::narrow::meet;
use nemoclaw_policy::policy::{Binding, OperationKind, WEBSOCKET_BINARY, WEBSOCKET_TEXT};
use nemoclaw_policy::{Flow, HttpRequest, Policy, Source, Verdict};

fn load(text: &str) -> Policy {
    let source = Source::text("/p.yaml", &format!("version: 1\n{text}"));
    Policy::load(&source).unwrap_or_else(|fault| panic!("{fault}"))
}

/// A policy with one endpoint on `a.b:443`.
fn endpoint(fields: &str) -> Policy {
    load(&format!(
        "network_policies:\n  e:\n    endpoints:\n      - {{ host: a.b, port: 443, {fields} }}\n"
    ))
}

fn fault(text: &str) -> String {
    let source = Source::text("/p.yaml", &format!("version: 1\n{text}"));
    Policy::load(&source).unwrap_err().one_line()
}

fn passes(policy: &Policy, http: HttpRequest<'_>) -> bool {
    policy.decide(&Flow::to("a.b", 443).with(http)).passes()
}

fn document(kind: OperationKind, name: Option<&str>, fields: &[&str]) -> GraphqlOperation {
    GraphqlOperation::Document {
        kind,
        name: name.map(str::to_owned),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
    }
}

fn graphql(policy: &Policy, operations: &[GraphqlOperation]) -> bool {
    let request = HttpRequest {
        content: Content::Graphql(operations),
        ..HttpRequest::new("POST", "/graphql")
    };
    passes(policy, request)
}

fn call(method: &str, name: Option<&str>) -> RpcCall {
    RpcCall::Method {
        method: method.to_owned(),
        name: name.map(str::to_owned),
    }
}

fn rpc(policy: &Policy, calls: &[RpcCall]) -> bool {
    let request = HttpRequest {
        content: Content::Rpc(calls),
        ..HttpRequest::new("POST", "/mcp")
    };
    passes(policy, request)
}

#[test]
fn a_query_matcher_wants_every_value_to_allow_and_one_to_deny() {
    let policy = endpoint(
        "rules: [{ allow: { method: GET, path: /d, query: { os: { any: [linux-*, darwin] } } } }]",
    );
    let get = |query: Option<&'static str>| {
        passes(
            &policy,
            HttpRequest {
                query,
                ..HttpRequest::new("GET", "/d")
            },
        )
    };
    assert!(get(Some("os=linux-x86")) && get(Some("x=1&os=darwin&os=linux-a")));
    assert!(get(Some("o%73=linux%2Dx86")), "decoded");
    assert!(!get(None) && !get(Some("")) && !get(Some("os=windows")));
    assert!(!get(Some("os=darwin&os=windows")), "one value is outside");
    let policy = endpoint(
        "access: full, protocol: rest, deny_rules: [{ method: GET, path: /d, query: { force: \"1\", all: \"*\" } }]",
    );
    let get = |query: &'static str| {
        passes(
            &policy,
            HttpRequest {
                query: Some(query),
                ..HttpRequest::new("GET", "/d")
            },
        )
    };
    assert!(!get("force=0&force=1&all=x"));
    assert!(get("force=1"), "a deny rule wants all its parameters");
}

#[test]
fn graphql_rules_look_at_kind_name_and_every_root_field() {
    let policy = endpoint(
        "protocol: graphql, rules: [{ allow: { operation_type: query } }, { allow: { operation_type: mutation, operation_name: \"Create*\", fields: [createIssue, addComment] } }], deny_rules: [{ operation_type: query, fields: [secret*] }]",
    );
    use OperationKind::{Mutation, Query, Subscription};
    assert!(graphql(&policy, &[document(Query, None, &["viewer"])]));
    assert!(!graphql(
        &policy,
        &[document(Query, None, &["viewer", "secrets"])]
    ));
    let create = |fields: &[&str]| document(Mutation, Some("CreateIt"), fields);
    assert!(graphql(&policy, &[create(&["createIssue", "addComment"])]));
    assert!(!graphql(&policy, &[create(&["createIssue", "deleteRepo"])]));
    assert!(!graphql(
        &policy,
        &[document(Mutation, None, &["createIssue"])]
    ));
    assert!(!graphql(&policy, &[document(Subscription, None, &["x"])]));
    assert!(
        !graphql(
            &policy,
            &[
                document(Query, None, &["viewer"]),
                document(Mutation, None, &["x"])
            ]
        ),
        "one denied operation denies the batch"
    );
    assert!(!graphql(&policy, &[]), "no operation is no permission");
    let stored = [GraphqlOperation::Stored { id: "abc".into() }];
    assert!(!graphql(&policy, &stored));
    for content in [Content::Unread, Content::Unreadable, Content::Nothing] {
        let request = HttpRequest {
            content,
            ..HttpRequest::new("POST", "/graphql")
        };
        assert!(!passes(&policy, request), "{content:?}");
    }
}

#[test]
fn a_stored_graphql_document_counts_as_what_is_registered_of_it() {
    let policy = endpoint(
        "protocol: graphql, access: read-only, persisted_queries: allow_registered, graphql_persisted_queries: { good: { operation_type: query, fields: [viewer] }, bad: { operation_type: mutation, fields: [drop] } }",
    );
    let stored = |id: &str| [GraphqlOperation::Stored { id: id.into() }];
    assert!(graphql(&policy, &stored("good")));
    assert!(!graphql(&policy, &stored("bad")) && !graphql(&policy, &stored("unknown")));
}

#[test]
fn mcp_rules_look_at_method_and_tool_of_every_message() {
    let policy = endpoint(
        "protocol: mcp, rules: [{ allow: { method: initialize } }, { allow: { method: tools/call, tool: { any: [search_web, list.*] } } }], deny_rules: [{ tool: list.secrets }]",
    );
    assert!(rpc(&policy, &[call("initialize", None)]));
    assert!(rpc(&policy, &[call("tools/call", Some("search_web"))]));
    assert!(rpc(&policy, &[call("tools/call", Some("list.issues"))]));
    assert!(!rpc(&policy, &[call("tools/call", Some("list.secrets"))]));
    assert!(!rpc(&policy, &[call("tools/call", Some("list.a.b"))]));
    assert!(!rpc(&policy, &[call("tools/call", Some("send"))]));
    assert!(!rpc(&policy, &[call("tools/call", None)]));
    assert!(!rpc(&policy, &[call("tools/list", None)]));
    assert!(!rpc(&policy, &[RpcCall::Answer]));
    assert!(
        !rpc(&policy, &[call("initialize", None), call("ping", None)]),
        "one denied message denies the batch"
    );
    let stream = |method| HttpRequest {
        content: Content::Nothing,
        ..HttpRequest::new(method, "/mcp")
    };
    assert!(passes(&policy, stream("GET")) && passes(&policy, stream("DELETE")));
    assert!(!passes(&policy, stream("PUT")));
}

#[test]
fn known_mcp_methods_pass_and_named_tools_still_bind() {
    let any = endpoint("protocol: mcp, mcp: { allow_all_known_mcp_methods: true }");
    assert!(rpc(
        &any,
        &[call("tools/list", None), call("tools/call", Some("x"))]
    ));
    assert!(rpc(&any, &[RpcCall::Answer]));
    assert!(!rpc(&any, &[call("vendor/steal", None)]));
    assert!(
        !rpc(&any, &[call("tools/call", Some("bad name"))]),
        "not a strict tool name"
    );
    let one = endpoint(
        "protocol: mcp, mcp: { allow_all_known_mcp_methods: true, strict_tool_names: false }, rules: [{ allow: { tool: \"good name\" } }]",
    );
    assert!(rpc(&one, &[call("tools/call", Some("good name"))]));
    assert!(!rpc(&one, &[call("tools/call", Some("other"))]));
}

#[test]
fn json_rpc_rules_are_exact() {
    let policy = endpoint(
        "protocol: json-rpc, rules: [{ allow: { method: \"*\" } }], deny_rules: [{ method: reports.delete }]",
    );
    assert!(rpc(&policy, &[call("reports.search", None)]));
    assert!(!rpc(
        &policy,
        &[call("reports.search", None), call("reports.delete", None)]
    ));
    assert!(fault("network_policies: { e: { endpoints: [{ host: a.b, port: 1, protocol: json-rpc, rules: [{ allow: { method: \"a*\" } }] }] } }\n").contains("exact name"));
}

#[test]
fn a_websocket_is_opened_by_its_own_rule_and_texts_have_another() {
    let policy = endpoint(
        "protocol: websocket, rules: [{ allow: { method: GET, path: /ws } }, { allow: { method: WEBSOCKET_TEXT, path: /ws } }]",
    );
    let upgrade = HttpRequest {
        upgrade: true,
        ..HttpRequest::new("GET", "/ws")
    };
    assert!(passes(&policy, upgrade));
    assert!(passes(&policy, HttpRequest::new(WEBSOCKET_TEXT, "/ws")));
    assert!(
        !passes(&policy, HttpRequest::new("GET", "/ws")),
        "no upgrade"
    );
    assert!(!passes(
        &policy,
        HttpRequest {
            upgrade: true,
            ..HttpRequest::new("GET", "/x")
        }
    ));
    let read = endpoint("protocol: websocket, access: read-only");
    assert!(passes(&read, upgrade) && !passes(&read, HttpRequest::new(WEBSOCKET_TEXT, "/ws")));
    let rest = endpoint("protocol: rest, access: read-only");
    assert!(!passes(&rest, upgrade), "a plain GET rule opens no tunnel");
    assert!(passes(&endpoint("protocol: rest, access: full"), upgrade));
}

#[test]
fn graphql_over_a_websocket_decides_each_operation() {
    let policy = endpoint(
        "protocol: websocket, rules: [{ allow: { method: GET, path: /ws } }, { allow: { operation_type: subscription, fields: [news] } }]",
    );
    let text = |operations| HttpRequest {
        content: Content::Graphql(operations),
        ..HttpRequest::new(WEBSOCKET_TEXT, "/ws")
    };
    let news = [document(OperationKind::Subscription, None, &["news"])];
    let other = [document(OperationKind::Mutation, None, &["news"])];
    assert!(passes(&policy, text(&news)) && !passes(&policy, text(&other)));
    assert!(!passes(&policy, HttpRequest::new(WEBSOCKET_TEXT, "/ws")));
    let flow = Flow::to("a.b", 443).with(HttpRequest::new(WEBSOCKET_TEXT, "/ws"));
    assert_eq!(policy.inspection(&flow).graphql, Some(65_536));
}

#[test]
fn messages_that_keep_a_graphql_websocket_going_need_no_rule_and_its_binary_messages_have_none() {
    let policy = endpoint(
        "protocol: websocket, rules: [{ allow: { method: GET, path: /ws } }, { allow: { operation_type: query } }]",
    );
    let message = |method, content| HttpRequest {
        content,
        ..HttpRequest::new(method, "/ws")
    };
    assert!(passes(&policy, message(WEBSOCKET_TEXT, Content::Nothing)));
    for content in [Content::Unread, Content::Unreadable] {
        assert!(!passes(&policy, message(WEBSOCKET_TEXT, content)));
    }
    let full =
        endpoint("protocol: websocket, access: full, deny_rules: [{ operation_type: mutation }]");
    for content in [Content::Unread, Content::Nothing] {
        assert!(
            !passes(&full, message(WEBSOCKET_BINARY, content)),
            "a server may read GraphQL out of it"
        );
    }
    let query = [document(OperationKind::Query, None, &["a"])];
    let mutation = [document(OperationKind::Mutation, None, &["a"])];
    assert!(passes(
        &full,
        message(WEBSOCKET_TEXT, Content::Graphql(&query))
    ));
    assert!(!passes(
        &full,
        message(WEBSOCKET_TEXT, Content::Graphql(&mutation))
    ));
}

#[test]
fn binary_messages_of_a_websocket_pass_where_everything_may() {
    let binary =
        |fields: &str| passes(&endpoint(fields), HttpRequest::new(WEBSOCKET_BINARY, "/ws"));
    assert!(binary("protocol: websocket, access: full"));
    assert!(binary(
        "protocol: websocket, rules: [{ allow: { method: \"*\", path: /ws } }]"
    ));
    assert!(binary("protocol: rest, access: full"));
    assert!(!binary("protocol: websocket, access: read-write"));
    assert!(!binary("protocol: rest, access: read-write"));
    assert!(!binary(
        "protocol: websocket, access: full, deny_rules: [{ method: \"*\", path: /ws }]"
    ));
}

#[test]
fn texts_pass_where_both_met_policies_let_them_pass() {
    let open = endpoint("protocol: rest, access: full");
    let graphql = endpoint(
        "protocol: websocket, rules: [{ allow: { method: GET, path: /ws } }, { allow: { operation_type: query } }]",
    );
    let plain = endpoint("protocol: websocket, access: read-write");
    let read = endpoint("protocol: websocket, access: read-only");
    let query = [document(OperationKind::Query, None, &["a"])];
    let text = HttpRequest {
        content: Content::Graphql(&query),
        ..HttpRequest::new(WEBSOCKET_TEXT, "/ws")
    };
    assert!(passes(&meet(&open, &graphql), text) && passes(&meet(&plain, &graphql), text));
    let going = HttpRequest {
        content: Content::Nothing,
        ..text
    };
    assert!(passes(&meet(&plain, &graphql), going));
    for content in [text.content, going.content, Content::Unread] {
        let text = HttpRequest { content, ..text };
        assert!(!passes(&meet(&read, &graphql), text) && !passes(&read, text));
    }
}

#[test]
fn a_request_without_a_body_is_a_stream_for_mcp_only() {
    let policy = load(
        "network_policies:\n  e:\n    endpoints:\n      - { host: a.b, port: 443, protocol: mcp, rules: [{ allow: { method: ping } }] }\n      - { host: a.b, port: 443, protocol: rest, rules: [{ allow: { method: GET, path: /x } }] }\n",
    );
    let empty = |method, path| HttpRequest {
        content: Content::Nothing,
        ..HttpRequest::new(method, path)
    };
    assert!(passes(&policy, empty("DELETE", "/mcp")));
    assert!(
        !passes(&policy, empty("PUT", "/x")),
        "the endpoint beside it allows GET alone"
    );
}

#[test]
fn the_request_for_a_websocket_is_not_read_as_the_protocol_beside_it() {
    let policy = load(
        "network_policies:\n  e:\n    endpoints:\n      - { host: a.b, port: 443, protocol: graphql, access: read-only }\n      - { host: a.b, port: 443, protocol: websocket, access: read-only }\n",
    );
    let upgrade = HttpRequest {
        upgrade: true,
        ..HttpRequest::new("GET", "/graphql")
    };
    assert!(
        !policy
            .inspection(&Flow::to("a.b", 443).with(upgrade))
            .is_needed()
    );
    assert!(passes(&policy, upgrade));
    let query = HttpRequest {
        upgrade: false,
        ..upgrade
    };
    assert!(
        policy
            .inspection(&Flow::to("a.b", 443).with(query))
            .is_needed()
    );
    assert!(!passes(&policy, query));
}

#[test]
fn an_entry_with_binaries_is_for_those_programs_only() {
    let policy = load(
        "network_policies:\n  e:\n    endpoints: [{ host: a.b, port: 443 }]\n    binaries: [{ path: /usr/bin/python3* }, { path: /opt/*/tool }]\n  all:\n    endpoints: [{ host: c.d, port: 443 }]\n",
    );
    let program = |exe: &str, scripts: &[&str], ancestors: &[&str]| Program {
        exe: exe.into(),
        scripts: scripts.iter().map(|path| (*path).into()).collect(),
        ancestors: ancestors.iter().map(|path| (*path).into()).collect(),
    };
    let decide = |program: Option<&Program>| policy.decide(&Flow::to("a.b", 443).of(program));
    assert!(decide(Some(&program("/usr/bin/python3.11", &[], &[]))).passes());
    assert!(decide(Some(&program("/usr/bin/node", &["/opt/x/tool"], &[]))).passes());
    assert!(decide(Some(&program("/bin/sh", &[], &["/usr/bin/python3"]))).passes());
    assert!(!decide(Some(&program("/usr/bin/curl", &[], &[]))).passes());
    let Verdict::Deny { reason, .. } = decide(None) else {
        panic!("an unknown program passed")
    };
    assert!(
        reason.contains("for /usr/bin/python3*, /opt/*/tool only"),
        "{reason}"
    );
    assert!(policy.needs_program("a.b", 443) && !policy.needs_program("c.d", 443));
    assert_eq!(policy.handling(&Flow::to("a.b", 443)), Handling::Refuse);
    assert_eq!(policy.name_verdict("a.b"), NameVerdict::Exact);
    assert!(
        fault("network_policies: { e: { endpoints: [{ host: a.b, port: 1 }], binaries: [] } }\n")
            .contains("empty list")
    );
}

#[test]
fn an_address_is_dialled_as_every_layer_lists_it() {
    let listed = endpoint("allowed_ips: [10.20.0.0/16]");
    let open = endpoint("access: full");
    let ask =
        |policy: &Policy, text: &str| policy.address_verdict("a.b", 443, text.parse().unwrap());
    assert_eq!(ask(&listed, "10.20.3.4"), AddressVerdict::Listed);
    assert_eq!(ask(&listed, "192.0.2.1"), AddressVerdict::Refused);
    assert_eq!(ask(&open, "10.20.3.4"), AddressVerdict::Public);
    assert_eq!(
        ask(&meet(&listed, &open), "10.20.3.4"),
        AddressVerdict::Public
    );
    let fixed = load(
        "resolve: { a.b: 172.18.0.2 }\nnetwork_policies: { e: { endpoints: [{ host: a.b, port: 443 }] } }\n",
    );
    assert_eq!(ask(&fixed, "172.18.0.2"), AddressVerdict::Listed);
    assert_eq!(fixed.fixed_addresses("a.b").unwrap().len(), 1);
    for net in [
        "127.0.0.1",
        "169.254.169.254",
        "0.0.0.0/0",
        "::1",
        "fe80::/64",
        "198.18.0.1",
        "10.0.0.1/8",
    ] {
        let text = format!(
            "network_policies: {{ e: {{ endpoints: [{{ host: a.b, port: 1, allowed_ips: [\"{net}\"] }}] }} }}\n"
        );
        assert!(
            fault(&text).contains(net.split('/').next().unwrap()),
            "{net}"
        );
    }
}

#[test]
fn credentials_need_every_layers_word() {
    let bound = endpoint(
        "access: read-only, credential_binding: { provider: github }, request_body_credential_rewrite: true",
    );
    let other = endpoint("access: read-only, credential_binding: { provider: gitlab }");
    let any = endpoint("access: read-only, credential_binding: { provider: \"*\" }");
    let plain = endpoint("access: read-only");
    let grant = |policy: &Policy| match policy
        .decide(&Flow::to("a.b", 443).with(HttpRequest::new("GET", "/")))
    {
        Verdict::Allow { grant, .. } => grant,
        verdict => panic!("{verdict:?}"),
    };
    assert_eq!(grant(&plain), Grant::default());
    assert_eq!(grant(&bound).provider, Binding::Provider("github".into()));
    assert!(grant(&bound).body && !grant(&meet(&bound, &any)).body);
    assert_eq!(
        grant(&meet(&bound, &any)).provider,
        Binding::Provider("github".into())
    );
    for narrower in [&other, &plain] {
        assert_eq!(grant(&meet(&bound, narrower)).provider, Binding::Nobody);
    }
}

#[test]
fn what_an_asking_endpoint_does_not_allow_waits_and_what_it_denies_does_not() {
    let policy = endpoint(
        "enforcement: ask, rules: [{ allow: { method: GET, path: /free } }], deny_rules: [{ method: \"*\", path: /never }]",
    );
    let ask = |path| policy.decide(&Flow::to("a.b", 443).with(HttpRequest::new("GET", path)));
    assert!(ask("/free").passes());
    assert!(matches!(ask("/other"), Verdict::Ask { .. }));
    assert!(matches!(ask("/never"), Verdict::Deny { .. }));
    let strict = endpoint("rules: [{ allow: { method: GET, path: /free } }]");
    let met = meet(&policy, &strict);
    let verdict = met.decide(&Flow::to("a.b", 443).with(HttpRequest::new("GET", "/other")));
    assert!(
        matches!(verdict, Verdict::Deny { .. }),
        "refused beats asked"
    );
}

#[test]
fn an_encoded_slash_passes_where_it_is_allowed_and_in_both_readings() {
    let policy = endpoint(
        "protocol: rest, allow_encoded_slash: true, rules: [{ allow: { method: GET, path: /p/** } }], deny_rules: [{ method: \"*\", path: /p/secret/** }]",
    );
    let get = |path| passes(&policy, HttpRequest::new("GET", path));
    assert!(get("/p/a%2Fb") && !get("/p/secret%2Fx"));
    assert!(policy.encoded_slash("a.b", 443));
    let plain = endpoint("access: read-only");
    assert!(!plain.encoded_slash("a.b", 443));
    assert!(!passes(&plain, HttpRequest::new("GET", "/p/a%2Fb")));
    assert!(passes(&plain, HttpRequest::new("GET", "/@scope%2Fname")));
}

#[test]
fn an_endpoint_that_looks_at_no_request_adds_none_beside_one_that_does() {
    let policy = load(
        "network_policies:\n  all: { endpoints: [{ host: a.b, port: 443 }] }\n  read: { endpoints: [{ host: a.b, port: 443, access: read-only }] }\n",
    );
    assert!(passes(&policy, HttpRequest::new("GET", "/")));
    assert!(!passes(&policy, HttpRequest::new("POST", "/")));
}

#[test]
fn an_included_preset_is_as_if_it_stood_there() {
    let policy = load("include: [github, npm]\n");
    let keys: Vec<&str> = policy.network[0]
        .entries
        .iter()
        .map(|entry| &*entry.key)
        .collect();
    assert_eq!(keys, ["github", "npm"]);
    assert!(fault("include: [githup]\n").contains("did you mean `github`?"));
    assert!(fault("include: [npm, npm]\n").contains("included twice"));
    assert!(
        fault(
            "include: [npm]\nnetwork_policies: { npm: { endpoints: [{ host: a.b, port: 1 }] } }\n"
        )
        .contains("stands in this policy already")
    );
}

#[test]
fn sizes_counts_and_ports_are_read_and_met() {
    let a = load(
        "resources: { memory: 512Mi, cpu: 1.5, pids: 64, nofile: 1024, disk: { /sandbox: 1G, /tmp: 64Mi } }\nbudgets: { requests: 100, bytes_out: 10M }\nports: [80, 8080]\n",
    );
    let b = load(
        "resources: { memory: 1Gi, cpu: \"500m\" }\nbudgets: { requests: 7, connections: 3 }\nports: [8080, 9000]\n",
    );
    let met = meet(&a, &b);
    assert_eq!(met.resources.memory, Some(512 << 20));
    assert_eq!(met.resources.cpu_milli, Some(500));
    assert_eq!(met.resources.disk.sandbox, Some(1_000_000_000));
    assert_eq!(
        (met.budgets.requests, met.budgets.connections),
        (Some(7), Some(3))
    );
    assert_eq!(met.budgets.bytes_out, Some(10_000_000));
    assert_eq!(met.ports, Some(vec![8080]));
    for (text, words) in [
        ("resources: { memory: 1 }\n", "at least"),
        ("resources: { memory: lots }\n", "is no size"),
        ("resources: { cpu: 0 }\n", "number of CPUs"),
        ("resources: { disk: { /etc: 1G } }\n", "unknown key"),
        ("budgets: { requests: -1 }\n", "must be from 0"),
        ("ports: [0]\n", "must be from 1"),
        (
            "box: { mode: offline }\nbudgets: { requests: 1 }\n",
            "means nothing",
        ),
    ] {
        assert!(fault(text).contains(words), "{text}: {}", fault(text));
    }
}

#[test]
fn bodies_are_read_only_where_a_rule_looks_into_them() {
    let policy = load(
        "network_policies:\n  api: { endpoints: [{ host: a.b, port: 443, path: /graphql, protocol: graphql, access: full, graphql_max_body_bytes: 1000 }, { host: a.b, port: 443, path: /mcp, protocol: mcp, mcp: { allow_all_known_mcp_methods: true } }, { host: a.b, port: 443, access: read-only }] }\n",
    );
    let of = |path| policy.inspection(&Flow::to("a.b", 443).with(HttpRequest::new("POST", path)));
    assert_eq!(
        of("/graphql"),
        Inspection {
            graphql: Some(1000),
            rpc: None
        }
    );
    assert_eq!(
        of("/mcp"),
        Inspection {
            graphql: None,
            rpc: Some(65_536)
        }
    );
    assert!(!of("/x").is_needed());
}
