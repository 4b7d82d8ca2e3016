//! What must stay flat: long policies, many sandboxes, many connections, and a policy that changes under load.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::world::dist_dir;

use crate::command_line::Wish;
use crate::ground::{Ground, PORT};
use crate::load::{self, Shape};
use crate::meter;
use crate::numbers::Samples;
use crate::ours::{Router, Sandbox, policy};
use crate::rounds::{FRESH, HELD, PATHS, REQUEST};
use crate::subjects::{Mode, OURS};
use crate::upstream::SMALL;

/// Entries of the policies that are compared.
pub const ENTRIES: [usize; 3] = [1, 100, 10_000];
/// Sandboxes that one router serves.
const BOXES: usize = 1000;
/// Bytes for one sandbox without connections.
pub const PER_BOX: &str = "bytes_per_sandbox";
/// Connections that are held idle at once, where the machine allows a process two files for each, and by how many sandboxes.
const IDLE: usize = 10_000;
const HOLDERS: usize = 20;
/// Open files of a worker that are no connections.
const OTHER_FILES: u64 = 1000;
/// How long all of them may take to open.
const PATIENCE: Duration = Duration::from_secs(60);
/// Milliseconds from the rename of a policy to the first request that it lets pass, and to the first that it refuses.
pub const WIDER: &str = "ms_until_allowed";
/// As [`WIDER`].
pub const NARROWER: &str = "ms_until_refused";
/// Requests that were allowed before and after, and failed meanwhile.
pub const LOST: &str = "allowed_requests_lost";
/// The same that were made.
pub const MADE: &str = "allowed_requests_made";

/// All that is asked for.
pub fn run(ground: &Ground, wish: &Wish, samples: &mut Samples) {
    if wish.has("entries") {
        entries(ground, wish, samples);
    }
    if wish.has("boxes") {
        boxes(ground, samples);
    }
    if wish.has("idle") {
        idle(ground, samples);
    }
    if wish.has("reload") {
        reload(ground, wish, samples);
    }
}

/// The subject's name for a policy of so many entries.
pub fn with(entries: usize) -> String {
    format!("{OURS}-{entries}-entries")
}

fn entries(ground: &Ground, wish: &Wish, samples: &mut Samples) {
    let router = Router::start(ground, "router-entries", &dist_dir());
    let sandboxes = ENTRIES.map(|entries| {
        let sandbox = Sandbox::plain(&router, &with(entries), &policy(entries - 1, PATHS));
        (entries, sandbox)
    });
    for round in 0..=wish.rounds {
        for (entries, sandbox) in &sandboxes {
            let subject = sandbox.subject(OURS, &router);
            for mode in [Mode::L4, Mode::L7] {
                let many = Shape {
                    connections: 32,
                    at_once: 1,
                    requests: wish.requests,
                };
                let request = load::run(ground, &subject, mode, SMALL, many);
                let fresh = Shape {
                    connections: 200,
                    at_once: 1,
                    requests: 200,
                };
                let fresh = load::run(ground, &subject, mode, SMALL, fresh);
                if round > 0 {
                    samples.add(
                        &with(*entries),
                        mode.name(),
                        REQUEST,
                        request.processor / 1e3,
                    );
                    samples.add(&with(*entries), mode.name(), FRESH, fresh.processor / 1e6);
                }
            }
        }
    }
}

fn boxes(ground: &Ground, samples: &mut Samples) {
    let router = Router::start(ground, "router-boxes", &dist_dir());
    let before = meter::memory(&router.pids());
    let sandboxes: Vec<Sandbox> = (0..BOXES)
        .map(|number| Sandbox::fenced(&router, &format!("box-{number}"), &policy(0, PATHS)))
        .collect();
    let after = meter::memory(&router.pids());
    samples.add(OURS, "", PER_BOX, (after - before) / BOXES as f64);
    // They serve, the first and the last.
    for sandbox in [&sandboxes[0], &sandboxes[BOXES - 1]] {
        let one = Shape {
            connections: 1,
            at_once: 1,
            requests: 1,
        };
        load::run(
            ground,
            &sandbox.subject(OURS, &router),
            Mode::L7,
            SMALL,
            one,
        );
    }
}

