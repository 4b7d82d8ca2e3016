//! What passes the router and what does not, seen from inside a sandbox.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use common::{Rig, Sandbox, able};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

const HOSTS: &[&str] = &["api.test", "other.test", "raw.test"];

const POLICY: &str = "version: 1
network_policies:
  api:
    endpoints:
      - { host: api.test, port: 443, protocol: rest, access: read-only }
      - { host: api.test, port: 80, protocol: rest, access: read-only }
      - { host: api.test, ports: [80, 443], path: /ws, protocol: rest, access: full }
      - { host: other.test, port: 443, protocol: rest, access: full }
  raw:
    endpoints:
      - { host: raw.test, ports: [443, 2222] }
";

#[test]
fn an_allowed_get_passes_inspection_by_http1_and_http2_and_a_post_gets_the_json_denial() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    for (option, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let url = "https://api.test/a/./b/../c?q=1%202";
        let answer = sandbox.curl(
            "api.test",
            &[
                option,
                "--path-as-is",
                "-H",
                "X-Secret: 1",
                "-H",
                "Connection: x-secret",
                url,
            ],
        );
        assert_eq!(
            (answer.status, answer.version.as_str()),
            (200, version),
            "{answer:?}"
        );
        let seen = answer.json();
        assert_eq!(seen["path"], "/a/c", "the normal form is what is sent");
        assert_eq!(seen["query"], "q=1%202");
        assert_eq!(seen["version"], "HTTP/2.0", "upstream offers h2");
        if version == "1.1" {
            assert_eq!(seen["secret"], false, "a hop-by-hop field passed");
        }
        let denied = sandbox.curl(
            "api.test",
            &[option, "-d", "x=1", "https://api.test/form?secret=1"],
        );
        assert_eq!(
            (denied.status, denied.version.as_str()),
            (403, version),
            "{denied:?}"
        );
        let body = denied.json();
        for key in ["error", "sandbox", "host", "method", "path", "rule", "hint"] {
            assert!(body.get(key).is_some(), "{key} is missing in {body}");
        }
        assert_eq!(
            (&body["host"], &body["method"], &body["path"]),
            (&"api.test".into(), &"POST".into(), &"/form".into())
        );
    }
    // The connection carries on after a denial.
    let both = sandbox.curl(
        "api.test",
        &[
            "--http1.1",
            "-d",
            "x=1",
            "https://api.test/one",
            "--next",
            "-sS",
            "--cacert",
            sandbox.ca().to_str().expect("path"),
            "-w",
            "\n%{http_code} %{http_version} %{num_connects}",
            "https://api.test/two",
        ],
    );
    assert_eq!((both.status, both.connections), (200, 0), "{both:?}");
}

#[test]
fn decisions_are_recorded_with_their_bytes_and_without_queries() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let denied = sandbox.curl("api.test", &["-d", "x=1", "https://api.test/form?secret=1"]);
    assert_eq!(denied.status, 403, "{denied:?}");
    let upload = rig.directory.path().join("upload");
    std::fs::write(&upload, "x".repeat(200_000)).expect("upload");
    let full = sandbox.curl(
        "other.test",
        &[
            "--data-binary",
            &format!("@{}", upload.display()),
            "https://other.test/upload",
        ],
    );
    assert_eq!(full.json()["length"], 200_000);
    let event = rig.audited("a", |event| event.path.as_deref() == Some("/upload"));
    assert!(
        event.bytes_out == 200_000 && event.bytes_in > 0 && event.verdict == "allow",
        "{event:?}"
    );
    let denial = rig.audited("a", |event| event.path.as_deref() == Some("/form"));
    assert_eq!((denial.verdict.as_str(), denial.generation), ("deny", 1));
    assert!(
        rig.audit("a")
            .iter()
            .all(|event| event.path.as_ref().is_none_or(|path| !path.contains('?')))
    );
    assert!(rig.boxed("a").denied >= 1);
}

#[test]
fn only_allowed_names_exist_and_only_with_addresses() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let address = sandbox.address("api.test");
    assert!(
        address.octets()[0] == 198 && (18..20).contains(&address.octets()[1]),
        "{address}"
    );
    assert_eq!(sandbox.address("API.test"), address);
    assert_eq!(
        sandbox.ask("api.test", RecordType::AAAA),
        (ResponseCode::NoError, vec![])
    );
    assert_eq!(
        sandbox.ask("api.test", RecordType::TXT),
        (ResponseCode::NoError, vec![])
    );
    for name in [
        "evil.test",
        "x.api.test",
        "test",
        "secret-data.tunnel.example",
    ] {
        assert_eq!(
            sandbox.ask(name, RecordType::A).0,
            ResponseCode::NXDomain,
            "{name}"
        );
        assert_eq!(
            sandbox.ask(name, RecordType::TXT).0,
            ResponseCode::NXDomain,
            "{name}"
        );
    }
    rig.audited("a", |event| {
        event.kind == "dns" && event.host == "evil.test" && event.verdict == "deny"
    });
}

