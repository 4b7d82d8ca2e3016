//! What a sandbox may spend in an hour, whatever it does to the worker.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::{Rig, Sandbox, able};

const HOSTS: &[&str] = &["api.test", "raw.test"];

fn policy(budgets: &str) -> String {
    format!(
        "version: 1\nbudgets: {{ {budgets} }}\nnetwork_policies:\n  api:\n    endpoints:\n      - {{ host: api.test, port: 443, protocol: rest, access: full }}\n  raw:\n    endpoints:\n      - {{ host: raw.test, ports: [443, 2222] }}\n"
    )
}

#[test]
fn one_request_too_many_is_a_429_that_a_program_can_read_and_a_dead_worker_gives_none_back() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("requests: 3"));
    let get = || sandbox.curl("api.test", &["https://api.test/x"]);
    for _ in 0..3 {
        assert_eq!(get().status, 200);
    }
    let refused = get();
    assert_eq!(refused.status, 429);
    let said = refused.json();
    assert_eq!(said["budget"]["axis"], "requests");
    assert_eq!(said["budget"]["limit"], 3);
    assert!(
        said["budget"]["retry_after"].as_u64().unwrap() > 3000,
        "{said}"
    );
    let worker = rig.status().worker_pid.expect("a worker");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(worker),
        nix::sys::signal::Signal::SIGKILL,
    )
    .expect("kill");
    rig.wait_until("another worker", || {
        rig.status().worker_pid.is_some_and(|pid| pid != worker)
    });
    rig.wait_until("served", || get().status == 429);
    let event = rig.audited("a", |event| {
        event
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("budget of 3 requests"))
    });
    assert_eq!(event.verdict, "deny");
    sandbox.edit(&policy("requests: 10"));
    rig.wait_until("a larger budget", || get().status == 200);
}

#[test]
fn a_body_that_is_longer_than_the_budget_closes_the_way_for_what_follows() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("bytes_out: 1000"));
    let body = "x".repeat(1500);
    sandbox.curl("api.test", &["-d", &body, "https://api.test/x"]);
    let next = sandbox.curl("api.test", &["https://api.test/x"]);
    assert_eq!(next.status, 429);
    assert_eq!(next.json()["budget"]["axis"], "bytes_out");
}

#[test]
fn a_connection_that_is_passed_through_is_cut_when_its_bytes_are_spent() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 2222, &policy("bytes_out: 4096"));
    let address = sandbox.address("raw.test");
    let sent = sandbox.netns.within(move || {
        let mut stream = TcpStream::connect((address, 2222)).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("time-out");
        let mut heard = [0; 6];
        stream.read_exact(&mut heard).expect("greeting");
        let mut sent = 0;
        for _ in 0..400 {
            if stream.write_all(&[b'x'; 1024]).is_err() {
                return sent;
            }
            sent += 1024;
            std::thread::sleep(Duration::from_millis(10));
        }
        sent
    });
    assert!(sent < 400 * 1024, "never cut");
    rig.audited("a", |event| {
        event
            .reason
            .as_deref()
            .is_some_and(|reason| reason.contains("bytes sent"))
    });
}

#[test]
fn connections_have_a_budget_of_their_own() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("connections: 2"));
    let get = || sandbox.curl("api.test", &["https://api.test/x"]).status;
    assert_eq!((get(), get()), (200, 200));
    assert_ne!(get(), 200);
}
