//! GraphQL, MCP, JSON-RPC and gRPC through the router. Each attack is first shown to work on an upstream that reads as the
//! most careless servers do, by a host whose requests nobody looks into.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use bytes::Bytes;
use common::{Answer, Rig, Sandbox, able, client};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

const HOSTS: &[&str] = &["api.test", "open.test"];

const POLICY: &str = "version: 1
network_policies:
  api:
    endpoints:
      - host: api.test
        port: 443
        path: /graphql
        protocol: graphql
        rules:
          - allow: { operation_type: query }
          - allow: { operation_type: mutation, fields: [addComment] }
        deny_rules:
          - { operation_type: query, fields: [secret*] }
      - host: api.test
        port: 443
        path: /mcp
        protocol: mcp
        mcp: { max_body_bytes: 2000 }
        rules:
          - allow: { method: initialize }
          - allow: { tool: search }
      - host: api.test
        port: 443
        path: /rpc
        protocol: json-rpc
        rules: [{ allow: { method: reports.search } }]
      - host: api.test
        port: 443
        path: /echo.Echo/**
        protocol: rest
        rules: [{ allow: { method: POST, path: /echo.Echo/Stream } }]
  open:
    endpoints:
      - { host: open.test, port: 443, protocol: rest, access: full }
";

fn rig() -> Option<(Rig, Sandbox)> {
    if !able() {
        return None;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    Some((rig, sandbox))
}

/// A POST of `body` as JSON to `path` on `host`.
fn post(sandbox: &Sandbox, host: &str, path: &str, body: &str) -> Answer {
    let kind = "content-type: application/json";
    sandbox.curl(
        host,
        &[
            "-H",
            kind,
            "--data-binary",
            body,
            &format!("https://{host}{path}"),
        ],
    )
}

/// What the upstream ran, joined.
fn ran(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["ran"].to_string()
}

/// The attack works where nobody looks, and not where rules do.
fn refused(rig: &Rig, sandbox: &Sandbox, path: &str, body: &str, gain: &str) -> Answer {
    let open = post(sandbox, "open.test", path, body);
    assert!(
        ran(&open).contains(gain),
        "{body:.80}: no attack at all: {open:?}"
    );
    let denials = || {
        let events = rig.audit("a");
        events
            .iter()
            .filter(|event| event.host == "api.test" && event.verdict == "deny")
            .count()
    };
    let before = denials();
    let answer = post(sandbox, "api.test", path, body);
    assert_eq!(answer.status, 403, "{body:.80}: {answer:?}");
    assert!(!answer.body.contains("\"ran\""), "{answer:?}");
    rig.wait_until("the refusal is recorded", || denials() > before);
    answer
}

#[test]
fn a_graphql_request_that_rules_allow_reaches_the_upstream() {
    let Some((_rig, sandbox)) = rig() else { return };
    for (path, body) in [
        (
            "/graphql",
            r#"{"query":"query Q($n: Int) { viewer { name(first: $n) } }","variables":{"n":1}}"#,
        ),
        (
            "/graphql?key=1",
            r#"{"query":"mutation { c: addComment(text: \"} drop\") { id } }"}"#,
        ),
        (
            "/graphql",
            r#"[{"query":"{ a }"},{"query":"{ b ...F } fragment F on Query { c }"}]"#,
        ),
    ] {
        let answer = post(&sandbox, "api.test", path, body);
        assert!(!ran(&answer).is_empty(), "{answer:?}");
    }
    let url = "https://api.test/graphql?query=%7B%20a%20%7D";
    assert!(ran(&sandbox.curl("api.test", &[url])).contains("{ a }"));
}

#[test]
fn a_graphql_request_passes_by_what_it_would_run_and_by_nothing_that_it_pretends() {
    let Some((rig, sandbox)) = rig() else { return };
    let drop = |inner: &str| format!("{{\"query\":{inner}}}");
    for body in [
        drop(r#""mutation { drop }""#),
        drop(r#""\u006dutation { x: dr\u006fp }""#),
        drop(r#""mutation { addComment: drop }""#),
        drop(r#""mutation { addComment drop }""#),
        drop(r#""mutation { addComment ...F } fragment F on Mutation { drop }""#),
        drop(r#""mutation { addComment ... @include(if: true) { drop } }""#),
        drop(r#""{ a } # x\nmutation B { drop }","operationName":"B""#),
        drop(r#""{ a } # x\rmutation { drop }""#),
        drop(r#""{ a }","query":"mutation { drop }""#),
        drop(r#""{ a }","\u0051uery":"mutation { drop }""#),
        format!("\u{feff}{}", drop(r#""mutation { drop }""#)),
        format!(
            "[{},{}]",
            drop(r#""{ a }""#),
            drop(r#""mutation { drop }""#)
        ),
        drop(
            r#""{ a }","extensions":{"persistedQuery":{"version":1,"sha256Hash":"hash of drop"}}"#,
        ),
        r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"hash of drop"}}}"#.to_owned(),
    ] {
        let answer = refused(&rig, &sandbox, "/graphql", &body, "dr");
        let error = &answer.json()["errors"][0]["message"];
        assert!(
            error.as_str().is_some_and(|text| text.contains("/graphql")),
            "{answer:?}"
        );
    }
    refused(
        &rig,
        &sandbox,
        "/graphql",
        r#"{"query":"{ viewer secrets }"}"#,
        "secrets",
    );
}

#[test]
fn graphql_that_hides_in_a_url_or_in_another_form_is_refused() {
    let Some((rig, sandbox)) = rig() else { return };
    let url = "/graphql?query=mutation%20%7B%20drop%20%7D";
    refused(&rig, &sandbox, url, r#"{"query":"{ a }"}"#, "drop");
    for (kind, body) in [
        ("application/graphql", "mutation { drop }"),
        (
            "multipart/form-data; boundary=x",
            "--x\r\ncontent-disposition: form-data; name=operations\r\n\r\n{\"query\":\"mutation { drop }\"}\r\n--x--\r\n",
        ),
        (
            "application/x-www-form-urlencoded",
            "query=mutation { drop }",
        ),
    ] {
        let send = |host: &str| {
            sandbox.curl(
                host,
                &[
                    "-H",
                    &format!("content-type: {kind}"),
                    "--data-binary",
                    body,
                    &format!("https://{host}/graphql"),
                ],
            )
        };
        assert!(ran(&send("open.test")).contains("drop"), "{kind}");
        assert_eq!(send("api.test").status, 403, "{kind}");
    }
    let get = |host: &str| {
        sandbox.curl(
            host,
            &[&format!(
                "https://{host}/graphql?Query=mutation%20%7Bdrop%7D"
            )],
        )
    };
    assert!(ran(&get("open.test")).contains("drop"));
    assert_eq!(get("api.test").status, 403);
    let event = rig.audited("a", |event| {
        event
            .reason
            .as_ref()
            .is_some_and(|reason| reason.contains("in other letters"))
    });
    assert_eq!(event.verdict, "deny");
}

#[test]
fn bombs_of_nested_graphql_and_json_cost_a_refusal_and_not_the_worker() {
    let Some((rig, sandbox)) = rig() else { return };
    let worker = rig.status().worker_pid;
    let files = [
        format!("{{\"query\":\"{}\"}}", "{a".repeat(30_000)),
        format!("{{\"query\":\"{{ a(x: {}\"}}", "[".repeat(60_000)),
        format!(
            "{{\"query\":\"{{a}}\",\"variables\":{}{}}}",
            "[".repeat(30_000),
            "]".repeat(30_000)
        ),
        format!(
            "{{\"query\":\"{} {{...F0}}\"}}",
            (0..2000)
                .map(|n| format!("fragment F{n} on Q{{...F{}}} ", (n + 1) % 2000))
                .collect::<String>()
        ),
    ];
    for (number, text) in files.iter().enumerate() {
        assert!(text.len() < 65_536, "it is looked at: {number}");
        let file = rig.directory.path().join(format!("bomb{number}"));
        std::fs::write(&file, text).expect("bomb");
        let body = format!("@{}", file.display());
        assert_eq!(
            post(&sandbox, "api.test", "/graphql", &body).status,
            403,
            "{number}"
        );
    }
    let long = format!("{{\"query\":\"{{a}} {}\"}}", "#".repeat(70_000));
    assert_eq!(post(&sandbox, "api.test", "/graphql", &long).status, 413);
    assert_eq!(rig.status().worker_pid, worker);
}

/// A request of MCP's.
fn call(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"q1","method":"{method}","params":{params}}}"#)
}

#[test]
fn an_mcp_client_calls_the_tools_that_rules_name_and_keeps_its_streams() {
    let Some((_rig, sandbox)) = rig() else { return };
    let search = call(
        "tools/call",
        r#"{"name":"search","arguments":{"name":"drop"}}"#,
    );
    assert_eq!(
        ran(&post(&sandbox, "api.test", "/mcp", &search)),
        r#"["tools/call search"]"#
    );
    let events = sandbox.curl(
        "api.test",
        &[
            "-H",
            "accept: text/event-stream",
            "-H",
            "content-type: application/json",
            "-d",
            &search,
            "https://api.test/mcp",
        ],
    );
    assert!(
        events.status == 200 && events.body.starts_with("event: message"),
        "{events:?}"
    );
    for method in ["GET", "DELETE"] {
        let answer = sandbox.curl(
            "api.test",
            &[
                "-X",
                method,
                "-H",
                "accept: text/event-stream",
                "https://api.test/mcp",
            ],
        );
        assert!(
            answer.status == 200 && answer.body.contains(method),
            "{answer:?}"
        );
    }
    assert_eq!(
        sandbox
            .curl("api.test", &["-X", "PUT", "https://api.test/mcp"])
            .status,
        403
    );
}

#[test]
fn a_call_of_another_tool_is_refused_however_it_is_written_and_told_as_json_rpc() {
    let Some((rig, sandbox)) = rig() else { return };
    let search = call(
        "tools/call",
        r#"{"name":"search","arguments":{"name":"drop"}}"#,
    );
    let dropped = call("tools/call", r#"{"name":"drop"}"#);
    for body in [
        dropped.clone(),
        call("tools/call", r#"{"n\u0061me":"dr\u006fp"}"#),
        call("tools/call", r#"{"name":"search","name":"drop"}"#),
        call("tools/call", r#"{"name":"search","Name":"drop"}"#),
        call("tools/call", r#"{"name":["drop"]}"#),
        format!("[{search},{dropped}]"),
        search.replace(
            r#""params""#,
            r#""method":"tools/call","Params":{"name":"drop"},"params""#,
        ),
        search.replace(r#""params""#, r#""Params":{"name":"drop"},"params""#),
        format!("\u{feff}{dropped}"),
    ] {
        let answer = refused(&rig, &sandbox, "/mcp", &body, "drop");
        let said = answer.json();
        assert_eq!(
            (&said["jsonrpc"], &said["error"]["code"]),
            (&"2.0".into(), &(-32000).into()),
            "{answer:?}"
        );
        if body == dropped {
            assert_eq!(said["id"], "q1", "the request's own");
        }
        assert!(said["error"]["data"]["hint"].is_string(), "{answer:?}");
    }
    let long = call(
        "tools/call",
        &format!(r#"{{"name":"search","x":"{}"}}"#, "x".repeat(2000)),
    );
    let answer = post(&sandbox, "api.test", "/mcp", &long);
    assert_eq!(
        (answer.status, &answer.json()["id"]),
        (413, &serde_json::Value::Null)
    );
}

#[test]
fn every_call_of_a_json_rpc_batch_must_pass() {
    let Some((rig, sandbox)) = rig() else { return };
    let call =
        |method: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[1]}}"#);
    let (good, bad) = (call("reports.search"), call("reports.delete"));
    assert_eq!(
        ran(&post(
            &sandbox,
            "api.test",
            "/rpc",
            &format!("[{good},{good}]")
        )),
        r#"["reports.search","reports.search"]"#
    );
    refused(&rig, &sandbox, "/rpc", &bad, "delete");
    refused(&rig, &sandbox, "/rpc", &format!("[{good},{bad}]"), "delete");
    assert_eq!(post(&sandbox, "api.test", "/rpc", "[]").status, 403);
    assert_eq!(
        sandbox.curl("api.test", &["https://api.test/rpc"]).status,
        403
    );
}

#[test]
fn a_grpc_method_is_a_path_and_rules_on_paths_hold_for_it() {
    let Some((rig, sandbox)) = rig() else { return };
    let (address, config) = (
        sandbox.address("api.test"),
        client::config_of(sandbox.ca(), &["h2"]),
    );
    let statuses = client::run(&sandbox, move || async move {
        let stream = client::open(&config, address, "api.test")
            .await
            .expect("TLS");
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("h2");
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for method in ["Stream", "Fail", "Stream/../Fail", "stream"] {
            let request = Request::post(format!("https://api.test/echo.Echo/{method}"))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
                .body(Full::new(Bytes::from_static(&[0, 0, 0, 0, 1, 7])));
            let answer = sender
                .send_request(request.expect("request"))
                .await
                .expect("answer");
            let status = answer.status().as_u16();
            let whole = answer.into_body().collect().await.expect("body");
            let ended = whole
                .trailers()
                .is_some_and(|trailers| trailers["grpc-status"] == "0");
            statuses.push((status, ended));
        }
        statuses
    });
    // A client takes 403 for PERMISSION_DENIED.
    assert_eq!(
        statuses,
        [(200, true), (403, false), (403, false), (403, false)]
    );
    rig.audited("a", |event| {
        event.path.as_deref() == Some("/echo.Echo/Fail") && event.verdict == "deny"
    });
}
