//! The audit log: what must not be lost is written before it is heard of, and without a log nothing new passes.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Rig, Sandbox, able};
use hickory_proto::rr::RecordType;
use nemoclaw_api::audit::record::Record;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HOSTS: &[&str] = &["api.test"];
const RAW: &str = "version: 1\nnetwork_policies:\n  raw:\n    endpoints:\n      - { host: api.test, port: 2222 }\n";
const REST: &str = "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - { host: api.test, port: 80, protocol: rest, access: full }\n";

fn end_worker(rig: &Rig) {
    let worker = rig.status().worker_pid.expect("a worker");
    kill(Pid::from_raw(worker), Signal::SIGKILL).expect("kill");
    rig.wait_until("another worker", || {
        rig.status().worker_pid.is_some_and(|pid| pid != worker)
    });
}

fn phases(rig: &Rig, kind: &str) -> Vec<(Option<String>, u64)> {
    let all = rig.audit("a").into_iter();
    all.filter(|event| event.kind == kind && event.verdict == "allow")
        .map(|event| (event.phase, event.bytes_in))
        .collect()
}

#[test]
fn an_open_connection_is_on_record_although_the_worker_is_killed() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 2222, RAW);
    let address = sandbox.address("api.test");
    let connect = move || {
        let mut stream = TcpStream::connect((address, 2222)).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("time-out");
        stream.read_exact(&mut [0; 6]).expect("greeting");
        stream
    };
    let killed = sandbox.netns.within(connect);
    end_worker(&rig);
    drop(killed);
    rig.wait_until("the open line", || {
        phases(&rig, "tcp") == [(Some("open".to_owned()), 0)]
    });
    drop(sandbox.netns.within(connect));
    rig.wait_until("a whole flow has two lines", || {
        phases(&rig, "tcp").len() == 3
    });
    let last = phases(&rig, "tcp").pop().expect("a line");
    assert!(
        last.0.as_deref() == Some("close") && last.1 >= 6,
        "{last:?}"
    );
    // Two flows and the look-up: a close line is no decision of its own.
    assert_eq!(rig.boxed("a").allowed, 3);
}

#[test]
fn what_is_open_when_the_sandbox_ends_has_its_last_line() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 2222, RAW);
    let address = sandbox.address("api.test");
    let open = sandbox.netns.within(move || {
        let mut stream = TcpStream::connect((address, 2222)).expect("connect");
        stream.read_exact(&mut [0; 6]).expect("greeting");
        stream
    });
    rig.client().release("a").expect("release");
    rig.wait_until("the close line", || {
        let last = phases(&rig, "tcp").pop();
        last.is_some_and(|(phase, bytes)| phase.as_deref() == Some("close") && bytes >= 6)
    });
    drop(open);
}

#[test]
fn a_websocket_is_on_record_before_its_first_byte() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, REST);
    let address = sandbox.address("api.test");
    let stream = sandbox.netns.within(move || {
        let mut stream = TcpStream::connect((address, 80)).expect("connect");
        let head = "GET /ws HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("head");
        stream.read_exact(&mut [0; 12]).expect("answer");
        stream
    });
    rig.wait_until("the open line", || {
        phases(&rig, "http") == [(Some("open".to_owned()), 0)]
    });
    end_worker(&rig);
    drop(stream);
    assert_eq!(phases(&rig, "http").len(), 1);
}

#[test]
fn a_refusal_is_on_record_when_it_is_heard_although_the_worker_is_killed() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, RAW);
    for round in 1..=5 {
        let name = format!("evil{round}.test");
        assert!(sandbox.ask(&name, RecordType::A).1.is_empty());
        end_worker(&rig);
        let found = rig.audit("a").into_iter().any(|event| event.host == name);
        // The warden may still be writing; nothing more comes from the dead worker.
        if !found {
            rig.audited("a", |event| event.host == name);
        }
    }
}

#[test]
fn one_look_up_has_one_line() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, RAW);
    for name in ["evil.test", "api.test"] {
        sandbox.ask(name, RecordType::A);
        sandbox.ask(name, RecordType::AAAA);
    }
    rig.audited("a", |event| event.host == "api.test");
    let lines = |name: &str| {
        let all = rig.audit("a").into_iter();
        all.filter(|event| event.host == name).count()
    };
    assert_eq!((lines("evil.test"), lines("api.test")), (1, 1));
    assert_eq!(rig.boxed("a").denied, 1);
}

