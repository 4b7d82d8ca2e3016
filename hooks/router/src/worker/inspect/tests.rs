use super::*;
use GraphqlOperation::Stored;
use http::Request;
use nemoclaw_policy::decide::RpcCall;

const GRAPHQL: Inspection = Inspection {
    graphql: Some(65_536),
    rpc: None,
};
const RPC: Inspection = Inspection {
    graphql: None,
    rpc: Some(65_536),
};
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("request").into_parts().0
}

/// What a request was found to be, in one line.
fn seen(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &str,
    as_what: Inspection,
) -> String {
    match messages(&head(method, uri, headers), body.as_bytes(), as_what) {
        Messages::Unread => "unread".into(),
        Messages::Nothing => "nothing".into(),
        Messages::Unreadable(why) => format!("{why:?}"),
        Messages::Graphql(operations) => {
            operations.iter().map(told).collect::<Vec<_>>().join(" + ")
        }
        Messages::Rpc(found) => format!("{} calls", found.calls.len()),
    }
}

fn told(operation: &GraphqlOperation) -> String {
    match operation {
        Stored { id } => format!("stored {id}"),
        GraphqlOperation::Document { kind, name, fields } => format!(
            "{} {}{{{}}}",
            kind.word(),
            name.as_ref()
                .map(|name| format!("{name} "))
                .unwrap_or_default(),
            fields.join(" ")
        ),
    }
}

fn post(body: &str) -> String {
    seen("POST", "/graphql", JSON, body, GRAPHQL)
}

