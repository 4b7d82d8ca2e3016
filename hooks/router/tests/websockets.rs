//! WebSockets through TLS inspection: each of the client's messages is decided, by the policy as it is at that moment.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::future::Future;
use std::time::Duration;

use common::socket::{self, Socket, next};
use common::{Rig, Sandbox, able, client};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader};
use tokio_tungstenite::tungstenite::{Bytes, Message};

const HOSTS: &[&str] = &[
    "ws.test",
    "full.test",
    "read.test",
    "audit.test",
    "graph.test",
    "rest.test",
];

const POLICY: &str = "version: 1
network_policies:
  chat:
    endpoints:
      - host: ws.test
        port: 443
        protocol: websocket
        rules:
          - allow: { method: GET, path: /** }
          - allow: { method: WEBSOCKET_TEXT, path: /free }
          - allow: { method: '*', path: /all }
      - { host: full.test, port: 443, protocol: websocket, access: full, deny_rules: [{ method: WEBSOCKET_TEXT, path: /muted }] }
      - { host: read.test, port: 443, protocol: websocket, access: read-only }
      - { host: audit.test, port: 443, protocol: websocket, access: read-only, enforcement: audit }
      - { host: rest.test, port: 443, protocol: rest, access: full }
      - host: graph.test
        port: 443
        protocol: websocket
        graphql_max_body_bytes: 1000
        rules:
          - allow: { method: GET, path: /** }
          - allow: { operation_type: subscription, fields: [news] }
";

fn rig() -> Option<(Rig, Sandbox)> {
    if !able() {
        return None;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    Some((rig, sandbox))
}

const VERSION: (&str, &str) = ("sec-websocket-version", "13");

/// Do `work` with a WebSocket to `host` below `path`; the upstream's first word has been heard.
fn with<T, F>(
    sandbox: &Sandbox,
    host: &'static str,
    path: &'static str,
    work: impl FnOnce(Socket) -> F + Send + 'static,
) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let (config, address) = (
        client::config_of(sandbox.ca(), &["http/1.1"]),
        sandbox.address(host),
    );
    client::run(sandbox, move || async move {
        let (_, mut socket) = socket::open(&config, address, host, path, &[VERSION])
            .await
            .expect("upgrade");
        assert!(
            next(&mut socket).await.starts_with('{'),
            "the upstream speaks first"
        );
        work(socket).await
    })
}

/// What comes back of a text.
async fn echo(socket: &mut Socket, text: &str) -> String {
    socket.send(Message::text(text)).await.expect("send");
    next(socket).await
}

/// A frame of a message in parts.
fn part(opcode: Data, is_final: bool, text: &[u8]) -> Message {
    Message::Frame(Frame::message(
        Bytes::copy_from_slice(text),
        OpCode::Data(opcode),
        is_final,
    ))
}

#[test]
fn a_text_passes_by_its_rule_and_a_refused_one_closes_with_the_rules_name() {
    let Some((rig, sandbox)) = rig() else { return };
    // Where nobody looks, the same text reaches the upstream.
    let open = with(&sandbox, "rest.test", "/other", |mut socket| async move {
        echo(&mut socket, "buy").await
    });
    assert_eq!(open, "buy");
    let heard = with(&sandbox, "ws.test", "/free", |mut socket| async move {
        let long = "x".repeat(300_000);
        assert_eq!(echo(&mut socket, &long).await, long);
        echo(&mut socket, "buy").await
    });
    assert_eq!(heard, "buy");
    let heard = with(&sandbox, "ws.test", "/other", |mut socket| async move {
        let first = echo(&mut socket, "buy").await;
        (first, next(&mut socket).await)
    });
    assert_eq!(
        heard,
        (
            "closed 1008: refused by the sandbox's policy: chat".into(),
            "end".into()
        )
    );
    let event = rig.audited("a", |event| event.kind == "ws");
    assert_eq!(
        (
            event.verdict.as_str(),
            event.method.as_deref(),
            event.path.as_deref(),
            event.bytes_out
        ),
        ("deny", Some("WEBSOCKET_TEXT"), Some("/other"), 3)
    );
    let end = rig.audited("a", |event| {
        event.path.as_deref() == Some("/other")
            && event.phase.as_deref() == Some("close")
            && event.host == "ws.test"
    });
    assert!(
        end.bytes_out == 0 && end.bytes_in > 0 && end.reason.is_some(),
        "{end:?}"
    );
    let sum = rig.audited("a", |event| {
        event.path.as_deref() == Some("/free") && event.phase.as_deref() == Some("close")
    });
    assert!(sum.bytes_out > 300_000 && sum.bytes_in > 300_000, "{sum:?}");
    let muted = with(&sandbox, "full.test", "/muted", |mut socket| async move {
        echo(&mut socket, "a").await
    });
    assert!(
        muted.starts_with(
            "closed 1008: refused by the sandbox's policy: chat / WEBSOCKET_TEXT /muted"
        ),
        "{muted}"
    );
}

#[test]
fn a_text_in_parts_is_decided_whole_and_pings_pass_between_them() {
    let Some((_rig, sandbox)) = rig() else { return };
    let heard = with(&sandbox, "ws.test", "/free", |mut socket| async move {
        socket
            .send(part(Data::Text, false, b"he"))
            .await
            .expect("send");
        socket
            .send(Message::Ping(Bytes::from_static(b"p")))
            .await
            .expect("ping");
        let pong = next(&mut socket).await;
        socket
            .send(part(Data::Continue, false, b"l"))
            .await
            .expect("send");
        socket
            .send(part(Data::Continue, true, b"lo"))
            .await
            .expect("send");
        (pong, next(&mut socket).await)
    });
    assert!(
        heard.0.starts_with("Pong") && heard.1 == "hello",
        "{heard:?}"
    );
    let heard = with(&sandbox, "read.test", "/x", |mut socket| async move {
        socket
            .send(part(Data::Text, false, b"he"))
            .await
            .expect("send");
        let quiet = tokio::time::timeout(Duration::from_millis(200), socket.next())
            .await
            .is_err();
        socket
            .send(part(Data::Continue, true, b"llo"))
            .await
            .expect("send");
        (quiet, next(&mut socket).await)
    });
    assert!(heard.0 && heard.1.starts_with("closed 1008"), "{heard:?}");
}

#[test]
fn binary_messages_pass_where_everything_may_and_the_clients_close_is_answered() {
    let Some((_rig, sandbox)) = rig() else { return };
    let binary = || Message::binary(vec![7_u8; 70_000]);
    for (host, path, passes) in [
        ("full.test", "/muted", true),
        ("ws.test", "/all", true),
        ("ws.test", "/free", false),
        ("graph.test", "/", false),
    ] {
        let heard = with(&sandbox, host, path, move |mut socket| async move {
            socket.send(binary()).await.expect("send");
            socket.next().await.expect("an answer").expect("a frame")
        });
        match heard {
            Message::Binary(bytes) => assert!(passes && bytes.len() == 70_000, "{host}{path}"),
            Message::Close(Some(close)) => {
                assert!(!passes && close.code == CloseCode::Policy, "{host}{path}")
            }
            other => panic!("{host}{path}: {other:?}"),
        }
    }
    let heard = with(&sandbox, "ws.test", "/free", |mut socket| async move {
        let reason = CloseFrame {
            code: CloseCode::Normal,
            reason: "done".into(),
        };
        socket.close(Some(reason)).await.expect("close");
        next(&mut socket).await
    });
    assert_eq!(heard, "closed 1000: done", "the upstream answers it");
}

#[test]
fn nothing_is_agreed_on_that_would_hide_what_a_frame_holds() {
    let Some((rig, sandbox)) = rig() else { return };
    let ask = |host: &'static str,
               path: &'static str,
               fields: &'static [(&'static str, &'static str)]| {
        let (config, address) = (
            client::config_of(sandbox.ca(), &["http/1.1"]),
            sandbox.address(host),
        );
        client::run(&sandbox, move || async move {
            let (head, mut socket) = socket::open(&config, address, host, path, fields).await?;
            let field = |name: &str| {
                head.headers
                    .get(name)
                    .map(|value| value.to_str().expect("text").to_owned())
            };
            let (extensions, protocol) = (
                field("sec-websocket-extensions"),
                field("sec-websocket-protocol"),
            );
            Ok::<_, (http::StatusCode, String)>((extensions, protocol, next(&mut socket).await))
        })
    };
    let all: &[(&str, &str)] = &[
        VERSION,
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-protocol", "chat.v2"),
    ];
    let (extensions, protocol, seen) = ask("ws.test", "/free", all).expect("upgrade");
    assert_eq!((extensions, protocol.as_deref()), (None, Some("chat.v2")));
    let seen: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(
        seen,
        serde_json::json!({ "extensions": null, "protocol": "chat.v2" })
    );
    let (extensions, ..) = ask("rest.test", "/free", all).expect("upgrade");
    assert!(
        extensions.is_some(),
        "an open WebSocket keeps what it asks for"
    );
    assert_eq!(
        ask("ws.test", "/extended", &[VERSION])
            .expect_err("unasked")
            .0,
        502
    );
    for fields in [
        &[][..],
        &[("sec-websocket-version", "8")],
        &[VERSION, VERSION],
    ] {
        let (status, body) = ask("ws.test", "/free", fields).expect_err("another version");
        assert!(
            status == 400 && body.contains("Sec-WebSocket-Version: 13"),
            "{body}"
        );
    }
    rig.audited("a", |event| {
        event.path.as_deref() == Some("/extended") && event.reason.is_some()
    });
}

#[test]
fn frames_that_could_not_be_looked_at_end_the_connection() {
    let Some((_rig, sandbox)) = rig() else { return };
    let heard = with(&sandbox, "ws.test", "/free", |mut socket| async move {
        let header = FrameHeader {
            rsv1: true,
            opcode: OpCode::Data(Data::Text),
            ..FrameHeader::default()
        };
        socket
            .send(Message::Frame(Frame::from_payload(
                header,
                Bytes::from_static(b"x"),
            )))
            .await
            .expect("send");
        next(&mut socket).await
    });
    assert!(heard.starts_with("closed 1002"), "{heard}");
    let heard = with(&sandbox, "ws.test", "/free", |mut socket| async move {
        socket
            .send(part(Data::Text, true, b"\xff"))
            .await
            .expect("send");
        next(&mut socket).await
    });
    assert!(heard.starts_with("closed 1007"), "{heard}");
    let heard = with(&sandbox, "ws.test", "/free", |mut socket| async move {
        let long = vec![b'x'; 4 * 1024 * 1024 + 1];
        // The router may close before all of it is out.
        let _ = socket.send(part(Data::Text, true, &long)).await;
        next(&mut socket).await
    });
    assert!(heard.starts_with("closed 1009"), "{heard}");
}

#[test]
fn an_endpoint_that_only_records_lets_texts_pass_and_records_each() {
    let Some((rig, sandbox)) = rig() else { return };
    let heard = with(&sandbox, "audit.test", "/x", |mut socket| async move {
        (
            echo(&mut socket, "one").await,
            echo(&mut socket, "three").await,
        )
    });
    assert_eq!(heard, ("one".into(), "three".into()));
    let mut lengths = Vec::new();
    rig.wait_until("both are recorded", || {
        let events = rig.audit("a");
        let recorded = events
            .iter()
            .filter(|event| event.kind == "ws" && event.verdict == "audit");
        lengths = recorded.map(|event| event.bytes_out).collect::<Vec<_>>();
        lengths.len() >= 2
    });
    assert_eq!(lengths, [3, 5]);
}

#[test]
fn graphql_over_a_websocket_is_decided_operation_by_operation() {
    let Some((rig, sandbox)) = rig() else { return };
    let say = |text: String| {
        with(&sandbox, "graph.test", "/", |mut socket| async move {
            echo(&mut socket, &text).await
        })
    };
    let subscribe =
        |query: &str| format!(r#"{{"id":"1","type":"subscribe","payload":{{"query":"{query}"}}}}"#);
    for text in [
        r#"{"type":"connection_init","payload":{}}"#.to_owned(),
        subscribe("subscription { n: news { id } }"),
        r#"{"id":"1","type":"start","payload":{"query":"subscription { news }"}}"#.to_owned(),
        r#"{"id":"1","type":"complete"}"#.to_owned(),
    ] {
        assert_eq!(say(text.clone()), text);
    }
    for text in [
        subscribe("mutation { drop }"),
        subscribe("subscription { news: drop }"),
        subscribe("subscription { news ...F } fragment F on S { drop }"),
        r#"{"id":"1","type":"ping","Type":"subscribe","payload":{"query":"mutation { drop }"}}"#
            .to_owned(),
        "drop".to_owned(),
        subscribe(&format!("subscription {{ news }} #{}", "x".repeat(1000))),
    ] {
        let heard = say(text.clone());
        assert!(heard.starts_with("closed 1008"), "{text:.60}: {heard}");
    }
    let event = rig.audited("a", |event| {
        event.kind == "ws"
            && event
                .reason
                .as_ref()
                .is_some_and(|reason| reason.contains("mutation of drop"))
    });
    assert_eq!(event.verdict, "deny");
}

#[test]
fn a_changed_policy_holds_for_the_next_text_and_cuts_what_may_not_be_open() {
    let Some((_rig, sandbox)) = rig() else { return };
    let policy = std::fs::read_to_string(&sandbox.policy).expect("policy");
    let file = sandbox.policy.clone();
    let next_file = file.with_extension("next");
    let edit = move |text: &str| {
        std::fs::write(&next_file, text).expect("write");
        std::fs::rename(&next_file, &file).expect("rename");
    };
    let (narrower, gone) = (
        policy.replace(
            "WEBSOCKET_TEXT, path: /free",
            "WEBSOCKET_TEXT, path: /later",
        ),
        policy.replace("host: ws.test", "host: else.test"),
    );
    let back = policy.clone();
    let heard = with(&sandbox, "ws.test", "/free", move |mut socket| async move {
        assert_eq!(echo(&mut socket, "one").await, "one");
        edit(&narrower);
        let mut heard = String::new();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            heard = echo(&mut socket, "two").await;
            if heard != "two" {
                break;
            }
        }
        edit(&back);
        heard
    });
    assert!(
        heard.starts_with("closed 1008: refused by the sandbox's policy: chat"),
        "{heard}"
    );
    sandbox.edit(&policy.replace("version: 1", "version: 1 "));
    let file = sandbox.policy.clone();
    std::thread::sleep(Duration::from_millis(300));
    let heard = with(&sandbox, "ws.test", "/free", move |mut socket| async move {
        let next_file = file.with_extension("next");
        std::fs::write(&next_file, gone).expect("write");
        std::fs::rename(&next_file, &file).expect("rename");
        next(&mut socket).await
    });
    assert_eq!(heard, "closed 1008: the policy no longer allows it");
}

#[test]
fn a_websocket_that_was_open_is_cut_when_its_texts_are_to_be_looked_at() {
    let Some((_rig, sandbox)) = rig() else { return };
    let policy = std::fs::read_to_string(&sandbox.policy).expect("policy");
    let rest = "host: rest.test, port: 443, protocol: rest, access: full";
    let watched = policy.replace(
        rest,
        "host: rest.test, port: 443, protocol: websocket, access: read-write",
    );
    assert_ne!(watched, policy);
    let file = sandbox.policy.clone();
    let heard = with(&sandbox, "rest.test", "/", move |mut socket| async move {
        assert_eq!(echo(&mut socket, "one").await, "one");
        let next_file = file.with_extension("next");
        std::fs::write(&next_file, watched).expect("write");
        std::fs::rename(&next_file, &file).expect("rename");
        tokio::time::timeout(Duration::from_secs(2), next(&mut socket))
            .await
            .expect("it is cut")
    });
    assert!(heard.starts_with("error") || heard == "end", "{heard}");
}
