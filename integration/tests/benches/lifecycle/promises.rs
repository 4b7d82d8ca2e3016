//! What issue and design promise about a box's life, and whether it was kept.

use crate::numbers::Samples;
use crate::rounds::Step;
use crate::subjects::{COMMAND, CRUN, ROUTER, RUNC, WALLS};

/// One promise.
#[derive(Debug)]
pub struct Promise {
    /// What is promised.
    pub what: &'static str,
    /// What was measured.
    pub measured: f64,
    /// What it must not be above.
    pub at_most: f64,
    /// Of both numbers.
    pub unit: &'static str,
}

impl Promise {
    /// Whether it was kept.
    pub fn kept(&self) -> bool {
        self.measured <= self.at_most
    }
}

/// Promises about a ratio: (what, step, other runtime, at most).
const RATIOS: [(&str, Step, &str, f64); 7] = [
    ("create+start+delete by crun's", Step::Cycle, CRUN, 0.6),
    ("create+start+delete by runc's", Step::Cycle, RUNC, 0.35),
    ("run true by crun's", Step::Run, CRUN, 0.75),
    ("start by crun's", Step::Start, CRUN, 0.5),
    ("state by crun's", Step::State, CRUN, 0.5),
    ("delete by crun's", Step::Delete, CRUN, 0.5),
    ("exec true by crun's", Step::Exec, CRUN, 0.7),
];
/// The bytes of a megabyte by the kibibytes of the kernel's count.
const MEGABYTES: f64 = 1024.0 / 1e6;

/// All promises whose subjects were measured.
pub fn check(samples: &Samples) -> Vec<Promise> {
    let mut promises = Vec::new();
    let mut add = |what, measured: Option<f64>, at_most, unit| {
        promises.extend(measured.map(|measured| Promise {
            what,
            measured,
            at_most,
            unit,
        }));
    };
    for (what, step, other, at_most) in RATIOS {
        add(what, samples.ratio(WALLS, other, step), at_most, "x");
    }
    // The difference lacks what starting a program costs, since `walls` starts one in the hook's place, twice.
    let started = samples.median(COMMAND, Step::Nothing);
    let egress = samples.difference(ROUTER, WALLS, Step::Cycle);
    let egress = egress.and_then(|egress| Some(egress + 2.0 * started?));
    add("egress adds to the cycle", egress, 3.0, "ms");
    let command = |step| samples.median(COMMAND, step);
    add("nemoclaw exec true", command(Step::Exec), 15.0, "ms");
    add(
        "nemoclaw run to the first instruction",
        command(Step::First),
        25.0,
        "ms",
    );
    add("--version", samples.median(WALLS, Step::Version), 2.0, "ms");
    for subject in [WALLS, ROUTER] {
        let peak = samples.peak(subject).map(|(_, kib)| kib as f64 * MEGABYTES);
        let what = if subject == WALLS {
            "peak memory of the runtime, no egress"
        } else {
            "peak memory of the runtime, with egress"
        };
        add(what, peak, 6.0, "MB");
    }
    promises
}
