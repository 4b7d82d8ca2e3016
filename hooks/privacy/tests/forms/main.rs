//! What has a form of its own, detector by detector: what is found, what only looks like it, and what hides in codes.
//!
//! Nothing here is anybody's: numbers are made up, and keys are put together from pieces so that no scanner of a forge
//! takes this file for a leak.
#![allow(
    clippy::unwrap_used,
    reason = "a test without its scanner or its marks has nothing to try"
)]

use std::sync::LazyLock;

use nemoclaw_privacy::{Scanner, Setup};

mod codes;
mod keys;
mod laws;
mod network;
mod numbers;
mod setup;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(&Setup::default()).unwrap());

/// What a detector finds in a text.
fn found<'t>(detector: &str, text: &'t str) -> Vec<&'t str> {
    SCANNER
        .scan(text)
        .iter()
        .filter(|finding| finding.detector.name() == detector)
        .map(|finding| &text[finding.start..finding.end])
        .collect()
}

/// Each text holds one value, between `«` and `»`, that the detector finds, and nothing more.
#[track_caller]
fn finds(detector: &str, texts: &[&str]) {
    for marked in texts {
        let value = marked.split(['«', '»']).nth(1).unwrap();
        let text = marked.replace(['«', '»'], "");
        assert_eq!(found(detector, &text), [value], "{detector} in `{text}`");
    }
}

/// The detector finds nothing in these.
#[track_caller]
fn passes(detector: &str, texts: &[&str]) {
    for text in texts {
        let none: [&str; 0] = [];
        assert_eq!(found(detector, text), none, "{detector} in `{text}`");
    }
}

/// Of all texts that `make` gives for the numbers below `count`, how many hold a finding.
fn hits(detector: &str, count: u32, make: impl Fn(u32) -> String) -> usize {
    (0..count)
        .filter(|number| !found(detector, &make(*number)).is_empty())
        .count()
}
