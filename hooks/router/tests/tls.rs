//! TLS on both sides of an inspected connection, and what is refused of a passed-through one.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use common::{Rig, Sandbox, able, client};
use http::Request;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;

const HOSTS: &[&str] = &[
    "api.test",
    "raw.test",
    "expired.test",
    "future.test",
    "misnamed.test",
    "selfsigned.test",
    "stranger.test",
];

fn policy() -> String {
    let endpoints: String = HOSTS
        .iter()
        .filter(|host| **host != "raw.test")
        .map(|host| {
            format!("      - {{ host: {host}, port: 443, protocol: rest, access: full }}\n")
        })
        .collect();
    format!(
        "version: 1\nnetwork_policies:\n  all:\n    endpoints:\n{endpoints}      - {{ host: raw.test, ports: [443, 8443], tls: skip }}\n"
    )
}

#[test]
fn an_upstream_whose_certificate_does_not_hold_is_a_502_that_says_why() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy());
    assert_eq!(
        sandbox.curl("api.test", &["https://api.test/"]).status,
        200,
        "a sound certificate passes"
    );
    for (host, why) in [
        ("expired.test", "it has expired"),
        ("future.test", "it is not valid yet"),
        ("misnamed.test", "it is for another name"),
        ("selfsigned.test", "no authority that this node trusts"),
        ("stranger.test", "no authority that this node trusts"),
    ] {
        let answer = sandbox.curl(host, &["-d", "secret", &format!("https://{host}/")]);
        assert_eq!(answer.status, 502, "{host}: {answer:?}");
        let body = answer.json();
        let error = body["error"].as_str().expect("an error");
        assert!(error.contains(why) && error.contains(host), "{error}");
        assert!(
            body["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("extra_ca")),
            "{body}"
        );
        rig.audited("a", |event| {
            event.host == host
                && event
                    .reason
                    .as_ref()
                    .is_some_and(|reason| reason.contains(why))
        });
    }
}

#[test]
fn a_client_resumes_its_session_and_another_sandbox_cannot() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let (first, second) = (
        Sandbox::new(&rig, "a", 443, &policy()),
        Sandbox::new(&rig, "b", 443, &policy()),
    );
    // One store of sessions, as if the second sandbox had got hold of the first one's tickets.
    let both = rig.directory.path().join("both.pem");
    let text = [&first, &second]
        .map(|sandbox| std::fs::read_to_string(sandbox.ca()).expect("CA"))
        .concat();
    std::fs::write(&both, text).expect("write");
    let config = client::config_of(&both, &["h2", "http/1.1"]);
    let ask = |sandbox: &Sandbox| {
        let (config, address) = (config.clone(), sandbox.address("api.test"));
        client::run(sandbox, move || async move {
            let stream = client::open(&config, address, "api.test")
                .await
                .expect("TLS");
            let kind = stream.get_ref().1.handshake_kind();
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .expect("h2");
            tokio::spawn(connection);
            let request = Request::get("https://api.test/").body(Empty::<Bytes>::new());
            let answer = sender.send_request(request.expect("request")).await;
            assert_eq!(answer.expect("answer").status(), 200);
            kind
        })
    };
    assert_eq!(ask(&first), Some(HandshakeKind::Full));
    assert_eq!(ask(&first), Some(HandshakeKind::Resumed));
    assert_eq!(
        ask(&second),
        Some(HandshakeKind::Full),
        "a ticket is one sandbox's"
    );
}

#[test]
fn the_routers_own_session_with_an_upstream_is_resumed() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let resumed = |name: &str| {
        let sandbox = Sandbox::new(&rig, name, 443, &policy());
        sandbox.curl("api.test", &["https://api.test/"]).json()["resumed"].clone()
    };
    assert_eq!(resumed("a"), false);
    assert_eq!(resumed("b"), true, "another connection to the same host");
}

#[test]
fn the_clients_protocol_and_the_upstreams_are_chosen_apart() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy());
    let address = sandbox.address("api.test");
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[][..], None),
    ] {
        let config = client::config_of(sandbox.ca(), offered);
        let heard = client::run(&sandbox, move || async move {
            let stream = client::open(&config, address, "api.test")
                .await
                .expect("TLS");
            stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
        });
        assert_eq!(heard.as_deref(), agreed, "{offered:?}");
    }
    let config = client::config_of(sandbox.ca(), &["spdy/3"]);
    let refused = client::run(&sandbox, move || async move {
        client::open(&config, address, "api.test").await.map(drop)
    });
    assert!(
        refused
            .expect_err("no such protocol")
            .to_string()
            .contains("NoApplicationProtocol"),
        "a protocol that the router does not speak is refused in the handshake"
    );
    let answer = sandbox.curl("api.test", &["--http1.1", "https://api.test/"]);
    assert_eq!(
        (answer.version.as_str(), &answer.json()["version"]),
        ("1.1", &"HTTP/2.0".into())
    );
}

/// A gRPC message of one byte.
fn message(byte: u8) -> Bytes {
    Bytes::from(vec![0, 0, 0, 0, 1, byte])
}

