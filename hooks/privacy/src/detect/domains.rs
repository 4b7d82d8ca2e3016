//! Names of hosts: where one ends, and whether its last label is a top-level domain.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::bytes::{ALNUM, UPPER, WIDE, has, is};

/// The delegated top-level domains of ASCII letters, with those that RFC 2606 and RFC 6762 keep for examples and own networks.
static TOP: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("tlds.txt").lines().collect());

/// The most bytes of a name.
const LONGEST: usize = 253;
const MOST_LABELS: usize = 12;

/// Reads the list.
pub(super) fn prepare() {
    LazyLock::force(&TOP);
}

/// The end of the name that begins at `start`, when it has at least two labels and the last is a top-level domain.
pub(super) fn end_of_name(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let most = bytes.len().min(start + LONGEST);
    let mut labels = [
        0..0_usize,
        0..0,
        0..0,
        0..0,
        0..0,
        0..0,
        0..0,
        0..0,
        0..0,
        0..0,
        0..0,
        0..0,
    ];
    let mut count = 0;
    let mut at = start;
    while count < MOST_LABELS {
        let from = at;
        while at < most && (is(bytes[at], ALNUM) || bytes[at] == b'-' || letter_beyond(bytes, at)) {
            at += 1;
        }
        if at == from {
            break;
        }
        labels[count] = from..at;
        count += 1;
        if bytes.get(at) == Some(&b'.') && has(bytes, at + 1, ALNUM | WIDE) {
            at += 1;
        } else {
            break;
        }
    }
    let labels = &labels[..count];
    if retina(&bytes[start..]) || matches!(bytes.get(at), Some(b'@' | b'_')) {
        return None;
    }
    // A sentence may go on right behind the dot: `ann@example.com.Then`.
    for last in (1..labels.len()).rev() {
        let label = labels[last].clone();
        if is_top(&text.as_bytes()[label.clone()]) {
            return Some(label.end);
        }
        if !is(bytes[label.start], UPPER) {
            return None;
        }
    }
    None
}

/// Whether a byte of a letter beyond ASCII stands at `at`, not of a dash, quote or mark.
fn letter_beyond(bytes: &[u8], at: usize) -> bool {
    let byte = bytes[at];
    if byte < 0x80 {
        return false;
    }
    match byte {
        0xC2 | 0xE2 => false,
        0xE3 => bytes.get(at + 1) != Some(&0x80),
        0xEF => !matches!(bytes.get(at + 1), Some(0xBC | 0xBB)),
        0x80..=0xBF => bytes[..at]
            .iter()
            .rev()
            .take(3)
            .find(|lead| **lead >= 0xC0)
            .is_some_and(|lead| !matches!(lead, 0xC2 | 0xE2)),
        _ => true,
    }
}

/// `2x.png`, as in `logo@2x.png`.
fn retina(bytes: &[u8]) -> bool {
    matches!(bytes, [b'1'..=b'9', b'x', b'.', ..])
}

/// Whether a label is a top-level domain.
pub(super) fn is_top(label: &[u8]) -> bool {
    if label.first().is_some_and(|byte| *byte >= 0x80) {
        return true;
    }
    let mut small = [0_u8; 24];
    let Some(small) = small.get_mut(..label.len()) else {
        return label.starts_with(b"xn--") || label.starts_with(b"XN--");
    };
    small.copy_from_slice(label);
    small.make_ascii_lowercase();
    small.starts_with(b"xn--") || std::str::from_utf8(small).is_ok_and(|label| TOP.contains(label))
}
