//! The table for people, the promises, and the file for programs.

use std::fmt::Write;

use nemoclaw_tests::bench::{first_word, keep};
use serde_json::{Value, json};

use crate::command_line::Wish;
use crate::numbers::{Samples, percentile};
use crate::rounds::{
    DIRECT, DIRECT_PLAIN, FIRST, FRESH, LITELLM, OURS, P50, P99, PRESIDIO, REQUEST, SIZES, STREAM,
    UNREAD,
};

const ORDER: [&str; 7] = [DIRECT, OURS, UNREAD, FRESH, DIRECT_PLAIN, LITELLM, PRESIDIO];

/// One promise.
#[derive(Debug)]
pub struct Promise {
    what: String,
    measured: f64,
    at_most: f64,
    unit: &'static str,
}

impl Promise {
    fn kept(&self) -> bool {
        self.measured <= self.at_most
    }
}

/// All promises whose subjects were measured.
pub fn promises(samples: &Samples) -> Vec<Promise> {
    let mut list = Vec::new();
    let mut add = |what: &str, measured: Option<f64>, at_most, unit| {
        list.extend(measured.map(|measured| Promise {
            what: what.to_owned(),
            measured,
            at_most,
            unit,
        }));
    };
    for ((size, _), at_most) in SIZES.into_iter().zip([150.0, 500.0]) {
        let what = format!("{size}: added to the median of a chat request");
        add(&what, samples.added(OURS, DIRECT, size, P50), at_most, "us");
    }
    let first = samples.added(OURS, DIRECT, STREAM, FIRST);
    add(
        "added to the first word of a stream",
        first.map(|took| took / 1e3),
        1.0,
        "ms",
    );
    let restore = samples.ratio(OURS, FRESH, STREAM, REQUEST);
    add(
        "a stream where something may be restored, by one where nothing may",
        restore,
        1.05,
        "x",
    );
    list
}

/// The table.
pub fn text(samples: &Samples, promises: &[Promise], wish: &Wish) -> String {
    let mut out = format!(
        "{} rounds of {} requests, seed {}; medians; kernel {}, load {}\n",
        wish.rounds,
        wish.requests,
        wish.seed,
        first_word("/proc/sys/kernel/osrelease"),
        first_word("/proc/loadavg"),
    );
    for sentence in &samples.left_out {
        let _ = writeln!(out, "{sentence}");
    }
    for mode in SIZES.map(|(size, _)| size).into_iter().chain([STREAM]) {
        if samples.median(DIRECT, mode, P50).is_none() {
            continue;
        }
        let _ = writeln!(
            out,
            "\n{mode:<24} {:>10} {:>10} {:>10} {:>12}",
            "p50 us", "added", "p99 us", "cpu us/rq"
        );
        for subject in ORDER {
            let Some(p50) = samples.median(subject, mode, P50) else {
                continue;
            };
            let than = if subject == LITELLM {
                DIRECT_PLAIN
            } else {
                DIRECT
            };
            let added = samples.added(subject, than, mode, P50);
            let of = |measure| samples.median(subject, mode, measure);
            let _ = writeln!(
                out,
                "  {subject:<22} {p50:>10.0} {} {} {}",
                cell(added.filter(|_| subject != PRESIDIO), 10),
                cell(of(P99), 10),
                cell(of(REQUEST).filter(|took| *took > 0.0), 12),
            );
        }
    }
    for subject in [DIRECT, OURS] {
        if let Some(took) = samples.median(subject, STREAM, FIRST) {
            let _ = writeln!(
                out,
                "  first word of a slow stream, {subject}: {took:.0} us"
            );
        }
    }
    let _ = writeln!(out, "\n{:<68} measured   at most", "promised");
    for promise in promises {
        let word = if promise.kept() { "met" } else { "MISSED" };
        let _ = writeln!(
            out,
            "  {:<66} {:>8.2} {:<2} {:>6.2} {:<2}  {word}",
            promise.what, promise.measured, promise.unit, promise.at_most, promise.unit
        );
    }
    out
}

fn cell(value: Option<f64>, width: usize) -> String {
    value.map_or_else(
        || format!("{:>width$}", "-"),
        |value| format!("{value:>width$.0}"),
    )
}

/// Writes every number.
pub fn write(samples: &Samples, promises: &[Promise], wish: &Wish) {
    let numbers: Vec<Value> = samples
        .all
        .iter()
        .map(|((subject, mode, measure), list)| {
            json!({ "subject": subject, "mode": mode, "measure": measure, "median": percentile(list, 0.5), "values": list })
        })
        .collect();
    let promises: Vec<Value> = promises
        .iter()
        .map(|promise| {
            json!({ "what": promise.what, "measured": promise.measured, "at_most": promise.at_most, "unit": promise.unit, "kept": promise.kept() })
        })
        .collect();
    let document = json!({
        "version": 1, "rounds": wish.rounds, "requests": wish.requests, "seed": wish.seed,
        "kernel": first_word("/proc/sys/kernel/osrelease"), "load": first_word("/proc/loadavg"),
        "left_out": samples.left_out, "numbers": numbers, "promises": promises,
    });
    keep(&document, &wish.json);
    println!("all numbers: {}", wish.json.display());
}