#[test]
fn a_grpc_call_streams_both_ways_and_ends_with_its_trailers() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy());
    let (address, config) = (
        sandbox.address("api.test"),
        client::config_of(sandbox.ca(), &["h2"]),
    );
    client::run(&sandbox, move || async move {
        let stream = client::open(&config, address, "api.test")
            .await
            .expect("TLS");
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("h2");
        tokio::spawn(connection);
        let request = |method: &str| {
            Request::post(format!("https://api.test/echo.Echo/{method}"))
                .header("content-type", "application/grpc")
                .header("te", "trailers")
        };
        let (mut out, body) = Channel::<Bytes, std::convert::Infallible>::new(1);
        out.send_data(message(1)).await.expect("first message");
        let answer = sender
            .send_request(request("Stream").body(body.boxed()).expect("request"))
            .await
            .expect("an answer before the request's end");
        assert_eq!(answer.headers()["x-te"], "trailers");
        let mut back = answer.into_body();
        for byte in 1..4 {
            let frame = back.frame().await.expect("frame").expect("frame");
            assert_eq!(frame.into_data().expect("data"), message(byte));
            if byte < 3 {
                out.send_data(message(byte + 1)).await.expect("message");
            }
        }
        drop(out);
        let trailers = back.frame().await.expect("frame").expect("frame");
        let trailers = trailers.into_trailers().expect("trailers");
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["grpc-message"], "done");
        let none = Empty::<Bytes>::new().boxed();
        let failed = sender
            .send_request(request("Fail").body(none).expect("request"))
            .await
            .expect("answer");
        assert_eq!(failed.headers()["grpc-status"], "5", "a status in the head");
    });
}

/// A hello for `host` with a new extension.
fn hello_with(host: &str, kind: u16) -> Vec<u8> {
    let config = client::config_of_roots(rustls::RootCertStore::empty(), &[]);
    let name = host.to_owned().try_into().expect("name");
    let mut client = rustls::ClientConnection::new(config, name).expect("client");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("hello");
    let outer = [0, 0, 1, 0, 1, 7, 0, 1, 9, 0, 1, 9];
    let mut extension = kind.to_be_bytes().to_vec();
    extension.extend([0, 12]);
    extension.extend(outer);
    let two = |bytes: &[u8], at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
    let session = 5 + 4 + 2 + 32;
    let ciphers = session + 1 + usize::from(bytes[session]);
    let compressions = ciphers + 2 + two(&bytes, ciphers);
    let extensions = compressions + 1 + usize::from(bytes[compressions]);
    for at in [3, 7, extensions] {
        let longer = u16::try_from(two(&bytes, at) + extension.len()).expect("length");
        bytes[at..at + 2].copy_from_slice(&longer.to_be_bytes());
    }
    bytes.extend(extension);
    bytes
}

/// The first byte of the answer's record: 22 goes on, 21 is an alert.
fn answer_to(sandbox: &Sandbox, address: Ipv4Addr, hello: Vec<u8>) -> u8 {
    sandbox.netns.within(move || {
        let mut stream = TcpStream::connect((address, 443)).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("time-out");
        stream.write_all(&hello).expect("hello");
        let mut first = [0];
        stream.read_exact(&mut first).expect("an answer");
        first[0]
    })
}

#[test]
fn an_encrypted_hello_is_refused_on_a_passed_through_connection_and_harmless_on_an_inspected_one() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy());
    let (raw, api) = (sandbox.address("raw.test"), sandbox.address("api.test"));
    let (ech, other) = (0xfe0d, 0x1a1a);
    // The same hello with an extension that hides nothing passes, so it is this one that is refused.
    assert_eq!(answer_to(&sandbox, raw, hello_with("raw.test", other)), 22);
    assert_eq!(answer_to(&sandbox, raw, hello_with("raw.test", ech)), 21);
    rig.audited("a", |event| {
        event.host == "raw.test"
            && event.verdict == "deny"
            && event
                .reason
                .as_ref()
                .is_some_and(|reason| reason.contains("ECH"))
    });
    // Where the router opens TLS itself, it takes the outer hello alone, and that must name the host.
    assert_eq!(answer_to(&sandbox, api, hello_with("api.test", ech)), 22);
    assert_eq!(answer_to(&sandbox, api, hello_with("raw.test", ech)), 21);
}

#[test]
fn a_host_that_wants_a_clients_certificate_is_reached_by_tls_skip() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 8443, &policy());
    let path = |name: &str| rig.directory.path().join(name).display().to_string();
    let (ca, certificate, key) = (
        path("upstream-ca.pem"),
        path("client.pem"),
        path("client.key"),
    );
    let url = "https://raw.test:8443/";
    let without = sandbox.curl("raw.test", &["--cacert", &ca, url]);
    assert_ne!(without.status, 200, "the server asks for one: {without:?}");
    let arguments = ["--cacert", &ca, "--cert", &certificate, "--key", &key, url];
    assert_eq!(sandbox.curl("raw.test", &arguments).status, 200);
}

#[test]
fn a_client_that_does_not_finish_its_handshake_is_cut() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy());
    for host in ["api.test", "raw.test"] {
        let address = sandbox.address(host);
        let taken = sandbox.netns.within(move || {
            let begin = std::time::Instant::now();
            let mut stream = TcpStream::connect((address, 443)).expect("connect");
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .expect("time-out");
            let hello = hello_with(host, 0x1a1a);
            stream
                .write_all(&hello[..hello.len() / 2])
                .expect("half a hello");
            // An end or a reset; not a time-out.
            let end = stream.read(&mut [0; 64]);
            assert!(!matches!(&end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock));
            begin.elapsed()
        });
        assert!(taken < Duration::from_secs(8), "{host}: {taken:?}");
    }
}
