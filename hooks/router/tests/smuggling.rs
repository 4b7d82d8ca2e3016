//! Requests that two readers could read in two ways, byte by byte, and what the upstream saw of them: nothing, or one sound
//! request. What hyper alone makes of the first of them is shown in `watched::tests`.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use common::recorder::{PORT, Recorder, Seen};
use common::{Rig, Sandbox, able};

const POLICY: &str = "version: 1
network_policies:
  api:
    endpoints:
      - host: api.test
        port: 8080
        protocol: rest
        rules: [{ allow: { method: '*', path: '/ok' } }, { allow: { method: '*', path: '/ok/**' } }]
";

/// A request that the policy allows, and one that it does not.
const GOOD: &str = "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\n\r\n";
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: api.test:8080\r\n\r\n";

/// A POST with these fields and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST /ok HTTP/1.1\r\nHost: api.test:8080\r\n{fields}\r\n\r\n{body}")
}

/// The statuses of the answers, and whether the router closed.
fn send(address: Ipv4Addr, bytes: &[u8]) -> (Vec<u16>, bool) {
    let mut stream = TcpStream::connect((address, PORT)).expect("connect");
    stream
        .set_read_timeout(Some(Duration::from_millis(150)))
        .expect("time-out");
    stream.write_all(bytes).expect("write");
    let (begin, mut heard, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    let closed = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(length) => heard.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Nothing was answered yet: it may still come.
                if !heard.is_empty() || begin.elapsed() > Duration::from_secs(2) {
                    break false;
                }
            }
            Err(_) => break true,
        }
    };
    let text = String::from_utf8_lossy(&heard);
    let statuses = text
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|answer| answer.get(..3)?.parse().ok())
        .collect();
    (statuses, closed)
}

struct Attack {
    rig: Rig,
    recorder: Recorder,
    sandbox: Sandbox,
    address: Ipv4Addr,
}

impl Attack {
    fn new() -> Option<Attack> {
        if !able() {
            return None;
        }
        let rig = Rig::start(&["api.test"]);
        let recorder = Recorder::start(&rig.outside);
        let sandbox = Sandbox::new(&rig, "a", PORT, POLICY);
        let address = sandbox.address("api.test");
        Some(Attack {
            rig,
            recorder,
            sandbox,
            address,
        })
    }

    fn send(&self, bytes: impl AsRef<[u8]>) -> (Vec<u16>, bool, Vec<Seen>) {
        let (address, bytes) = (self.address, bytes.as_ref().to_vec());
        let (statuses, closed) = self.sandbox.netns.within(move || send(address, &bytes));
        (statuses, closed, self.recorder.take())
    }

    /// One answer, a refusal, and the connection is closed; the upstream saw nothing.
    fn refused(&self, bytes: impl AsRef<[u8]>, status: u16) {
        let text = String::from_utf8_lossy(bytes.as_ref()).into_owned();
        let (statuses, closed, seen) = self.send(bytes);
        assert_eq!(seen, [], "{text:?}");
        assert_eq!((statuses, closed), (vec![status], true), "{text:?}");
    }
}

#[test]
fn a_sound_request_passes_so_what_is_refused_below_is_refused_for_its_form() {
    let Some(attack) = Attack::new() else { return };
    let (statuses, closed, seen) = attack.send(GOOD);
    assert_eq!((statuses, closed), (vec![200], false));
    assert_eq!(seen[0].line(), "GET /ok");
    let (statuses, _, seen) = attack.send(HIDDEN);
    assert_eq!((statuses, seen), (vec![403], vec![]));
}

#[test]
fn two_lengths_are_refused_in_every_order_and_number() {
    let Some(attack) = Attack::new() else { return };
    let chunked = "Transfer-Encoding: chunked";
    for fields in [
        format!("Content-Length: 4\r\n{chunked}"),
        format!("{chunked}\r\nContent-Length: 4"),
        "Content-Length: 4\r\nX: y\r\ntransfer-encoding: CHUNKED".to_owned(),
        "Content-Length: 5\r\nContent-Length: 5".to_owned(),
        "Content-Length: 5\r\nContent-Length: 0".to_owned(),
        format!("{chunked}\r\n{chunked}"),
    ] {
        attack.refused(post(&fields, &format!("0\r\n\r\n{HIDDEN}")), 400);
    }
    attack.rig.audited("a", |event| {
        let reason = event.reason.as_deref().unwrap_or_default();
        event.verdict == "deny" && reason.contains("two ways")
    });
}

