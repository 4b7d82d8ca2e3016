//! The client: h2load, which speaks both HTTPs, opens connections anew each time and tells every request's time.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::ground::Ground;
use crate::meter;
use crate::numbers::percentile;
use crate::subjects::{Mode, Subject};

/// How many requests, over how many connections.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Connections.
    pub connections: usize,
    /// Requests at once on one connection.
    pub at_once: usize,
    /// Requests in all.
    pub requests: usize,
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Nanoseconds of the proxy's processors for one request.
    pub processor: f64,
    /// Median of a request's time in microseconds.
    pub p50: f64,
    /// 99th percentile of the same.
    pub p99: f64,
    /// Requests a second.
    pub rate: f64,
}

/// Runs a load that must succeed whole.
pub fn run(ground: &Ground, subject: &Subject, mode: Mode, path: &str, shape: Shape) -> Took {
    let times = ground.path("times");
    let _ = fs::remove_file(&times);
    let mut command = client(subject, mode);
    command
        .args(["-t1", "-c", &shape.connections.to_string()])
        .args(["-m", &shape.at_once.to_string()])
        .args(["-n", &shape.requests.to_string()])
        .arg(format!("--log-file={}", times.display()))
        .arg(mode.url(subject.name, path));
    let before = meter::processor(&subject.pids);
    let output = command.output().expect("h2load");
    let after = meter::processor(&subject.pids);
    let text = String::from_utf8_lossy(&output.stdout);
    let all = format!("status codes: {} 2xx, 0 3xx, 0 4xx, 0 5xx", shape.requests);
    assert!(
        text.contains(&all),
        "{} {mode:?} {path} {shape:?}: {text}{}",
        subject.name,
        String::from_utf8_lossy(&output.stderr)
    );
    let list = durations(&times);
    Took {
        processor: (after - before) as f64 / shape.requests as f64,
        p50: percentile(&list, 0.5),
        p99: percentile(&list, 0.99),
        rate: rate(&text),
    }
}

/// Starts a load that makes one request on each connection and then holds it without another.
pub fn hold(
    subject: &Subject,
    mode: Mode,
    path: &str,
    connections: usize,
    script: &PathBuf,
) -> Child {
    let url = mode.url(subject.name, path);
    fs::write(script, format!("0\t{url}\n3000000\t{url}\n")).expect("timing script");
    let mut command = client(subject, mode);
    command
        .args(["-t1", "-c", &connections.to_string()])
        .arg(format!("--timing-script-file={}", script.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("h2load")
}

/// h2load where the subject's clients are.
pub fn client(subject: &Subject, mode: Mode) -> Command {
    let mut command = match subject.client {
        None => Command::new("h2load"),
        Some(pid) => {
            let mut command = Command::new("nsenter");
            command.args(["-t", &pid.to_string(), "-n", "h2load"]);
            command
        }
    };
    if mode != Mode::TlsTwo {
        command.arg("--h1");
    }
    command.stdin(Stdio::null());
    command
}

fn durations(file: &PathBuf) -> Vec<f64> {
    let text = fs::read_to_string(file).expect("times");
    let last = text
        .lines()
        .filter_map(|line| line.rsplit('\t').next()?.parse().ok());
    last.collect()
}

fn rate(text: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with("finished in"));
    let word = line.and_then(|line| line.split(", ").nth(1)?.split(' ').next());
    word.and_then(|word| word.parse().ok()).expect("a rate")
}

/// How long so many connections may take until all are open and quiet.
pub fn settle(connections: usize) -> std::time::Duration {
    std::time::Duration::from_millis(1500 + connections as u64 * 2)
}
