//! HTTP/2 as no client speaks it, to an upstream that speaks HTTP/1.1: what could become another request on the way down.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use common::recorder::{Recorder, SECURE, Seen};
use common::two::{self, DATA, END_HEADERS, END_STREAM, End, HEADERS, Two};
use common::{Rig, Sandbox, able};

const POLICY: &str = "version: 1
network_policies:
  api:
    endpoints:
      - host: api.test
        port: 8444
        protocol: rest
        rules: [{ allow: { method: '*', path: '/ok' } }]
";

type Fields<'a> = Vec<(&'a str, &'a str)>;

/// A sound request's fields.
fn sound<'a>() -> Fields<'a> {
    vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "api.test:8444"),
        (":path", "/ok"),
    ]
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Fields<'a> {
    [sound(), more.to_vec()].concat()
}

fn other<'a>(name: &str, value: &'a str) -> Fields<'a> {
    let mut fields = sound();
    for field in &mut fields {
        if field.0 == name {
            field.1 = value;
        }
    }
    fields
}

fn without<'a>(name: &str) -> Fields<'a> {
    sound()
        .into_iter()
        .filter(|field| field.0 != name)
        .collect()
}

struct Attack {
    recorder: Recorder,
    sandbox: Sandbox,
    _rig: Rig,
}

impl Attack {
    fn new() -> Option<Attack> {
        if !able() {
            return None;
        }
        let rig = Rig::start(&["api.test"]);
        let recorder = Recorder::start_secure(&rig.outside, rig.outside_ca(), &["api.test"]);
        let sandbox = Sandbox::new(&rig, "a", SECURE, POLICY);
        Some(Attack {
            recorder,
            sandbox,
            _rig: rig,
        })
    }

    /// Send a request on a connection of its own.
    fn send(&self, fields: &[(&str, &str)], body: Option<&'static [u8]>) -> (End, Vec<Seen>) {
        let (address, ca) = (
            self.sandbox.address("api.test"),
            self.sandbox.ca().to_owned(),
        );
        let block = two::fields(fields);
        let end = self.sandbox.netns.within(move || {
            let mut two = Two::open(address, SECURE, "api.test", &ca);
            let flags = END_HEADERS | if body.is_none() { END_STREAM } else { 0 };
            two.send(HEADERS, flags, 1, &block).expect("headers");
            if let Some(body) = body {
                two.send(DATA, END_STREAM, 1, body).expect("data");
            }
            two.end_of(1)
        });
        (end, self.recorder.take())
    }

    fn refused(&self, fields: &[(&str, &str)]) {
        let (end, seen) = self.send(fields, None);
        assert_eq!(seen, [], "{fields:?}");
        assert!(
            matches!(end, End::Reset | End::Gone | End::Answered(400 | 403)),
            "{fields:?}: {end:?}"
        );
    }
}

#[test]
fn a_sound_request_passes_and_becomes_one_of_http1() {
    let Some(attack) = Attack::new() else { return };
    let (end, seen) = attack.send(&with(&[("x-kept", "1")]), None);
    assert_eq!(end, End::Answered(200));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line(), "GET /ok");
    assert_eq!(seen[0].fields("host"), ["api.test:8444"]);
    assert_eq!(seen[0].fields("x-kept"), ["1"]);
    let (end, seen) = attack.send(&other(":path", "/hidden"), None);
    assert_eq!((end, seen), (End::Answered(403), vec![]));
}

#[test]
fn pseudo_fields_come_once_and_first_and_all() {
    let Some(attack) = Attack::new() else { return };
    for fields in [
        with(&[(":path", "/hidden")]),
        with(&[(":method", "POST")]),
        with(&[(":authority", "other.test")]),
        with(&[("x", "y"), (":path", "/hidden")]),
        with(&[(":protocol", "websocket")]),
        with(&[(":status", "200")]),
        with(&[(":unknown", "1")]),
        without(":path"),
        without(":method"),
        without(":authority"),
        other(":path", ""),
        other(":path", "hidden"),
        other(":path", "https://other.test/ok"),
        other(":path", "*"),
        other(
            ":path",
            "/ok HTTP/1.1\r\nHost: other.test\r\n\r\nGET /hidden",
        ),
        other(":path", "/ok\n"),
        other(
            ":method",
            "GET /hidden HTTP/1.1\r\nHost: api.test\r\n\r\nGET",
        ),
        other(":method", "CONNECT"),
        other(":authority", "other.test:8444"),
        other(":authority", "api.test"),
        other(":authority", "x@api.test:8444"),
        other(":authority", "api.test:8444\r\nx: y"),
        other(":authority", ""),
    ] {
        attack.refused(&fields);
    }
}

#[test]
fn fields_that_would_frame_or_split_a_request_of_http1_are_refused() {
    let Some(attack) = Attack::new() else { return };
    for field in [
        ("host", "other.test"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive"),
        ("keep-alive", "1"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "websocket"),
        ("X-Upper", "1"),
        ("x y", "1"),
        ("x:y", "1"),
        ("x\r\ny", "1"),
        ("", "1"),
        ("x", "a\r\nTransfer-Encoding: chunked"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("te", "gzip"),
    ] {
        attack.refused(&with(&[field]));
    }
}

#[test]
fn a_body_is_as_long_as_it_says_and_framed_anew() {
    let Some(attack) = Attack::new() else { return };
    let post = |length: &'static str| {
        let mut fields = other(":method", "POST");
        fields.push(("content-length", length));
        fields
    };
    let (end, seen) = attack.send(&post("5"), Some(b"0\r\n\r\n"));
    assert_eq!(end, End::Answered(200));
    assert_eq!((seen.len(), seen[0].body.as_str()), (1, "0\r\n\r\n"));
    for (length, body) in [
        ("0", &b"GET /hidden HTTP/1.1\r\n\r\n"[..]),
        ("3", b"abcde"),
        ("50", b"abcde"),
        ("+5", b"abcde"),
        ("5, 5", b"abcde"),
    ] {
        let (end, seen) = attack.send(&post(length), Some(body));
        assert_eq!(seen, [], "{length}: {end:?}");
        assert_ne!(end, End::Answered(200), "{length}");
    }
    let twice = [post("5"), vec![("content-length", "6")]].concat();
    let (end, seen) = attack.send(&twice, Some(b"abcde"));
    assert_eq!(seen, [], "{end:?}");
}
