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
    let mut list = List(Vec::new());
    cost(samples, &mut list);
    flat(samples, &mut list);
    memory(samples, &mut list);
    reload(samples, &mut list);
    list.0
}

struct List(Vec<Promise>);

impl List {
    fn add(&mut self, what: String, measured: Option<f64>, at_most: f64, unit: &'static str) {
        self.0.extend(measured.map(|measured| Promise {
            what,
            measured,
            at_most,
            unit,
        }));
    }
}

fn cost(samples: &Samples, list: &mut List) {
    for (mode, request, added) in [
        (Mode::L4, 22.0, 30.0),
        (Mode::L7, 30.0, 50.0),
        (Mode::TlsOne, 40.0, 100.0),
    ] {
        let name = mode.name();
        let measured = samples.median(OURS, name, REQUEST);
        list.add(
            format!("{name}: processor time a request"),
            measured,
            request,
            "us",
        );
        let measured = samples.ratio(OURS, HAPROXY, name, REQUEST);
        list.add(format!("{name}: the same by haproxy's"), measured, 1.0, "x");
        let measured = samples.added(OURS, DIRECT, name, P50);
        list.add(
            format!("{name}: added to the median"),
            measured,
            added,
            "us",
        );
    }
    for (mode, at_most) in [(Mode::L4, 0.3), (Mode::TlsOne, 1.0)] {
        let what = format!("{}: new connection and one request", mode.name());
        list.add(
            what,
            samples.median(OURS, mode.name(), FRESH),
            at_most,
            "ms",
        );
    }
}

fn flat(samples: &Samples, list: &mut List) {
    let (first, last) = (with(ENTRIES[0]), with(ENTRIES[ENTRIES.len() - 1]));
    for mode in [Mode::L4, Mode::L7] {
        for measure in [REQUEST, FRESH] {
            let what = format!("{}: {measure}, 10,000 entries by one", mode.name());
            let ratio = samples.ratio(&last, &first, mode.name(), measure);
            list.add(what, ratio, FLAT, "x");
        }
    }
}

fn memory(samples: &Samples, list: &mut List) {
    let megabytes = |measure| samples.median(OURS, "", measure).map(|bytes| bytes / 1e6);
    let what = "memory without a sandbox or connection".to_owned();
    list.add(what, megabytes(IDLE), 16.0, "MB");
    list.add(
        "memory a sandbox, of 1,000".to_owned(),
        megabytes(PER_BOX),
        2.0,
        "MB",
    );
    for mode in Mode::ALL {
        let held = samples.median(&format!("{OURS}-10000-idle"), mode.name(), HELD);
        let what = format!("{}: memory a connection, of 10,000", mode.name());
        list.add(what, held.map(|bytes| bytes / 1e3), 50.0, "KB");
    }
}

fn reload(samples: &Samples, list: &mut List) {
    let slowest = |measure| {
        let list = samples.of(OURS, Mode::L7.name(), measure)?;
        list.iter().copied().max_by(f64::total_cmp)
    };
    let what = "policy edit until it allows, slowest".to_owned();
    list.add(what, slowest(WIDER), 50.0, "ms");
    let what = "policy edit until it refuses, slowest".to_owned();
    list.add(what, slowest(NARROWER), 50.0, "ms");
    let lost = samples.of(OURS, Mode::L7.name(), LOST);
    let lost = lost.map(|list| list.iter().sum());
    list.add("allowed requests lost meanwhile".to_owned(), lost, 0.0, "");
}
