//! What issue and design promise about the router's cost, and whether it was kept.

use crate::numbers::Samples;
use crate::rounds::{FRESH, HELD, IDLE, P50, REQUEST};
use crate::scale::{ENTRIES, LOST, NARROWER, PER_BOX, WIDER, with};
use crate::subjects::{DIRECT, HAPROXY, Mode, OURS};

/// One promise.
#[derive(Debug)]
pub struct Promise {
    /// What is promised.
    pub what: String,
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

/// Growth from the shortest to the longest policy that still counts as flat: what rounds of one policy differ by.
const FLAT: f64 = 1.1;

/// All promises whose subjects were measured.
pub fn check(samples: &Samples) -> Vec<Promise> {
    let mut promises = Vec::new();
    let mut add = |what: String, measured: Option<f64>, at_most, unit| {
        promises.extend(measured.map(|measured| Promise {
            what,
            measured,
            at_most,
            unit,
        }));
    };
    for (mode, request, added) in [
        (Mode::L4, 22.0, 30.0),
        (Mode::L7, 30.0, 50.0),
        (Mode::TlsOne, 40.0, 100.0),
    ] {
        let name = mode.name();
        add(
            format!("{name}: processor time a request"),
            samples.median(OURS, name, REQUEST),
            request,
            "us",
        );
        add(
            format!("{name}: the same by haproxy's"),
            samples.ratio(OURS, HAPROXY, name, REQUEST),
            1.0,
            "x",
        );
        add(
            format!("{name}: added to the median"),
            samples.added(OURS, DIRECT, name, P50),
            added,
            "us",
        );
    }
    for (mode, at_most) in [(Mode::L4, 0.3), (Mode::TlsOne, 1.0)] {
        let name = mode.name();
        add(
            format!("{name}: new connection and one request"),
            samples.median(OURS, name, FRESH),
            at_most,
            "ms",
        );
    }
    let (first, last) = (with(ENTRIES[0]), with(ENTRIES[ENTRIES.len() - 1]));
    for mode in [Mode::L4, Mode::L7] {
        for measure in [REQUEST, FRESH] {
            let what = format!("{}: {measure}, 10,000 entries by one", mode.name());
            add(
                what,
                samples.ratio(&last, &first, mode.name(), measure),
                FLAT,
                "x",
            );
        }
    }
    let megabytes = |bytes: f64| bytes / 1e6;
    add(
        "memory without a sandbox or connection".into(),
        samples.median(OURS, "", IDLE).map(megabytes),
        16.0,
        "MB",
    );
    add(
        "memory a sandbox, of 1,000".into(),
        samples.median(OURS, "", PER_BOX).map(megabytes),
        2.0,
        "MB",
    );
    for mode in Mode::ALL {
        let held = samples.median(&format!("{OURS}-10000-idle"), mode.name(), HELD);
        let what = format!("{}: memory a connection, of 10,000", mode.name());
        add(what, held.map(|bytes| bytes / 1e3), 50.0, "KB");
    }
    let slowest = |measure| {
        let list = samples.of(OURS, Mode::L7.name(), measure)?;
        list.iter().copied().max_by(f64::total_cmp)
    };
    add(
        "policy edit until it allows, slowest".into(),
        slowest(WIDER),
        50.0,
        "ms",
    );
    add(
        "policy edit until it refuses, slowest".into(),
        slowest(NARROWER),
        50.0,
        "ms",
    );
    let lost = samples
        .of(OURS, Mode::L7.name(), LOST)
        .map(|list| list.iter().sum());
    add("allowed requests lost meanwhile".into(), lost, 0.0, "");
    promises
}
