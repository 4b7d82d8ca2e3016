//! DNS as no resolver speaks it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::Read;
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use common::{Rig, Sandbox, able};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;

const POLICY: &str = "version: 1
network_policies:
  any:
    endpoints:
      - { host: api.test, port: 443, protocol: rest, access: full }
";

/// A header: flags and the four counts.
fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    for word in [flags, counts[0], counts[1], counts[2], counts[3]] {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

/// A question in full.
fn question(name: &str, kind: u16, class: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes
}

/// What comes back within a moment.
fn exchange(sandbox: &Sandbox, packet: Vec<u8>) -> Option<Vec<u8>> {
    sandbox.netns.within(move || {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("time-out");
        socket.connect("198.18.0.53:53").expect("connect");
        socket.send(&packet).expect("send");
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).ok()?;
        Some(buffer[..length].to_vec())
    })
}

fn code(answer: Option<Vec<u8>>) -> Option<ResponseCode> {
    let message = Message::from_vec(&answer?).expect("a sound answer");
    assert_eq!(message.metadata.id, 0x1234);
    assert!(message.answers.is_empty(), "{message:?}");
    Some(message.metadata.response_code)
}

#[test]
fn packets_that_are_no_question_get_no_answer_and_do_no_harm() {
    if !able() {
        return;
    }
    let rig = Rig::start(&["api.test"]);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let worker = rig.status().worker_pid;
    let one = header(0x0100, [1, 0, 0, 0]);
    let with = |rest: &[u8]| [&one[..], rest].concat();
    let end = [0, 1, 0, 1];
    let long: Vec<u8> = (0..5)
        .flat_map(|_| [&[63][..], &[b'a'; 63]].concat())
        .collect();
    let packets = [
        vec![],
        vec![0],
        header(0x0100, [1, 0, 0, 0])[..11].to_vec(),
        header(0x0100, [1, 0, 0, 0]),
        with(&[3, b'a', b'p']),
        // Pointers: at themselves, at each other, ahead, behind the end.
        with(&[&[0xc0, 12][..], &end].concat()),
        with(&[&[0xc0, 14, 0xc0, 12][..], &end].concat()),
        with(&[&[1, b'a', 0xc0, 12][..], &end].concat()),
        with(&[&[0xc0, 20][..], &end].concat()),
        with(&[&[0xff, 0xff][..], &end].concat()),
        // Lengths that no label has, and a name that no name is.
        with(&[&[0x40, b'a', 0][..], &end].concat()),
        with(&[&[0x80, b'a', 0][..], &end].concat()),
        with(&[&long[..], &[0], &end].concat()),
        // Counts of what is not there.
        [header(0x0100, [65535, 0, 0, 0]), question("api.test", 1, 1)].concat(),
        [header(0x0100, [1, 65535, 0, 0]), question("api.test", 1, 1)].concat(),
        [header(0x0100, [1, 0, 0, 65535]), question("api.test", 1, 1)].concat(),
        // An answer.
        [header(0x8180, [1, 0, 0, 0]), question("api.test", 1, 1)].concat(),
        vec![0xff; 512],
        vec![0xc0; 4096],
        [
            header(0x0100, [1, 0, 0, 0]),
            question("api.test", 1, 1),
            vec![0; 9000],
        ]
        .concat()[..9000]
            .to_vec(),
    ];
    for packet in packets {
        let shown: Vec<u8> = packet.iter().take(40).copied().collect();
        // Bytes behind a whole message are no part of it; such a packet may be answered, but never with more than a name.
        let answer = exchange(&sandbox, packet);
        assert!(answer.is_none_or(|answer| answer.len() <= 64), "{shown:?}");
        assert_eq!(
            sandbox.ask("api.test", RecordType::A).0,
            ResponseCode::NoError
        );
    }
    assert_eq!(rig.status().worker_pid, worker, "the same worker");
}

#[test]
fn questions_of_other_kinds_are_refused_in_words() {
    if !able() {
        return;
    }
    let rig = Rig::start(&["api.test"]);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let ask = |flags, counts, parts: &[Vec<u8>]| {
        let packet = [vec![header(flags, counts)], parts.to_vec()]
            .concat()
            .concat();
        code(exchange(&sandbox, packet))
    };
    let api = || question("api.test", 1, 1);
    for (flags, told) in [
        (0x2800, ResponseCode::NotImp),
        (0x2000, ResponseCode::NotImp),
        (0x1000, ResponseCode::NotImp),
    ] {
        assert_eq!(ask(flags, [1, 0, 0, 0], &[api()]), Some(told), "{flags:x}");
    }
    let two = [api(), question("evil.test", 1, 1)];
    assert_eq!(ask(0x0100, [2, 0, 0, 0], &two), Some(ResponseCode::FormErr));
    assert_eq!(ask(0x0100, [0, 0, 0, 0], &[]), Some(ResponseCode::FormErr));
    let chaos = question("version.bind", 16, 3);
    assert_eq!(
        ask(0x0100, [1, 0, 0, 0], &[chaos]),
        Some(ResponseCode::Refused)
    );
    for kind in [2, 5, 6, 12, 15, 16, 28, 33, 65, 252, 255] {
        let told = ask(0x0100, [1, 0, 0, 0], &[question("api.test", kind, 1)]);
        assert_eq!(told, Some(ResponseCode::NoError), "type {kind}: no data");
        let told = ask(0x0100, [1, 0, 0, 0], &[question("data.evil.test", kind, 1)]);
        assert_eq!(told, Some(ResponseCode::NXDomain), "type {kind}");
    }
}

#[test]
fn an_answer_is_never_much_longer_than_its_question() {
    if !able() {
        return;
    }
    let rig = Rig::start(&["api.test"]);
    let sandbox = Sandbox::new(&rig, "a", 443, POLICY);
    let options = vec![
        0, 0, 41, 0xff, 0xff, 0, 0, 0, 0, 0, 8, 0, 10, 0, 4, 1, 2, 3, 4,
    ];
    let packet = [
        header(0x0100, [1, 0, 0, 1]),
        question("api.test", 1, 1),
        options,
    ]
    .concat();
    let length = packet.len();
    let answer = exchange(&sandbox, packet).expect("an answer");
    let message = Message::from_vec(&answer).expect("message");
    assert_eq!(message.answers.len(), 1);
    assert!(message.edns.is_some(), "EDNS is answered in kind");
    assert!(answer.len() <= length + 16, "{} of {length}", answer.len());
}

#[test]
fn dns_by_tcp_is_refused_at_once_and_on_record() {
    if !able() {
        return;
    }
    let rig = Rig::start(&["api.test"]);
    let sandbox = Sandbox::new(&rig, "a", 53, POLICY);
    let heard = sandbox.netns.within(|| {
        let mut stream = TcpStream::connect("198.18.0.53:53")?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.read(&mut [0])
    });
    let error = heard.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    rig.audited("a", |event| {
        event.kind == "tcp" && event.port == 53 && event.verdict == "deny"
    });
}
