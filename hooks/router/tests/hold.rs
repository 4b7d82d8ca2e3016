//! What a sandbox may hold on to: requests under way are numbered, and end with what allowed them.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use common::{Rig, Sandbox, able};

const HOSTS: &[&str] = &["api.test"];

fn policy(access: &str) -> String {
    format!(
        "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - {{ host: api.test, port: 80, protocol: rest, access: {access} }}\n"
    )
}

fn send(address: Ipv4Addr, head: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect((address, 80)).expect("connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("time-out");
    stream.write_all(head.as_bytes()).expect("head");
    let mut buffer = [0; 1024];
    let length = stream.read(&mut buffer).expect("answer");
    let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
    (stream, answer)
}

/// Send pieces until the connection is cut; `None` when it never is.
fn upload(stream: &mut TcpStream) -> Option<Duration> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(3) {
        if stream.write_all(b"5\r\npiece\r\n").is_err() {
            return Some(begin.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

#[test]
fn an_upload_whose_answer_came_early_is_recorded_whole_and_ends_with_its_permission() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, &policy("full"));
    let address = sandbox.address("api.test");
    let head = "POST /early HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n";
    let (mut stream, answer) = sandbox.netns.within(move || send(address, head));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    sandbox.edit(&policy("read-only"));
    assert!(
        upload(&mut stream).is_some(),
        "bytes left after the policy had narrowed"
    );
    let event = rig.audited("a", |event| event.path.as_deref() == Some("/early"));
    assert!(event.bytes_out >= 5, "{event:?}");
}

#[test]
fn websockets_count_as_requests_and_the_next_one_is_told_so() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, &policy("full"));
    let address = sandbox.address("api.test");
    let head =
        "GET /ws HTTP/1.1\r\nHost: api.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let (held, refused) = sandbox.netns.within(move || {
        let mut held = Vec::new();
        loop {
            let (stream, answer) = send(address, head);
            if !answer.starts_with("HTTP/1.1 101") || held.len() > 600 {
                return (held, answer);
            }
            held.push(stream);
        }
    });
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert_eq!(held.len(), 512);
    drop(held);
    rig.wait_until("room again", || {
        let (_, answer) = sandbox.netns.within(move || send(address, head));
        answer.starts_with("HTTP/1.1 101")
    });
}
