//! What a decision costs, in policies of 1, 100 and 10,000 endpoints: medians, in nanoseconds.
//!
//! `make bench-policy`. Exits with 1 where a median at 10,000 endpoints is above a microsecond.
#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot build its policy has nothing to measure"
)]

use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use nemoclaw_policy::narrow::meet;
use nemoclaw_policy::policy::{NetworkEntry, NetworkLayer};
use nemoclaw_policy::{Flow, HttpRequest, Policy, Source, Verdict};

/// Decisions in one round, and rounds of which the median is taken.
const BATCH: u32 = 2_000;
const ROUNDS: usize = 101;
/// The promise, at 10,000 endpoints.
const LIMIT: f64 = 1_000.0;
const SIZES: [usize; 3] = [1, 100, 10_000];

/// A policy of `size` endpoints, half of them wildcards and each with rules, and one more that is asked about.
fn policy(size: usize, asked: &str) -> Policy {
    let text = |i: usize| {
        let host = match i % 2 {
            0 => format!("host{i}.service{}.example.com", i % 97),
            _ => format!("\"*.zone{i}.example.org\""),
        };
        format!(
            "{{ host: {host}, port: 443, rules: [{{ allow: {{ method: GET, path: \"/v1/**\" }} }}, {{ allow: {{ method: POST, path: \"/v1/*/items\" }} }}], deny_rules: [{{ method: \"*\", path: \"/v1/secret/**\" }}] }}"
        )
    };
    let load = |text: &str| {
        let text = format!("version: 1\nnetwork_policies: {{ e: {{ endpoints: [{text}] }} }}\n");
        Policy::load(&Source::text("/bench.yaml", &text)).unwrap()
    };
    let mut policy = load(asked);
    let mut entries = std::mem::take(&mut policy.network[0].entries);
    // Read in parts, since one text is at most 1 MiB.
    for first in (1..size).step_by(500) {
        let part: Vec<String> = (first..size.min(first + 500)).map(text).collect();
        let part = load(&part.join(", ")).network.remove(0).entries;
        entries.extend(part.into_iter().flat_map(apart));
    }
    policy.network = vec![NetworkLayer::new(
        "/bench.yaml",
        entries,
        Default::default(),
    )];
    policy
}

/// Each endpoint as an entry of its own.
fn apart(entry: NetworkEntry) -> Vec<NetworkEntry> {
    let own = |endpoint| NetworkEntry {
        endpoints: vec![endpoint],
        ..entry.clone()
    };
    entry.endpoints.iter().cloned().map(own).collect()
}

/// The median cost of a decision, in nanoseconds.
fn median(policy: &Policy, flow: &Flow<'_>) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..BATCH {
                black_box(black_box(policy).decide(black_box(flow)));
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Name, the endpoint that decides, and the flow.
fn cases() -> Vec<(&'static str, String, Flow<'static>)> {
    let many: Vec<String> = (0..50)
        .map(|i| format!("{{ allow: {{ method: GET, path: \"/v2/kind{i}/*/part/**\" }} }}"))
        .collect();
    let rules = "rules: [{ allow: { method: GET, path: \"/v1/**\" } }]";
    let get = |path: &'static str| HttpRequest::new("GET", path);
    vec![
        (
            "connection, exact host",
            "{ host: api.asked.com, port: 443 }".into(),
            Flow::to("api.asked.com", 443),
        ),
        (
            "request, exact host",
            format!("{{ host: api.asked.com, port: 443, {rules} }}"),
            Flow::to("api.asked.com", 443).with(get("/v1/users/42/items")),
        ),
        (
            "request, wildcard host",
            format!("{{ host: \"**.asked.com\", port: 443, {rules} }}"),
            Flow::to("a.b.c.asked.com", 443).with(get("/v1/users/42/items")),
        ),
        (
            "request, last of 50 rules",
            format!(
                "{{ host: api.asked.com, port: 443, rules: [{}] }}",
                many.join(", ")
            ),
            Flow::to("api.asked.com", 443).with(get("/v2/kind49/x/part/y/z")),
        ),
        (
            "connection, unknown host (refused)",
            "{ host: api.asked.com, port: 443 }".into(),
            Flow::to("evil.elsewhere.com", 443),
        ),
    ]
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let mut slow = false;
    let _ = writeln!(
        out,
        "{:36} {:>9} {:>9} {:>9}   ns, median",
        "endpoints", SIZES[0], SIZES[1], SIZES[2]
    );
    for (name, asked, flow) in cases() {
        let costs = SIZES.map(|size| {
            let policy = policy(size, &asked);
            let passes = matches!(policy.decide(&flow), Verdict::Allow { .. });
            assert_eq!(passes, !name.contains("refused"), "{name}");
            median(&policy, &flow)
        });
        slow |= costs[2] > LIMIT;
        let _ = writeln!(
            out,
            "{name:36} {:9.0} {:9.0} {:9.0}",
            costs[0], costs[1], costs[2]
        );
    }
    let (name, asked, flow) = cases().swap_remove(1);
    let costs = SIZES.map(|size| {
        let (own, mut other) = (policy(size, &asked), policy(size, &asked));
        "/other.yaml".clone_into(&mut other.network[0].policy);
        median(&meet(&own, &other), &flow)
    });
    slow |= costs[2] > LIMIT;
    let name = format!("{name}, two layers");
    let _ = writeln!(
        out,
        "{name:36} {:9.0} {:9.0} {:9.0}",
        costs[0], costs[1], costs[2]
    );
    match slow {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}
