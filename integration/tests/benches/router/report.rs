//! The tables for people and the file for programs.

use std::fmt::Write;

use nemoclaw_tests::bench::{first_word, keep};
use nemoclaw_tests::shell::run;
use serde_json::{Value, json};

use crate::command_line::Wish;
use crate::numbers::{Samples, percentile};
use crate::peers::Logs;
use crate::promises::Promise;
use crate::rounds::{BULK, FRESH, HELD, IDLE, P50, P99, RATE, REQUEST};
use crate::scale::{ENTRIES, PER_BOX, with};
use crate::subjects::{BEFORE, DIRECT, ENVOY, FENCED, HAPROXY, Mode, NGINX, OURS};

const ORDER: [&str; 7] = [DIRECT, OURS, FENCED, BEFORE, HAPROXY, NGINX, ENVOY];

/// All tables.
pub fn text(samples: &Samples, promises: &[Promise], wish: &Wish) -> String {
    let mut out = format!(
        "{} rounds of {} requests, seed {}, logs of peers {:?}; medians; kernel {}, load {}\n",
        wish.rounds,
        wish.requests,
        wish.seed,
        wish.logs,
        first_word("/proc/sys/kernel/osrelease"),
        first_word("/proc/loadavg"),
    );
    for sentence in &samples.left_out {
        let _ = writeln!(out, "{sentence}");
    }
    for mode in Mode::ALL {
        out += &table(samples, mode);
    }
    out += &memory(samples);
    let _ = writeln!(out, "\n{:<52} measured   at most", "promised");
    for promise in promises {
        let word = if promise.kept() { "met" } else { "MISSED" };
        let _ = writeln!(
            out,
            "  {:<50} {:>8.2} {:<2} {:>6.2} {:<2}  {word}",
            promise.what, promise.measured, promise.unit, promise.at_most, promise.unit
        );
    }
    out
}

fn table(samples: &Samples, mode: Mode) -> String {
    let name = mode.name();
    let mut rows = String::new();
    for subject in ORDER {
        let Some(rate) = samples.median(subject, name, RATE) else {
            continue;
        };
        let of = |measure| samples.median(subject, name, measure).unwrap_or(f64::NAN);
        let added = |measure| {
            samples
                .added(subject, DIRECT, name, measure)
                .unwrap_or(f64::NAN)
        };
        let ratio = samples
            .ratio(subject, HAPROXY, name, REQUEST)
            .unwrap_or(f64::NAN);
        let _ = writeln!(
            rows,
            "  {subject:<14} {:>9.1} {ratio:>9.2} {:>9.0} {:>9.0} {:>9.0} {:>9.0} {rate:>9.0} {:>9.2} {:>9.3}",
            of(REQUEST),
            of(P50),
            added(P50),
            of(P99),
            added(P99),
            of(BULK),
            of(FRESH),
        );
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "\n{name:<16} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n{rows}",
        "cpu us/rq",
        "/haproxy",
        "p50 us",
        "added",
        "p99 us",
        "added",
        "rq/s",
        "cpu s/GB",
        "fresh ms"
    )
}

fn memory(samples: &Samples) -> String {
    let mut out = String::new();
    for subject in ORDER {
        if let Some(bytes) = samples.median(subject, "", IDLE) {
            let _ = write!(out, "  {subject:<14} {:>6.1} MB idle", bytes / 1e6);
            for mode in Mode::ALL {
                if let Some(held) = samples.median(subject, mode.name(), HELD) {
                    let _ = write!(out, ", {} {:.1} KB", mode.name(), held / 1e3);
                }
            }
            out += "\n";
        }
    }
    if let Some(bytes) = samples.median(OURS, "", PER_BOX) {
        let _ = writeln!(out, "  a sandbox, of 1,000: {:.0} KB", bytes / 1e3);
    }
    if !out.is_empty() {
        out = format!("\nmemory, and of it a connection that is kept open\n{out}");
    }
    let mut rows = String::new();
    for entries in ENTRIES {
        for mode in [Mode::L4, Mode::L7] {
            let of = |measure| samples.median(&with(entries), mode.name(), measure);
            if let (Some(request), Some(fresh)) = (of(REQUEST), of(FRESH)) {
                let _ = writeln!(
                    rows,
                    "  {entries:>6} entries, {}: {request:.1} us a request, {fresh:.3} ms a new connection",
                    mode.name()
                );
            }
        }
    }
    if !rows.is_empty() {
        out += &format!("\nlength of the policy\n{rows}");
    }
    out
}

/// Writes every number.
pub fn write(samples: &Samples, promises: &[Promise], wish: &Wish) {
    let numbers: Vec<Value> = samples
        .all
        .iter()
        .map(|((subject, mode, measure), list)| {
            json!({
                "subject": subject, "mode": mode, "measure": measure, "median": percentile(list, 0.5), "p90": percentile(list, 0.9),
                "by_haproxy": samples.ratio(subject, HAPROXY, mode, measure), "values": list,
            })
        })
        .collect();
    let promises: Vec<Value> = promises
        .iter()
        .map(|promise| {
            json!({ "what": promise.what, "measured": promise.measured, "at_most": promise.at_most, "unit": promise.unit, "kept": promise.kept() })
        })
        .collect();
    let version = |program: &str, flag: &str| {
        let said = run(program, &[flag]);
        let text = said.stdout + &said.stderr;
        text.lines().next().map(str::to_owned)
    };
    let document = json!({
        "version": 1,
        "rounds": wish.rounds,
        "requests": wish.requests,
        "seed": wish.seed,
        "logs_of_peers": wish.logs == Logs::On,
        "kernel": first_word("/proc/sys/kernel/osrelease"),
        "load": first_word("/proc/loadavg"),
        "haproxy": version("haproxy", "-v"),
        "nginx": version("nginx", "-v"),
        "left_out": samples.left_out,
        "numbers": numbers,
        "promises": promises,
    });
    keep(&document, &wish.json);
    println!("all numbers: {}", wish.json.display());
}
