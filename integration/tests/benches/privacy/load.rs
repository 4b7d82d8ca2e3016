//! The clients: h2load for the time of whole requests, and a small program for the first word of a stream.

use std::time::Duration;

use nemoclaw_tests::Output;
use nemoclaw_tests::node::{Node, Sandbox};
use nemoclaw_tests::shell::finish;

use crate::meter;
use crate::numbers::percentile;

/// Where a client stands.
#[derive(Clone, Copy)]
pub enum From<'a> {
    /// On the host.
    Host(&'a Node),
    /// In a sandbox.
    Sandbox(&'a Sandbox<'a>),
}

impl From<'_> {
    fn run(self, script: &str) -> Output {
        match self {
            From::Sandbox(sandbox) => sandbox.exec(&["sh", "-c", script]),
            From::Host(node) => {
                let mut command = std::process::Command::new("nsenter");
                command
                    .arg(format!("--net={}", node.host.path().display()))
                    .args(["sh", "-c", script])
                    .current_dir(node.dir.path());
                finish(command, None, Duration::from_secs(120))
            }
        }
    }
}

/// What a run took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// Median of a request's time in microseconds.
    pub p50: f64,
    /// 99th percentile of the same.
    pub p99: f64,
    /// Microseconds of the watched processes' processors for one request.
    pub processor: f64,
}

/// Sends a body so many times over one connection, one at a time; every answer must be 200.
pub fn requests(from: From<'_>, url: &str, body: &str, count: usize, watched: &[i32]) -> Took {
    let script = format!(
        "rm -f times; h2load --h1 -t1 -c1 -m1 -n{count} -H 'content-type: application/json' -d {body} --log-file=times {url} >said && cat said times"
    );
    let before = meter::processor(watched);
    let said = from.run(&script).ok();
    let after = meter::processor(watched);
    let all = format!("status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx");
    assert!(said.stdout.contains(&all), "{url} {body}: {said:?}");
    let times: Vec<f64> = said
        .stdout
        .lines()
        .filter(|line| line.split('\t').count() == 3)
        .filter_map(|line| line.rsplit('\t').next()?.parse().ok())
        .collect();
    assert_eq!(times.len(), count, "{said:?}");
    Took {
        p50: percentile(&times, 0.5),
        p99: percentile(&times, 0.99),
        processor: (after - before) as f64 / 1e3 / count as f64,
    }
}

/// Microseconds from the request to the first event with a word, the median of `count` over one connection.
pub fn first_word(from: From<'_>, address: &str, host: &str, body: &str, count: usize) -> f64 {
    let program = include_str!("first_word.py");
    let script =
        format!("/usr/bin/python3 - {address} {host} {body} {count} <<'END'\n{program}\nEND");
    let said = from.run(&script).ok();
    let times: Vec<f64> = said
        .stdout
        .lines()
        .map(|line| line.parse().expect("a time"))
        .collect();
    assert_eq!(times.len(), count, "{said:?}");
    percentile(&times, 0.5)
}
