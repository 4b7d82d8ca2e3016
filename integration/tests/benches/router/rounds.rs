//! The rounds: in each, every subject in every mode once, in a new order.

use nemoclaw_tests::bench::Dice;
use nemoclaw_tests::world::dist_dir;

use crate::command_line::Wish;
use crate::ground::Ground;
use crate::load::{self, Shape};
use crate::meter;
use crate::numbers::Samples;
use crate::ours::{Router, Sandbox, policy};
use crate::peers;
use crate::subjects::{BEFORE, DIRECT, FENCED, Mode, OURS, PEERS, Subject, wanted};
use crate::upstream::{LARGE, LARGE_BYTES, SMALL};

/// Microseconds of processor time for one request on kept connections.
pub const REQUEST: &str = "cpu_us_per_request";
/// Milliseconds of processor time for a new connection and its one request.
pub const FRESH: &str = "cpu_ms_per_connection";
/// Seconds of processor time for 10^9 bytes.
pub const BULK: &str = "cpu_s_per_gb";
/// Median time of a request, one at a time, in microseconds.
pub const P50: &str = "p50_us";
/// 99th percentile of the same.
pub const P99: &str = "p99_us";
/// Requests a second over many connections.
pub const RATE: &str = "requests_per_s";
/// Bytes before any connection.
pub const IDLE: &str = "idle_bytes";
/// Bytes for one connection that is kept open.
pub const HELD: &str = "bytes_per_connection";

/// Path pattern of the bench's policy.
pub const PATHS: &str = "/api/**";
const MANY: usize = 32;
const STREAMS: usize = 8;
const FRESH_AT_ONCE: usize = 200;
/// Connections that are kept open to see what each costs.
const KEPT: usize = 400;

/// All subjects, then all rounds; the first warms up and is not counted.
pub fn run(ground: &Ground, wish: &Wish, samples: &mut Samples) {
    let router = Router::start(ground, "router", &dist_dir());
    let before = wish
        .before
        .as_ref()
        .map(|binaries| Router::start(ground, BEFORE, binaries));
    let mut sandboxes = Vec::new();
    let mut subjects = vec![Subject {
        name: DIRECT,
        client: None,
        pids: Vec::new(),
    }];
    let mut add = |name: &'static str, router: &Router, sandbox: Sandbox| {
        subjects.push(sandbox.subject(name, router));
        sandboxes.push(sandbox);
    };
    add(
        OURS,
        &router,
        Sandbox::plain(&router, "plain", &policy(0, PATHS)),
    );
    add(
        FENCED,
        &router,
        Sandbox::fenced(&router, "fenced", &policy(0, PATHS)),
    );
    if let Some(before) = &before {
        add(
            BEFORE,
            before,
            Sandbox::plain(before, "plain-before", &policy(0, PATHS)),
        );
    }
    let mut running = Vec::new();
    for name in PEERS.into_iter().filter(|name| wanted(wish, name)) {
        match peers::start(ground, name, wish.logs) {
            Ok(peer) => {
                subjects.push(peer.subject.clone());
                running.push(peer);
            }
            Err(sentence) => samples.left_out.push(sentence),
        }
    }
    subjects.retain(|subject| subject.name == DIRECT || wanted(wish, subject.name));
    for subject in subjects.iter().filter(|subject| !subject.pids.is_empty()) {
        samples.add(subject.name, "", IDLE, meter::memory(&subject.pids));
    }
    let modes = Mode::ALL.into_iter().filter(|mode| mode.wanted(wish));
    let mut order: Vec<(&Subject, Mode)> = modes
        .flat_map(|mode| subjects.iter().map(move |subject| (subject, mode)))
        .collect();
    let mut dice = Dice::new(wish.seed);
    for round in 0..=wish.rounds {
        dice.shuffle(&mut order);
        let mut of_this_round = Samples::default();
        for (subject, mode) in &order {
            visit(ground, subject, *mode, wish.requests, &mut of_this_round);
        }
        if round > 0 {
            samples.take(of_this_round);
        }
    }
    if wish.has("memory") {
        for (subject, mode) in order.iter().filter(|(subject, _)| !subject.pids.is_empty()) {
            let bytes = held(ground, subject, *mode, KEPT);
            samples.add(subject.name, mode.name(), HELD, bytes);
        }
    }
}

/// One subject in one mode.
fn visit(ground: &Ground, subject: &Subject, mode: Mode, requests: usize, samples: &mut Samples) {
    let streams = if mode == Mode::TlsTwo { STREAMS } else { 1 };
    let mut add = |measure, value| samples.add(subject.name, mode.name(), measure, value);
    let many = Shape {
        connections: MANY / streams,
        at_once: streams,
        requests,
    };
    let took = load::run(ground, subject, mode, SMALL, many);
    add(REQUEST, took.processor / 1e3);
    add(RATE, took.rate);
    let one = Shape {
        connections: 1,
        at_once: 1,
        requests: requests / 4,
    };
    let took = load::run(ground, subject, mode, SMALL, one);
    add(P50, took.p50);
    add(P99, took.p99);
    let large = Shape {
        connections: 2,
        at_once: 1,
        requests: 16,
    };
    let took = load::run(ground, subject, mode, LARGE, large);
    add(BULK, took.processor / LARGE_BYTES as f64);
    let fresh = Shape {
        connections: FRESH_AT_ONCE,
        at_once: 1,
        requests: FRESH_AT_ONCE,
    };
    let took = load::run(ground, subject, mode, SMALL, fresh);
    add(FRESH, took.processor / 1e6);
}

/// Bytes that each of `connections` costs while nothing passes.
pub fn held(ground: &Ground, subject: &Subject, mode: Mode, connections: usize) -> f64 {
    let before = meter::memory(&subject.pids);
    let mut client = load::hold(subject, mode, SMALL, connections, &ground.path("hold"));
    std::thread::sleep(load::settle(connections));
    let during = meter::memory(&subject.pids);
    client.kill().expect("kill");
    client.wait().expect("wait");
    (during - before) / connections as f64
}