#[test]
fn a_graphql_body_tells_each_operation_that_a_server_would_run() {
    for (body, expected) in [
        (r#"{"query":"{ a }"}"#, "query {a}"),
        (
            r#"{"query":"query A{a} mutation B{b}","operationName":"B","variables":{"query":"x"}}"#,
            "mutation B {b}",
        ),
        (
            r#"{"query":"\u006dutation { x: dr\u006fp }"}"#,
            "mutation {drop}",
        ),
        (
            r#"[{"query":"{ a }"},{"query":"mutation { b }"}]"#,
            "query {a} + mutation {b}",
        ),
        (
            r#"{"query":"{ a }","operationName":null,"variables":null,"extensions":null}"#,
            "query {a}",
        ),
        (r#"{"documentId":"sha256:abc"}"#, "stored sha256:abc"),
        (
            r#"{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}"#,
            "stored abc",
        ),
        // A server may run either.
        (r#"{"query":"{ a }","id":"abc"}"#, "query {a} + stored abc"),
        (
            r#"{"id":"x","doc_id":"y","extensions":{"persistedQuery":{"sha256Hash":"x"}}}"#,
            "stored x + stored y",
        ),
        (
            r#"{"query":"{ a }","extensions":{"persistedQuery":{"sha256Hash":"abc"}}}"#,
            "query {a} + stored abc",
        ),
    ] {
        assert_eq!(post(body), expected, "{body}");
    }
    let hash = format!("{:x}", <sha2::Sha256 as sha2::Digest>::digest("{ a }"));
    let other = "0".repeat(64);
    for (hash, expected) in [
        (hash.as_str(), "query {a}".to_owned()),
        (&other, format!("query {{a}} + stored {other}")),
    ] {
        let body = format!(
            r#"{{"query":"{{ a }}","extensions":{{"persistedQuery":{{"version":1,"sha256Hash":"{hash}"}}}}}}"#
        );
        assert_eq!(
            post(&body),
            expected,
            "a document with its own hash is that document"
        );
    }
}

#[test]
fn a_graphql_body_that_two_servers_could_take_for_two_requests_is_not_read() {
    for (body, why) in [
        (r#"{"query":"{ a }","query":"mutation { b }"}"#, "Json"),
        (r#"{"query":"{ a }","variables":{"x":1,"x":2}}"#, "Json"),
        (r#"{"query":"{ a }","Query":"mutation { b }"}"#, "Letters"),
        (
            r#"{"query":"query A{a} mutation B{b}","operationName":"A","operationname":"B"}"#,
            "Letters",
        ),
        (
            r#"{"extensions":{"PersistedQuery":{"sha256Hash":"x"}},"id":"y"}"#,
            "Letters",
        ),
        (
            r#"{"extensions":{"persistedQuery":{"SHA256Hash":"x"}},"id":"y"}"#,
            "Letters",
        ),
        (r#"{"query":["{ a }"]}"#, "Shape"),
        (r#"{"query":"{ a }","id":7}"#, "Shape"),
        (r#"{"query":"{ a }","extensions":[]}"#, "Shape"),
        (r#"{"variables":{}}"#, "Shape"),
        (r#"[[{"query":"{ a }"}]]"#, "Shape"),
        (r#"[{"query":"{ a }"},7]"#, "Shape"),
        ("[]", "Batch"),
        (r#"{"query":"query A{a} mutation B{b}"}"#, "Choice"),
        (r#"{"query":"{ a }\u0000 mutation { b }"}"#, "Shape"),
        (r#"{"query":"{ a #\u2028 b\n }"}"#, "Document"),
        (r#"{"query":""}"#, "Document"),
        ("\u{feff}{\"query\":\"{ a }\"}", "Json"),
        ("", "Json"),
        ("query={a}", "Json"),
    ] {
        assert_eq!(post(body), why, "{body}");
    }
    let batch = format!("[{}]", vec![r#"{"query":"{a}"}"#; BATCH + 1].join(","));
    assert_eq!(post(&batch), "Batch");
}

#[test]
fn only_plain_bodies_of_the_protocols_types_are_read() {
    let body = r#"{"query":"{ a }"}"#;
    let of = |headers: &[(&str, &str)]| seen("POST", "/graphql", headers, body, GRAPHQL);
    for kind in [
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/json;charset=\"utf-8\"",
    ] {
        assert_eq!(of(&[("content-type", kind)]), "query {a}", "{kind}");
    }
    for kind in [
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json; charset=utf-16",
        "application/json; charset=utf-7; charset=utf-8",
        "application/json, text/plain",
        "",
    ] {
        assert_eq!(of(&[("content-type", kind)]), "Type", "{kind}");
    }
    assert_eq!(of(&[]), "Type");
    assert_eq!(of(&[JSON[0], JSON[0]]), "Type");
    assert_eq!(of(&[JSON[0], ("content-encoding", "gzip")]), "Encoded");
    let graphql = [("content-type", "application/graphql")];
    assert_eq!(
        seen("POST", "/", &graphql, "mutation M { a }", GRAPHQL),
        "mutation M {a}"
    );
    assert_eq!(seen("POST", "/", &graphql, body, GRAPHQL), "Document");
    assert_eq!(seen("POST", "/", &graphql, "{}", RPC), "Type");
}

#[test]
fn a_graphql_request_in_the_url_is_read_there_and_nowhere_else() {
    let get = |uri: &str| seen("GET", uri, &[], "", GRAPHQL);
    for (uri, expected) in [
        ("/g?query=%7B+a+%7D&x=1", "query {a}"),
        ("/g?query=mutation%20%7Ba%7D", "mutation {a}"),
        (
            "/g?query=query%20A%7Ba%7Dmutation%20B%7Bb%7D&operationName=B&variables=%7B%7D",
            "mutation B {b}",
        ),
        (
            "/g?extensions=%7B%22persistedQuery%22%3A%7B%22sha256Hash%22%3A%22x%22%7D%7D",
            "stored x",
        ),
        ("/g", "nothing"),
        ("/g?page=2", "nothing"),
        ("/g?query=%7Ba%7D&query=mutation%7Bb%7D", "Json"),
        ("/g?query=%7Ba%7D&Query=mutation%7Bb%7D", "Letters"),
        ("/g?query=%7Ba%7D&query%5B%5D=x", "Letters"),
        ("/g?query[x]=mutation", "Letters"),
        ("/g?%20query=mutation", "Letters"),
        ("/g?doc.id=1", "Letters"),
        ("/g?query=%7Ba%7D&y=1;query=mutation%7Bb%7D", "Letters"),
        ("/g?query=%7B%FFa%7D", "Document"),
        (
            "/g?query=%7Ba%7D&variables=%7B%22x%22:1,%22x%22:2%7D",
            "Json",
        ),
        ("/g?variables=%7B%7D", "Shape"),
    ] {
        assert_eq!(get(uri), expected, "{uri}");
    }
    assert_eq!(
        seen(
            "GET",
            "/g?query=%7Ba%7D",
            JSON,
            r#"{"query":"mutation{b}"}"#,
            GRAPHQL
        ),
        "Place"
    );
    let body = r#"{"query":"{ a }"}"#;
    for uri in [
        "/g?query=mutation%7Bb%7D",
        "/g?operationName=B",
        "/g?id=1",
        "/g?QUERY=x",
        "/g?query[]=x",
    ] {
        assert_eq!(seen("POST", uri, JSON, body, GRAPHQL), "Place", "{uri}");
    }
    assert_eq!(seen("POST", "/g?key=1", JSON, body, GRAPHQL), "query {a}");
}

#[test]
fn json_rpc_is_posted_and_a_stream_has_no_body() {
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let of = |method: &str, body: &str| seen(method, "/mcp", JSON, body, RPC);
    assert_eq!(of("POST", ping), "1 calls");
    assert_eq!(of("GET", ""), "nothing");
    assert_eq!(of("DELETE", ""), "nothing");
    assert_eq!(of("POST", ""), "Json");
    assert_eq!(of("GET", ping), "Place");
    assert_eq!(of("PUT", ping), "Place");
    assert_eq!(seen("POST", "/mcp", &[], ping, RPC), "Type");
}

#[test]
fn where_two_protocols_meet_a_body_is_of_one() {
    let both = Inspection {
        graphql: Some(1),
        rpc: Some(1),
    };
    let of = |method: &str, body: &str| seen(method, "/x", JSON, body, both);
    assert_eq!(of("POST", r#"{"query":"{ a }"}"#), "query {a}");
    assert_eq!(
        of("POST", r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#),
        "1 calls"
    );
    assert_eq!(
        of(
            "POST",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","query":"{ a }"}"#
        ),
        "Both"
    );
    assert_eq!(
        of("POST", r#"[{"jsonrpc":"2.0","id":"a","method":"ping"}]"#),
        "1 calls"
    );
    assert_eq!(
        of(
            "POST",
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Query":"{ a }"}"#
        ),
        "Both"
    );
    assert_eq!(of("GET", ""), "nothing");
    assert_eq!(of("POST", "{}"), "Shape");
}

#[test]
fn texts_of_a_graphql_websocket_run_something_or_nothing() {
    let of = |text: &str| match texts::text(text.as_bytes()) {
        Ok(Some(operations)) => operations.iter().map(told).collect::<Vec<_>>().join(" + "),
        Ok(None) => "nothing".to_owned(),
        Err(why) => format!("{why:?}"),
    };
    for (text, expected) in [
        (
            r#"{"type":"connection_init","payload":{"token":"x"}}"#,
            "nothing",
        ),
        (r#"{"type":"ping"}"#, "nothing"),
        (r#"{"id":"1","type":"complete"}"#, "nothing"),
        (r#"{"id":"1","type":"stop"}"#, "nothing"),
        (
            r#"{"id":"1","type":"subscribe","payload":{"query":"subscription { news }"}}"#,
            "subscription {news}",
        ),
        (
            r#"{"id":"1","type":"start","payload":{"query":"mutation { a }"}}"#,
            "mutation {a}",
        ),
        (
            r#"{"id":"1","type":"subscribe","payload":{"id":"x"}}"#,
            "stored x",
        ),
        (r#"{"id":"1","type":"subscribe"}"#, "Shape"),
        (
            r#"{"id":"1","type":"subscribe","payload":[{"query":"{ a }"}]}"#,
            "Shape",
        ),
        (
            r#"{"id":"1","type":"Subscribe","payload":{"query":"{ a }"}}"#,
            "Shape",
        ),
        (r#"{"id":"1","type":"ping","Type":"subscribe"}"#, "Letters"),
        (r#"{"id":"1","type":"ping","type":"subscribe"}"#, "Json"),
        (r#"[{"type":"ping"}]"#, "Shape"),
        ("ping", "Json"),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
}

#[test]
fn a_call_is_the_call_that_any_reader_of_json_sees() {
    // Whatever keys and values are put together, what is accepted has one meaning.
    use proptest::prelude::*;
    let keys = prop::sample::select(vec![
        "jsonrpc",
        "method",
        "params",
        "id",
        "Method",
        "result",
        "m\\u0065thod",
        "x",
    ]);
    let values = prop::sample::select(vec![
        r#""2.0""#,
        r#""ping""#,
        r#""tools/call""#,
        "1",
        "null",
        "{}",
        r#"{"name":"a"}"#,
        r#"{"name":"a","n\u0061me":"b"}"#,
        r#"{"Name":"b"}"#,
        "[]",
    ]);
    let members = prop::collection::vec((keys, values), 0..6);
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&members, |members| {
            let text: Vec<String> = [(r"jsonrpc", r#""2.0""#)]
                .iter()
                .chain(&members)
                .map(|(key, value)| format!("\"{key}\":{value}"))
                .collect();
            let text = format!("{{{}}}", text.join(","));
            let Ok(found) = rpc::calls(text.as_bytes()) else {
                return Ok(());
            };
            // A lenient reader takes the first or the last of two keys, in any letters.
            let lenient: std::collections::HashMap<String, serde_json::Value> =
                serde_json::from_str(&text).expect("JSON");
            for (key, value) in lenient {
                if key.eq_ignore_ascii_case("method") {
                    let expected = RpcCall::Method {
                        method: value.as_str().expect("a method").to_owned(),
                        name: None,
                    };
                    let RpcCall::Method { method, .. } = &found.calls[0] else {
                        panic!("{text}")
                    };
                    prop_assert_eq!(
                        RpcCall::Method {
                            method: method.clone(),
                            name: None
                        },
                        expected
                    );
                }
            }
            Ok(())
        })
        .expect("one meaning");
}
