//! The table for people and the file for programs.

use std::fmt::Write;

use nemoclaw_tests::bench::{first_word, keep};
use nemoclaw_tests::shell::run;
use serde_json::{Map, Value, json};

use crate::command_line::Wish;
use crate::numbers::{Samples, percentile};
use crate::promises::Promise;
use crate::rounds::Step;
use crate::subjects::{BEFORE, COMMAND, CRUN, OFFLINE, ROUTER, RUNC, Sizes, UNCONFINED, WALLS};

const RUNTIMES: [&str; 7] = [WALLS, BEFORE, OFFLINE, ROUTER, UNCONFINED, CRUN, RUNC];

/// All tables.
pub fn text(samples: &Samples, sizes: &Sizes, promises: &[Promise], wish: &Wish) -> String {
    let mut out = format!(
        "{} rounds, seed {}, milliseconds: median (p90); kernel {}, load {}\n\n",
        wish.rounds,
        wish.seed,
        first_word("/proc/sys/kernel/osrelease"),
        first_word("/proc/loadavg"),
    );
    out += &runtimes(samples);
    out += &command(samples);
    out += &ratios(samples);
    let _ = writeln!(out, "binaries, bytes");
    for (name, bytes) in sizes {
        let _ = writeln!(out, "  {bytes:>10}  {name}");
    }
    let _ = writeln!(
        out,
        "\npromised                                   measured   at most"
    );
    for promise in promises {
        let word = if promise.kept() { "met" } else { "MISSED" };
        let _ = writeln!(
            out,
            "  {:<40} {:>7.2} {:<2} {:>6.2} {:<2}  {word}",
            promise.what, promise.measured, promise.unit, promise.at_most, promise.unit
        );
    }
    out
}

fn cell(list: Option<&[f64]>) -> String {
    list.map_or_else(String::new, |list| {
        format!(
            "{:.2} ({:.2})",
            percentile(list, 0.5),
            percentile(list, 0.9)
        )
    })
}

fn head(first: &str) -> String {
    let steps = Step::OF_RUNTIMES.map(|step| format!("{:<16}", step.name()));
    format!("{first:<12}{}", steps.concat())
}

fn runtimes(samples: &Samples) -> String {
    let mut out = head("time") + "peak\n";
    for subject in RUNTIMES {
        let Some((step, kib)) = samples.peak(subject) else {
            continue;
        };
        let cells =
            Step::OF_RUNTIMES.map(|step| format!("{:<16}", cell(samples.of(subject, step))));
        let _ = writeln!(
            out,
            "{subject:<12}{}{kib} KiB ({})",
            cells.concat(),
            step.name()
        );
    }
    let _ = writeln!(out, "\n{}", head("processor"));
    for subject in RUNTIMES {
        let of = |step| samples.work.get(&(subject.to_owned(), step));
        if of(Step::Cycle).is_some() {
            let cells =
                Step::OF_RUNTIMES.map(|step| format!("{:<16}", cell(of(step).map(Vec::as_slice))));
            let _ = writeln!(out, "{subject:<12}{}", cells.concat());
        }
    }
    out + "\n"
}

fn command(samples: &Samples) -> String {
    let mut out = String::new();
    for (what, step) in [
        ("nemoclaw --version", Step::Version),
        ("nemoclaw exec true", Step::Exec),
        ("nemoclaw run to the first instruction", Step::First),
        ("nemoclaw run, all of it", Step::Run),
        ("a program that does nothing", Step::Nothing),
    ] {
        if let Some(list) = samples.of(COMMAND, step) {
            let _ = writeln!(out, "{what:<40}{}", cell(Some(list)));
        }
    }
    out + "\n"
}

fn ratios(samples: &Samples) -> String {
    let mut out = String::new();
    for other in [BEFORE, CRUN, RUNC] {
        let mut rows = String::new();
        for subject in RUNTIMES.into_iter().filter(|one| *one != other) {
            let ratios = Step::OF_RUNTIMES.map(|step| samples.ratio(subject, other, step));
            if ratios.iter().any(Option::is_some) {
                let cells = ratios.map(|ratio| format!("{:<16.2}", ratio.unwrap_or(f64::NAN)));
                let _ = writeln!(rows, "{subject:<12}{}", cells.concat());
            }
        }
        if !rows.is_empty() {
            let _ = writeln!(out, "{}\n{rows}", head(&format!("by {other}")));
        }
    }
    out
}

/// Writes every number.
pub fn write(samples: &Samples, sizes: &Sizes, promises: &[Promise], wish: &Wish) {
    let mut times = Map::new();
    for ((subject, step), list) in &samples.times {
        let ratio = |other| samples.ratio(subject, other, *step);
        let steps = times.entry(subject.clone()).or_insert_with(|| json!({}));
        steps[step.name()] = json!({
            "median_ms": percentile(list, 0.5),
            "p90_ms": percentile(list, 0.9),
            "by_crun": ratio(CRUN),
            "by_runc": ratio(RUNC),
            "processor_median_ms": samples.work.get(&(subject.clone(), *step)).map(|list| percentile(list, 0.5)),
            "peak_kib": samples.memory.get(&(subject.clone(), *step)),
            "samples_ms": list,
        });
    }
    let promises: Vec<Value> = promises
        .iter()
        .map(|promise| {
            json!({
                "what": promise.what, "measured": promise.measured, "at_most": promise.at_most,
                "unit": promise.unit, "kept": promise.kept(),
            })
        })
        .collect();
    let sizes: Map<String, Value> = sizes
        .iter()
        .map(|(name, bytes)| (name.clone(), json!(bytes)))
        .collect();
    let version = |program: &str| {
        run(program, &["--version"])
            .text()
            .lines()
            .next()
            .map(str::to_owned)
    };
    let document = json!({
        "version": 1,
        "rounds": wish.rounds,
        "seed": wish.seed,
        "kernel": first_word("/proc/sys/kernel/osrelease"),
        "load": first_word("/proc/loadavg"),
        "crun": version("crun"),
        "runc": version("runc"),
        "times": times,
        "binaries_bytes": sizes,
        "promises": promises,
    });
    keep(&document, &wish.output);
    println!("all numbers: {}", wish.output.display());
}