fn idle(ground: &Ground, samples: &mut Samples) {
    let files = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
    let files = files
        .expect("limit of open files")
        .0
        .saturating_sub(OTHER_FILES);
    let each = IDLE.min(usize::try_from(files / 2).expect("files")) / HOLDERS;
    let all = each * HOLDERS;
    if all < IDLE {
        samples.left_out.push(format!("{all} connections are held idle instead of {IDLE}: a process may not open more files here"));
    }
    for mode in Mode::ALL {
        let router = Router::start(ground, &format!("router-idle-{}", mode.name()), &dist_dir());
        let sandboxes: Vec<Sandbox> = (0..HOLDERS)
            .map(|number| Sandbox::plain(&router, &format!("holder-{number}"), &policy(0, PATHS)))
            .collect();
        let pids = router.pids();
        let before = meter::memory(&pids);
        let mut clients: Vec<_> = sandboxes
            .iter()
            .enumerate()
            .map(|(number, sandbox)| {
                let script = ground.path(&format!("hold-{number}"));
                let subject = sandbox.subject(OURS, &router);
                load::hold(&subject, mode, SMALL, each, &script)
            })
            .collect();
        let what = format!("{all} connections that are open");
        wait_for(&what, PATIENCE, || {
            (connections(&router) >= all as u64).then_some(())
        });
        std::thread::sleep(load::settle(0));
        let bytes = (meter::memory(&pids) - before) / all as f64;
        samples.add(&format!("{OURS}-10000-idle"), mode.name(), HELD, bytes);
        for client in &mut clients {
            client.kill().expect("kill");
            client.wait().expect("wait");
        }
    }
}

fn connections(router: &Router) -> u64 {
    let client = nemoclaw_api::client::Client::connect(&router.socket()).expect("router");
    client
        .list()
        .expect("list")
        .iter()
        .map(|known| known.connections)
        .sum()
}

/// Changes a policy back and forth while allowed requests are made without a pause.
fn reload(ground: &Ground, wish: &Wish, samples: &mut Samples) {
    let router = Router::start(ground, "router-reload", &dist_dir());
    let (narrow, wide) = (policy(0, "/api/1k"), policy(0, PATHS));
    let sandbox = Sandbox::plain(&router, "reload", &narrow);
    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let over = over.clone();
            sandbox.within(move || {
                let mut caller = Caller::new();
                let (mut made, mut lost) = (0, 0);
                while !over.load(Ordering::Relaxed) {
                    made += 1;
                    lost += usize::from(caller.status("/api/1k") != Some(200));
                }
                (made, lost)
            })
        })
        .collect();
    for _ in 0..wish.rounds.max(5) {
        for (text, wanted, measure) in [(&wide, 404, WIDER), (&narrow, 403, NARROWER)] {
            std::thread::sleep(Duration::from_millis(150));
            let watch = sandbox.within(move || {
                let mut caller = Caller::new();
                while caller.status("/api/other") != Some(wanted) {}
                Instant::now()
            });
            std::thread::sleep(Duration::from_millis(50));
            let begin = Instant::now();
            sandbox.edit(text);
            let seen = watch.join().expect("watch");
            samples.add(
                OURS,
                Mode::L7.name(),
                measure,
                (seen - begin).as_secs_f64() * 1e3,
            );
        }
    }
    over.store(true, Ordering::Relaxed);
    for caller in load {
        let (made, lost) = caller.join().expect("load");
        samples.add(OURS, Mode::L7.name(), MADE, made as f64);
        samples.add(OURS, Mode::L7.name(), LOST, lost as f64);
    }
}

/// One connection, one request after the other.
struct Caller {
    stream: Option<TcpStream>,
}

impl Caller {
    fn new() -> Caller {
        Caller { stream: None }
    }

    /// The status of the answer; `None` where the connection broke. Every answer here is shorter than the buffer, and comes
    /// whole, or its rest does before the next request.
    fn status(&mut self, path: &str) -> Option<u16> {
        let host = Mode::L7.host(OURS);
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let new = TcpStream::connect((host.as_str(), PORT)).ok()?;
                new.set_nodelay(true).ok()?;
                self.stream.insert(new)
            }
        };
        let status = exchange(stream, &host, path);
        if status.is_none() {
            self.stream = None;
        }
        status
    }
}

fn exchange(stream: &mut TcpStream, host: &str, path: &str) -> Option<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{PORT}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        let length = stream.read(&mut part).ok()?;
        if length == 0 {
            return None;
        }
        answer.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            })?;
            if body.len() >= length {
                return head.split(' ').nth(1)?.parse().ok();
            }
        }
    }
}
