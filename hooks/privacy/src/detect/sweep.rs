//! The one pass over a text: it stops at the bytes that something could stand around, and at long tokens.

use std::ops::Range;

use super::bytes::{self, ALNUM};
use super::{email, near, net, numbers, pem, secret, spoken, tokens, url};
use crate::decode;
use crate::finding::Finding;

/// What a text may hide, seen on the way.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// Runs that could be base64.
    pub(crate) encoded: Vec<Range<usize>>,
    /// Where escapes begin.
    pub(crate) escapes: Vec<usize>,
    /// Where letters and digits in other shapes stand, or characters without a width.
    pub(crate) folds: Vec<usize>,
}

/// What to do at a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Stop {
    No,
    Digit,
    At,
    Colon,
    Equals,
    Dash,
    Escape,
    Fold,
}

static STOPS: [Stop; 256] = stops();

const fn stops() -> [Stop; 256] {
    let mut stops = [Stop::No; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        stops[digit as usize] = Stop::Digit;
        digit += 1;
    }
    stops[b'@' as usize] = Stop::At;
    stops[b':' as usize] = Stop::Colon;
    stops[b'=' as usize] = Stop::Equals;
    stops[b'-' as usize] = Stop::Dash;
    stops[b'%' as usize] = Stop::Escape;
    stops[b'\\' as usize] = Stop::Escape;
    stops[b'&' as usize] = Stop::Escape;
    stops[0xC2] = Stop::Fold;
    stops[0xE2] = Stop::Fold;
    stops[0xEF] = Stop::Fold;
    stops[0xF0] = Stop::Fold;
    stops
}

/// Builds what is built once, so that the first scan does not pay for it.
pub(crate) fn prepare() {
    near::prepare();
    tokens::prepare();
    super::domains::prepare();
    secret::prepare();
    spoken::prepare();
}

/// Every detector of this folder on `text`.
pub(crate) fn find(text: &str, found: &mut Vec<Finding>) -> Traces {
    let mut traces = Traces::default();
    marks(text, found, &mut traces);
    tokens::find(text, found, &mut traces);
    spoken::find(text, found);
    traces
}

fn marks(text: &str, found: &mut Vec<Finding>, traces: &mut Traces) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let stop = STOPS[bytes[at] as usize];
        if stop == Stop::No {
            at += 1;
            continue;
        }
        at = stopped(text, at, stop, (found, traces));
    }
}

/// Looks around `at`; where to go on.
fn stopped(
    text: &str,
    at: usize,
    stop: Stop,
    (found, traces): (&mut Vec<Finding>, &mut Traces),
) -> usize {
    let bytes = text.as_bytes();
    match stop {
        Stop::No => at + 1,
        Stop::Digit => numbers::at_digit(text, at, found),
        Stop::At => {
            if !url::at_sign(text, at, found) {
                email::at_sign(text, at, found);
            }
            at + 1
        }
        Stop::Colon => {
            if let Some(end) = net::at_colon(text, at, found) {
                return end;
            }
            secret::at_sign(text, at, found);
            at + 1
        }
        Stop::Equals => {
            secret::at_sign(text, at, found);
            at + 1
        }
        Stop::Dash => at_dash(text, at, found),
        Stop::Escape => {
            if decode::escape_begins(bytes, at) {
                traces.escapes.push(at);
            }
            at + 1
        }
        Stop::Fold => {
            if decode::fold_begins(bytes, at) {
                traces.folds.push(at);
            }
            at + 1
        }
    }
}

/// `-----BEGIN`, or an option like `--password`.
fn at_dash(text: &str, at: usize, found: &mut Vec<Finding>) -> usize {
    let bytes = text.as_bytes();
    if bytes.get(at + 1) != Some(&b'-') {
        return net::at_dash(text, at, found).unwrap_or(at + 1);
    }
    let end = bytes[at..]
        .iter()
        .take(64)
        .take_while(|byte| **byte == b'-')
        .count()
        + at;
    if end - at == 2 && bytes::has(bytes, end, ALNUM) {
        secret::option(text, end, found);
    } else if end - at >= 4 && bytes[end..].starts_with(b"BEGIN") {
        return pem::at_begin(text, at, end, found);
    }
    end
}