#[test]
fn lengths_and_codings_that_are_not_plain_are_refused() {
    let Some(attack) = Attack::new() else { return };
    for fields in [
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5, 5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding: chunked\u{0}",
        "Transfer_Encoding : chunked",
        "Transfer-Encoding : chunked",
        "Content-Length : 5",
    ] {
        attack.refused(post(fields, &format!("0\r\n\r\n{HIDDEN}")), 400);
    }
    let old =
        "POST /ok HTTP/1.0\r\nHost: api.test:8080\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    attack.refused(old, 400);
}

#[test]
fn lines_that_are_folded_or_end_with_half_an_end_are_refused() {
    let Some(attack) = Attack::new() else { return };
    for head in [
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nX: y\r\n folded\r\n\r\n",
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\n\tTransfer-Encoding: chunked\r\n\r\n",
        "GET /ok HTTP/1.1\nHost: api.test:8080\n\n",
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\nX: y\r\n\r\n",
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n",
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nX: a\r\rY: b\r\n\r\n",
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nX\0: a\r\n\r\n",
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\n: a\r\n\r\n",
        "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nno colon\r\n\r\n",
        "GET /ok HTTP/2.0\r\nHost: api.test:8080\r\n\r\n",
        "GET  /ok HTTP/1.1\r\nHost: api.test:8080\r\n\r\n",
        "GET /ok\r\nHost: api.test:8080\r\n\r\n",
        "GET\t/ok HTTP/1.1\r\nHost: api.test:8080\r\n\r\n",
    ] {
        attack.refused(format!("{head}{HIDDEN}"), 400);
    }
    attack.rig.audited("a", |event| {
        let reason = event.reason.as_deref().unwrap_or_default();
        event.verdict == "deny" && reason.contains("head cannot be read")
    });
}

#[test]
fn what_is_well_framed_reaches_the_upstream_once_and_framed_anew() {
    let Some(attack) = Attack::new() else { return };
    let chunked = "Transfer-Encoding: chunked";
    for (fields, body, seen_body) in [
        (chunked, "3;x=\"y\"\r\nabc\r\n0\r\n\r\n", "abc"),
        (
            chunked,
            "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n",
            "abc",
        ),
        (chunked, "000003\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"),
        ("Content-Length: 3", "abc", "abc"),
        (
            "Content-Length: 3\r\nConnection: content-length, host",
            "abc",
            "abc",
        ),
        (&format!("Content-Length: {}", HIDDEN.len()), HIDDEN, HIDDEN),
    ] {
        let (statuses, _, seen) = attack.send(post(fields, body));
        assert_eq!(statuses, [200], "{fields:?} {body:?}");
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(
            (seen[0].line(), seen[0].body.as_str()),
            ("POST /ok", seen_body)
        );
        assert_eq!(seen[0].fields("host"), ["api.test:8080"]);
        let lengths =
            seen[0].fields("content-length").len() + seen[0].fields("transfer-encoding").len();
        assert_eq!(lengths, 1, "{seen:?}");
    }
}

#[test]
fn in_a_row_of_requests_all_before_the_faulty_one_are_answered_and_none_behind_it() {
    let Some(attack) = Attack::new() else { return };
    let sound = post("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n");
    let (statuses, closed, seen) = attack.send(format!("{GOOD}{sound}{GOOD}"));
    assert_eq!(
        (statuses, closed, seen.len()),
        (vec![200, 200, 200], false, 3)
    );
    let faulty = post(
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "0\r\n\r\n",
    );
    let (statuses, closed, seen) = attack.send(format!("{GOOD}{sound}{faulty}{GOOD}"));
    assert_eq!((statuses, closed), (vec![200, 200, 400], true));
    let lines: Vec<&str> = seen.iter().map(Seen::line).collect();
    assert_eq!(lines, ["GET /ok", "POST /ok"]);
}

#[test]
fn a_body_whose_chunks_cannot_be_read_is_not_completed_and_ends_the_connection() {
    let Some(attack) = Attack::new() else { return };
    for body in [
        "3\r\nabcX\r\n0\r\n\r\n",
        "\r\n\r\n",
        "x\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3;x\ny\r\nabc\r\n0\r\n\r\n",
    ] {
        let request = post("Transfer-Encoding: chunked", &format!("{body}{HIDDEN}"));
        let (statuses, closed, seen) = attack.send(&request);
        assert_eq!(seen, [], "{body:?} was completed");
        assert!(closed, "{body:?}: {statuses:?}");
        assert!(!statuses.contains(&200), "{body:?}: {statuses:?}");
    }
}