#[test]
fn while_the_log_cannot_be_written_nothing_new_passes_and_the_status_says_why() {
    if !able() {
        return;
    }
    let before =
        "mkdir -p $D/data/audit && mount -t tmpfs -o size=64k,mode=700 audit $D/data/audit";
    let rig = Rig::start_with(HOSTS, "", before);
    let sandbox = Sandbox::new(&rig, "a", 80, REST);
    let address = sandbox.address("api.test");
    let ask = || sandbox.curl_at("api.test", address, &["http://api.test/"]);
    assert_eq!(ask().status, 200);
    assert_eq!(rig.status().audit_fault, None);

    let filler = rig.seen("data/audit/filler");
    let mut file = std::fs::File::create(&filler).expect("filler");
    while file.write_all(&[0; 512]).is_ok() {}
    rig.wait_until("the log is full", || {
        ask();
        rig.status().audit_fault.is_some()
    });
    let fault = rig.status().audit_fault.expect("a sentence");
    assert!(
        fault.contains("the audit log of `a` cannot be written"),
        "{fault}"
    );
    assert!(rig.log().contains("nothing new passes"), "{}", rig.log());
    rig.wait_until("the worker knows", || ask().status == 0);
    assert_eq!(
        sandbox.ask("api.test", RecordType::A).0.to_string(),
        "Server Failure"
    );
    let refused = Sandbox::try_new(&rig, "b", 80, REST)
        .err()
        .expect("refused");
    assert!(refused.contains("cannot be written"), "{refused}");
    end_worker(&rig);
    assert_eq!(ask().status, 0, "a new worker knows it too");

    std::fs::remove_file(&filler).expect("remove");
    drop(file);
    rig.wait_until("it can be written again", || {
        rig.status().audit_fault.is_none()
    });
    rig.wait_until("service again", || ask().status == 200);
    let text = std::fs::read_to_string(rig.seen("data/audit/a.jsonl")).expect("log");
    for line in text.lines() {
        let whole: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(whole.is_ok(), "a torn line: {line}");
    }
    let report = rig.verified("a");
    assert_eq!((report.first, report.resumed_over), (1, 0), "{report:?}");
}

#[test]
fn a_flood_of_refused_names_is_counted_and_pushes_nothing_out() {
    if !able() {
        return;
    }
    let rig = Rig::start_with(HOSTS, "audit: { max_bytes: 65536, keep: 8 }\n", "true");
    let sandbox = Sandbox::new(&rig, "a", 443, RAW);
    sandbox.ask("first.test", RecordType::A);
    for number in 0..1500 {
        sandbox.ask(&format!("flood{number}.test"), RecordType::A);
    }
    // The warden gathers decisions for a moment before it counts them.
    rig.wait_until("each counts in the status", || {
        rig.boxed("a").denied == 1501
    });
    rig.client().release("a").expect("release");
    let mut lines = Vec::new();
    for end in [
        "jsonl.8", "jsonl.7", "jsonl.6", "jsonl.5", "jsonl.4", "jsonl.3", "jsonl.2", "jsonl.1",
        "jsonl",
    ] {
        let text =
            std::fs::read_to_string(rig.seen(&format!("data/audit/a.{end}"))).unwrap_or_default();
        let events = text
            .lines()
            .map(|line| Record::parse(line).expect("a record").event());
        lines.extend(events.flatten().filter(|event| event.verdict == "deny"));
    }
    assert!(lines.iter().any(|event| event.host == "first.test"));
    assert!(lines.len() < 400, "{} lines", lines.len());
    let all: u64 = lines.iter().map(|event| event.count.unwrap_or(1)).sum();
    assert_eq!(all, 1501, "a refusal is in no line");
    let report = rig.verified("a");
    assert_eq!((report.first, report.removed_through), (1, 0), "{report:?}");
}

#[test]
fn a_log_goes_on_whole_over_a_killed_router_and_a_sandbox_of_the_same_name() {
    if !able() {
        return;
    }
    let mut rig = Rig::start(HOSTS);
    let first = Sandbox::new(&rig, "a", 443, RAW);
    first.ask("one.test", RecordType::A);
    rig.audited("a", |event| event.host == "one.test");
    rig.client().release("a").expect("release");
    drop(first);
    let second = Sandbox::new(&rig, "a", 443, RAW);
    second.ask("two.test", RecordType::A);
    rig.audited("a", |event| event.host == "two.test");
    rig.kill_and_start();
    second.register_again(&rig);
    second.ask("three.test", RecordType::A);
    rig.audited("a", |event| event.host == "three.test");
    let report = rig.verified("a");
    assert_eq!(report.first, 1);
    assert!(
        report.resumed_over > 0,
        "what was not signed when it was killed is told: {report:?}"
    );
    let names: Vec<String> = rig.audit("a").into_iter().map(|event| event.host).collect();
    for name in ["one.test", "two.test", "three.test"] {
        assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
    }
}

#[test]
fn a_read_only_log_refuses_the_sandbox() {
    if !able() {
        return;
    }
    let before = "mkdir -p $D/data/audit && chmod 700 $D/data/audit && mount -t tmpfs audit $D/data/audit && chmod 700 $D/data/audit";
    let rig = Rig::start_with(HOSTS, "", before);
    let status = std::process::Command::new("nsenter")
        .args([
            "-m",
            "-t",
            &rig.pid().to_string(),
            "mount",
            "-o",
            "remount,ro",
        ])
        .arg(rig.directory.path().join("data/audit"))
        .status()
        .expect("nsenter");
    assert!(status.success());
    let refused = Sandbox::try_new(&rig, "a", 80, REST)
        .err()
        .expect("refused");
    assert!(refused.contains("Read-only file system"), "{refused}");
}
