//! One sandbox that floods the router: it is cut or slowed, the router's memory stays, and another sandbox is served.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::two::{
    self, CONTINUATION, END_HEADERS, END_STREAM, HEADERS, PING, RESET, SETTINGS, Two,
};
use common::{Rig, Sandbox, able};

const POLICY: &str = "version: 1
network_policies:
  api:
    endpoints:
      - { host: api.test, port: 443, protocol: rest, access: full }
      - { host: api.test, port: 80, protocol: rest, access: full }
";

/// `ENHANCE_YOUR_CALM`: too much of something.
const TOO_MUCH: u32 = 11;
/// What the worker may grow by under any flood, KiB.
const GROWTH: u64 = 32 * 1024;
/// How long another sandbox's request may take meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends the other sandbox's requests, also when an assertion fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Flood {
    rig: Rig,
    attacker: Sandbox,
    other: Sandbox,
}

impl Flood {
    fn new(port: u16) -> Option<Flood> {
        if !able() {
            return None;
        }
        let rig = Rig::start(&["api.test"]);
        let attacker = Sandbox::new(&rig, "a", port, POLICY);
        let other = Sandbox::new(&rig, "b", 443, POLICY);
        let first = other.curl("api.test", &["https://api.test/"]);
        assert_eq!(first.status, 200, "{first:?}");
        Some(Flood {
            rig,
            attacker,
            other,
        })
    }

    /// Let the attacker do `work` on a connection by HTTP/2, and meanwhile serve the other one.
    fn run<T: Send + 'static>(&self, work: impl FnOnce(Two) -> T + Send + 'static) -> T {
        let (address, ca) = (
            self.attacker.address("api.test"),
            self.attacker.ca().to_owned(),
        );
        self.beside(move || work(Two::open(address, 443, "api.test", &ca)))
    }

    fn beside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let worker = self.rig.status().worker_pid;
        let before = self.rig.worker_memory();
        let over = AtomicBool::new(false);
        let done = std::thread::scope(|scope| {
            let _over = Over(&over);
            let served = scope.spawn(|| {
                let mut slowest = Duration::ZERO;
                while !over.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    let answer = self.other.curl("api.test", &["https://api.test/"]);
                    assert_eq!(answer.status, 200, "{answer:?}");
                    slowest = slowest.max(begin.elapsed());
                }
                slowest
            });
            let done = self.attacker.netns.within(work);
            let grown = self.rig.worker_memory().saturating_sub(before);
            over.store(true, Ordering::Relaxed);
            let slowest = served.join().expect("the other sandbox");
            assert!(grown < GROWTH, "the worker grew by {grown} KiB");
            assert!(slowest < PATIENCE, "the other sandbox waited {slowest:?}");
            done
        });
        assert_eq!(self.rig.status().worker_pid, worker, "the same worker");
        done
    }
}

fn request(path: &str) -> Vec<u8> {
    two::fields(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "api.test"),
        (":path", path),
    ])
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    let Some(flood) = Flood::new(443) else { return };
    flood.rig.asked_upstream();
    let (sent, last) = flood.run(|mut two| {
        let block = request("/reset");
        let mut sent = 0;
        for round in 0..200_u32 {
            let mut frames = Vec::new();
            for number in 0..100 {
                let stream = (round * 100 + number) * 2 + 1;
                frames.extend(two::frame(
                    HEADERS,
                    END_HEADERS | END_STREAM,
                    stream,
                    &block,
                ));
                frames.extend(two::frame(RESET, 0, stream, &8_u32.to_be_bytes()));
            }
            if two.send_all(&frames).is_err() {
                break;
            }
            sent += 100;
        }
        (sent, two.last_word())
    });
    let asked = flood.rig.asked_upstream();
    let asked = asked.iter().filter(|line| line.contains("/reset")).count();
    assert!(matches!(last, None | Some(TOO_MUCH)), "{last:?}");
    assert!(
        asked <= 400,
        "of {sent} requests {asked} reached the upstream"
    );
}

#[test]
fn a_head_without_an_end_ends_the_connection() {
    let Some(flood) = Flood::new(443) else { return };
    let last = flood.run(|mut two| {
        two.send(HEADERS, END_STREAM, 1, &request("/"))
            .expect("headers");
        for _ in 0..20_000 {
            let field = two::fields(&[("x", "y")]);
            if two.send(CONTINUATION, 0, 1, &field).is_err() {
                break;
            }
        }
        two.last_word()
    });
    assert!(matches!(last, None | Some(TOO_MUCH)), "{last:?}");
}

#[test]
fn empty_pieces_of_a_head_end_the_connection() {
    let Some(flood) = Flood::new(443) else { return };
    let last = flood.run(|mut two| {
        two.send(HEADERS, END_STREAM, 1, &request("/"))
            .expect("headers");
        let many = two::frame(CONTINUATION, 0, 1, &[]).repeat(1000);
        let _ = (0..200).take_while(|_| two.send_all(&many).is_ok()).count();
        two.last_word()
    });
    assert!(matches!(last, None | Some(TOO_MUCH)), "{last:?}");
}

#[test]
fn fields_that_grow_when_they_are_read_are_refused() {
    let Some(flood) = Flood::new(443) else { return };
    flood.rig.asked_upstream();
    flood.run(|mut two| {
        // One field of 4,000 bytes is remembered, then named a thousand times by one byte each.
        let mut block = request("/bomb");
        let mut big = two::fields(&[("x", &"a".repeat(4_000))]);
        big[0] = 0x40;
        block.extend(big);
        block.extend([0x80 | 62].repeat(1000));
        two.send(HEADERS, END_STREAM | END_HEADERS, 1, &block)
            .expect("headers");
        let end = two.end_of(1);
        assert_ne!(end, two::End::Answered(200), "{end:?}");
    });
    assert!(!flood.rig.asked_upstream().contains(&"GET /bomb".to_owned()));
}

#[test]
fn settings_and_pings_without_end_are_answered_only_as_fast_as_the_answers_are_read() {
    let Some(flood) = Flood::new(443) else { return };
    for kind in [PING, SETTINGS] {
        flood.run(move |mut two| {
            let payload: &[u8] = if kind == PING {
                &[0; 8]
            } else {
                &[0, 4, 0, 1, 0, 0]
            };
            let many = two::frame(kind, 0, 0, payload).repeat(1000);
            let begin = Instant::now();
            // Until nothing more is taken.
            while begin.elapsed() < Duration::from_secs(3) && two.send_all(&many).is_ok() {}
        });
    }
}

#[test]
fn connections_that_never_finish_their_head_take_only_their_own_sandboxs_room() {
    let Some(flood) = Flood::new(80) else { return };
    let address = flood.attacker.address("api.test");
    flood.beside(move || {
        let slow: Vec<TcpStream> = (0..600)
            .map(|_| {
                let mut stream = TcpStream::connect((address, 80)).expect("connect");
                // Beyond its room it is reset.
                let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: api.test\r\nX: ");
                stream
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        let refused = slow
            .iter()
            .filter(|stream| {
                stream.set_nonblocking(true).expect("non-blocking");
                let end = (&mut &**stream).read(&mut [0]);
                !matches!(end, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
            })
            .count();
        assert_eq!(refused, 600 - 512, "the room of one sandbox");
    });
}
