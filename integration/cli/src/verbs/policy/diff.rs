//! `policy diff`: in what one policy allows more or less than another.

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::narrow::diff::{Change, Difference};
use nemoclaw_policy::narrow::{self, Widening};
use serde::Serialize;

use super::check::nothing;
use super::find::{Subject, met};
use crate::args::{Diff, Format};
use crate::printer::{Printer, plain};

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    change: String,
    axes: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    axis: &'static str,
    change: String,
    more: Vec<Thing>,
    less: Vec<Thing>,
}

#[derive(Debug, Serialize)]
struct Thing {
    asked: String,
    other: String,
    at: String,
}

/// Run it.
pub fn run(config: Option<&Path>, args: &Diff, printer: Printer) -> anyhow::Result<ExitCode> {
    let one = |given: &str| -> anyhow::Result<_> {
        let layers = Subject::find(config, given)?.layers()?;
        Ok(met(&layers).ok_or_else(nothing)?)
    };
    let all = narrow::diff(&one(&args.first)?, &one(&args.second)?);
    let change = overall(&all);
    let shown: Vec<&Difference> = all
        .iter()
        .filter(|axis| args.all || axis.change() != Change::Same)
        .collect();
    match args.output {
        Format::Json => printer.json(&Document {
            version: 1,
            change: change.to_string(),
            axes: shown.into_iter().map(line).collect(),
        })?,
        Format::Text if shown.is_empty() => printer.note("the two allow the same"),
        Format::Text => {
            for axis in shown {
                printer.data(text(axis))?;
            }
        }
    }
    Ok(match change {
        Change::Same | Change::Narrowed => ExitCode::SUCCESS,
        Change::Widened | Change::BothWays => ExitCode::FAILURE,
    })
}

/// One axis for people; names in it may come from anywhere.
pub fn text(axis: &Difference) -> String {
    let lines: Vec<String> = axis.to_string().lines().map(plain).collect();
    lines.join("\n")
}

/// All axes in one word.
fn overall(axes: &[Difference]) -> Change {
    let more = axes.iter().any(|axis| !axis.more.is_empty());
    let less = axes.iter().any(|axis| !axis.less.is_empty());
    match (more, less) {
        (false, false) => Change::Same,
        (true, false) => Change::Widened,
        (false, true) => Change::Narrowed,
        (true, true) => Change::BothWays,
    }
}

fn line(axis: &Difference) -> Line {
    let things = |all: &[Widening]| {
        let thing = |one: &Widening| Thing {
            asked: one.asked.clone(),
            other: one.has.clone(),
            at: one.place.to_string(),
        };
        all.iter().map(thing).collect()
    };
    Line {
        axis: axis.axis.key(),
        change: axis.change().to_string(),
        more: things(&axis.more),
        less: things(&axis.less),
    }
}