#[test]
fn a_request_behind_a_refused_upgrade_is_not_taken() {
    let Some(attack) = Attack::new() else { return };
    for upgrade in ["h2c", "websocket", "TLS/1.0"] {
        let head = format!(
            "GET /hidden HTTP/1.1\r\nHost: api.test:8080\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nUpgrade: {upgrade}\r\n\r\n"
        );
        attack.refused(format!("{head}{GOOD}"), 403);
    }
    let twice = "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (statuses, closed, seen) = attack.send(format!("{twice}{HIDDEN}{GOOD}"));
    assert_eq!(
        (statuses, closed),
        (vec![200], true),
        "the upstream did not switch"
    );
    assert_eq!(seen.len(), 1);
}

#[test]
fn tunnels_whole_uris_and_other_hosts_are_refused() {
    let Some(attack) = Attack::new() else { return };
    for (head, status) in [
        (
            "CONNECT api.test:8080 HTTP/1.1\r\nHost: api.test:8080\r\n\r\n",
            403,
        ),
        (
            "CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n",
            403,
        ),
        (
            "GET http://api.test:8080/ok HTTP/1.1\r\nHost: api.test:8080\r\n\r\n",
            403,
        ),
        (
            "GET http://other.test/ok HTTP/1.1\r\nHost: api.test:8080\r\n\r\n",
            403,
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: api.test:8080\r\n\r\n", 403),
        (
            "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nHost: api.test:8080\r\n\r\n",
            400,
        ),
        (
            "GET /ok HTTP/1.1\r\nHost: api.test:8080\r\nHost: other.test\r\n\r\n",
            400,
        ),
        ("GET /ok HTTP/1.1\r\nHost: x@api.test:8080\r\n\r\n", 400),
        ("GET /ok HTTP/1.1\r\nHost: api.test:8080/x\r\n\r\n", 400),
        ("GET /ok HTTP/1.1\r\nHost: api.test:08080000\r\n\r\n", 400),
        ("GET /ok HTTP/1.1\r\nHost: api.test\r\n\r\n", 403),
        ("GET /ok HTTP/1.1\r\n\r\n", 400),
    ] {
        let (statuses, _, seen) = attack.send(head);
        assert_eq!((statuses, seen), (vec![status], vec![]), "{head:?}");
    }
}

#[test]
fn paths_are_decided_and_forwarded_in_one_form() {
    let Some(attack) = Attack::new() else { return };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: api.test:8080\r\n\r\n");
    for (path, sent) in [
        ("/./ok", "GET /ok"),
        ("/%6fk", "GET /ok"),
        ("/x/../ok", "GET /ok"),
        ("/x/%2e%2E/ok?q=/../hidden", "GET /ok?q=/../hidden"),
        ("/ok/a%20b", "GET /ok/a%20b"),
    ] {
        let (statuses, _, seen) = attack.send(get(path));
        let lines: Vec<&str> = seen.iter().map(Seen::line).collect();
        assert_eq!((statuses, lines), (vec![200], vec![sent]), "{path}");
    }
    for path in [
        "/ok/../hidden",
        "/ok/%2e%2e/hidden",
        "/ok/.%2e/hidden",
        "/ok/..%2fhidden",
        "/ok/%2e%2e%2fhidden",
        "/ok/..%5chidden",
        "/ok/..\\hidden",
        "/ok%00",
        "/ok/%",
        "/ok/%2",
        "/ok/%zz",
        "/hidden#/ok",
        "/ok/%25%32%65%25%32%65/%2e%2e/../hidden",
    ] {
        let (statuses, _, seen) = attack.send(get(path));
        assert_eq!(seen, [], "{path}");
        assert!(matches!(statuses[..], [400 | 403]), "{path}: {statuses:?}");
    }
}

#[test]
fn a_head_beyond_its_limits_is_refused() {
    let Some(attack) = Attack::new() else { return };
    let long = format!(
        "GET /ok/{} HTTP/1.1\r\nHost: api.test:8080\r\n\r\n",
        "a".repeat(17_000)
    );
    let wide = post(&format!("X: {}", "a".repeat(17_000)), "");
    let many = post("X: y\r\n".repeat(101).trim_end(), "");
    for head in [long, wide, many] {
        let (statuses, closed, seen) = attack.send(&head);
        assert_eq!(seen, []);
        assert!(
            closed && matches!(statuses[..], [414 | 431]),
            "{statuses:?}"
        );
    }
    let almost = post("X: y\r\n".repeat(90).trim_end(), "");
    assert_eq!(attack.send(almost).0, [200], "a few less pass");
}
