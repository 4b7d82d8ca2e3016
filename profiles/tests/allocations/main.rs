//! An allowed decision asks for no memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod sys;

use nemoclaw_policy::decide::{Content, GraphqlOperation, Program, RpcCall};
use nemoclaw_policy::narrow::meet;
use nemoclaw_policy::policy::OperationKind;
use nemoclaw_policy::{Flow, HttpRequest, Policy, Source};

#[global_allocator]
static ALLOCATOR: sys::Counting = sys::Counting;

const POLICY: &str = "
version: 1
network_policies:
  bytes: { endpoints: [{ host: db.example.com, port: 5432 }] }
  many: { endpoints: [{ host: \"*.example.com\", ports: [80, 443], access: read-only }, { host: \"**.wide.example.org\", port: 443, access: read-write }] }
  api:
    endpoints:
      - { host: api.example.com, port: 443, rules: [{ allow: { method: GET, path: /v1/**, query: { page: \"*\" } } }, { allow: { method: POST, path: /v1/*/items } }], deny_rules: [{ method: \"*\", path: /v1/secret/** }] }
      - { host: api.example.com, port: 443, path: /graphql, protocol: graphql, rules: [{ allow: { operation_type: query, operation_name: \"Get*\", fields: [viewer, repo*] } }] }
      - { host: api.example.com, port: 443, path: /mcp/**, protocol: mcp, rules: [{ allow: { tool: { any: [search, list.*] } } }, { allow: { method: initialize } }] }
      - { host: ws.example.net, port: 443, protocol: websocket, access: full }
  git: { endpoints: [{ host: git.example.net, port: 443, access: read-only }], binaries: [{ path: /usr/bin/git* }] }
";

fn load(name: &str) -> Policy {
    Policy::load(&Source::text(name, POLICY)).unwrap()
}

/// Decide, and say how often memory was asked for.
fn cost(policy: &Policy, flow: &Flow<'_>) -> u64 {
    let before = sys::count();
    let verdict = policy.decide(flow);
    let cost = sys::count() - before;
    assert!(verdict.passes(), "{flow:?}: {verdict:?}");
    cost
}

#[test]
fn an_allowed_decision_asks_for_no_memory() {
    let operations = [GraphqlOperation::Document {
        kind: OperationKind::Query,
        name: Some("GetAll".into()),
        fields: vec!["viewer".into(), "repository".into()],
    }];
    let call = |method: &str, name: Option<&str>| RpcCall::Method {
        method: method.into(),
        name: name.map(str::to_owned),
    };
    let calls = [
        call("initialize", None),
        call("tools/call", Some("list.all")),
    ];
    let git = Program {
        exe: "/usr/bin/git-remote-http".into(),
        ..Program::default()
    };
    let get = |path: &'static str| HttpRequest::new("GET", path);
    let post = |path: &'static str, content| HttpRequest {
        content,
        ..HttpRequest::new("POST", path)
    };
    let flows = [
        Flow::to("db.example.com", 5432),
        Flow::to("shop.example.com", 80).with(get("/a/b/c")),
        Flow::to("a.b.c.wide.example.org", 443).with(post("/x", Content::Unread)),
        Flow::to("api.example.com", 443).with(HttpRequest {
            query: Some("page=1&size=20"),
            ..get("/v1/items")
        }),
        Flow::to("api.example.com", 443).with(post("/v1/shop/items", Content::Unread)),
        Flow::to("shop.example.com", 443).with(get("/a%20b/c%C3%A9")),
        Flow::to("api.example.com", 443).with(post("/graphql", Content::Graphql(&operations))),
        Flow::to("api.example.com", 443).with(post("/mcp", Content::Rpc(&calls))),
        Flow::to("ws.example.net", 443).with(HttpRequest {
            upgrade: true,
            ..get("/socket")
        }),
        Flow::to("git.example.net", 443)
            .of(Some(&git))
            .with(get("/repo.git/info/refs")),
    ];
    for policy in [
        load("/one.yaml"),
        meet(&load("/one.yaml"), &load("/two.yaml")),
    ] {
        for flow in &flows {
            assert_eq!(cost(&policy, flow), 0, "{flow:?}");
        }
    }
}

#[test]
fn the_counter_counts() {
    let before = sys::count();
    let boxed = std::hint::black_box(Box::new(1u64));
    assert_eq!((*boxed, sys::count() - before), (1, 1));
}