#[test]
fn sni_host_and_address_must_be_one_name() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let api = sandbox.address("api.test");
    for option in ["--http1.1", "--http2"] {
        let host = sandbox.curl(
            "api.test",
            &[option, "-H", "Host: other.test", "https://api.test/"],
        );
        assert_eq!(host.status, 403, "{host:?}");
        assert!(host.body.contains("other.test"), "{host:?}");
    }
    let wrong = sandbox.curl_at("other.test", api, &["https://other.test/"]);
    assert_eq!(wrong.exit, 35, "a TLS alert: {wrong:?}");
    assert!(wrong.error.contains("unrecognized name"), "{wrong:?}");
    let none = sandbox.curl("api.test", &["-k", &format!("https://{api}/")]);
    assert_ne!(none.exit, 0, "a hello without a name passed");
    let raw = sandbox.address("raw.test");
    let raw_wrong = sandbox.curl_at("other.test", raw, &["-k", "https://other.test/"]);
    assert_eq!(raw_wrong.exit, 35, "{raw_wrong:?}");
    let direct = sandbox.curl_at(
        "api.test",
        Ipv4Addr::new(8, 8, 8, 8),
        &["https://api.test/"],
    );
    assert_ne!(direct.exit, 0);
    // Reset: curl sees it while it connects or when it speaks.
    assert!(matches!(direct.exit, 7 | 35 | 56), "{direct:?}");
    rig.audited("a", |event| {
        event.kind == "tcp" && event.host == "8.8.8.8" && event.verdict == "deny"
    });
    rig.audited("a", |event| {
        event.kind == "tls" && event.host == "api.test" && event.verdict == "deny"
    });
}

#[test]
fn a_passed_through_connection_keeps_the_servers_own_certificate() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let upstream_ca = rig.directory.path().join("upstream-ca.pem");
    let answer = sandbox.curl(
        "raw.test",
        &[
            "--cacert",
            upstream_ca.to_str().expect("path"),
            "-d",
            "x",
            "https://raw.test/",
        ],
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let event = rig.audited("a", |event| {
        event.host == "raw.test" && event.phase.as_deref() == Some("close")
    });
    assert!(event.bytes_out > 0 && event.bytes_in > 0, "{event:?}");
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 2222, POLICY);
    assert_eq!(sandbox.greeted("raw.test"), (*b"HELLO\n", *b"echo"));
}

/// Send a request as it stands; read the head of the answer and, after `say`, what follows.
fn talk(address: Ipv4Addr, request: &str, say: &[u8]) -> String {
    let mut stream = TcpStream::connect((address, 80)).expect("connect");
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .expect("time-out");
    stream.write_all(request.as_bytes()).expect("request");
    let mut heard = String::new();
    let mut buffer = [0; 2048];
    while !heard.contains("\r\n\r\n") {
        let length = stream.read(&mut buffer).expect("answer");
        assert!(length > 0, "closed after {heard:?}");
        heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    if !say.is_empty() {
        stream.write_all(say).expect("say");
        let length = stream.read(&mut buffer).expect("echo");
        heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    heard
}

#[test]
fn plain_http_is_decided_too_and_websockets_are_relayed() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, POLICY);
    assert_eq!(
        sandbox.curl("api.test", &["http://api.test/x"]).json()["path"],
        "/x"
    );
    assert_eq!(
        sandbox
            .curl("api.test", &["-X", "DELETE", "http://api.test/x"])
            .status,
        403
    );
    let address = sandbox.address("api.test");
    let heard = sandbox.netns.within(move || {
        talk(address, "GET /ws HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", b"ping")
    });
    assert!(
        heard.starts_with("HTTP/1.1 101") && heard.ends_with("ping"),
        "{heard}"
    );
    rig.audited("a", |event| {
        event.path.as_deref() == Some("/ws") && event.bytes_in == 4 && event.bytes_out == 4
    });
    let secure = Sandbox::new(&rig, "b", 443, POLICY);
    let upgraded = secure.curl(
        "api.test",
        &[
            "--http1.1",
            "--max-time",
            "1",
            "-H",
            "Connection: Upgrade",
            "-H",
            "Upgrade: websocket",
            "https://api.test/ws",
        ],
    );
    assert_eq!(upgraded.status, 101, "{upgraded:?}");
}

#[test]
fn tunnels_odd_upgrades_and_smuggled_requests_are_refused() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, POLICY);
    let address = sandbox.address("api.test");
    for (request, status) in [
        (
            "GET / HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            "403",
        ),
        (
            "CONNECT api.test:80 HTTP/1.1\r\nHost: api.test\r\n\r\n",
            "403",
        ),
        (
            "GET http://api.test/ HTTP/1.1\r\nHost: api.test\r\n\r\n",
            "403",
        ),
        (
            "GET / HTTP/1.1\r\nHost: api.test\r\nHost: other.test\r\n\r\n",
            "40",
        ),
    ] {
        let heard = sandbox.netns.within(move || talk(address, request, b""));
        assert!(
            heard.starts_with(&format!("HTTP/1.1 {status}")),
            "{request:?}: {heard}"
        );
    }
    // Two lengths: more of this kind in `smuggling.rs`.
    let heard = sandbox.netns.within(move || {
        talk(
            address,
            "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: api.test\r\n\r\n",
            b"",
        )
    });
    assert!(
        heard.starts_with("HTTP/1.1 400") && heard.contains("connection: close"),
        "{heard}"
    );
    assert!(!heard.contains("hidden"), "{heard}");
    assert!(
        rig.audit("a")
            .iter()
            .all(|event| event.path.as_deref() != Some("/hidden"))
    );
}
