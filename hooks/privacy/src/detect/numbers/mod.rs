//! What stands around digits: cards, numbers of registers, phones, dates, addresses of networks.

use super::bytes::{ALNUM, DIGIT, LETTER, WIDE, before, has, is, run};
use super::{dates, iban, net};
use crate::finding::Finding;
use cluster::Cluster;

mod card;
pub(crate) mod checks;
mod cluster;
mod ids;
mod mixed;
mod phone;

/// Longer runs of digits are no number that a detector knows.
const LONGEST: usize = 32;

/// Looks at the run of digits that begins at `at`; where to go on.
pub(super) fn at_digit(text: &str, at: usize, found: &mut Vec<Finding>) -> usize {
    let bytes = text.as_bytes();
    let end = run(bytes, at, DIGIT, LONGEST);
    if has(bytes, end, DIGIT) {
        return run(bytes, end, DIGIT, usize::MAX);
    }
    if let Some(end) = net::cisco(bytes, at, found) {
        return end;
    }
    if before(bytes, at, LETTER) && !super::bytes::behind_escape(bytes, at) {
        return iban::find(bytes, at, found)
            .or_else(|| mixed::behind_letters(bytes, at, end, found))
            .unwrap_or(end);
    }
    alone(text, at, end, found).unwrap_or(end)
}

/// A run of digits behind no letter.
fn alone(text: &str, at: usize, end: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let bytes = text.as_bytes();
    let length = end - at;
    let next = bytes.get(end).copied().unwrap_or(b'\n');
    if is(next, LETTER) {
        let hit = match cluster::begins(bytes, at) {
            true => mixed::before_letter(bytes, at, end, found),
            false => None,
        };
        if hit.is_some() || !(next | 0x20 == b'x' || (length >= 7 && next | 0x20 == b'e')) {
            return hit;
        }
    }
    if matches!(length, 2 | 6 | 7)
        && at > 1
        && matches!(bytes[at - 1], b' ' | b'-')
        && is(bytes[at - 2], LETTER)
        && let Some(end) = mixed::apart_from_letters(bytes, at, length, found)
    {
        return Some(end);
    }
    if length == 4 && matches!(bytes[at], b'1' | b'2') {
        dates::before_year(bytes, at, end, found);
    }
    let grouped = matches!(next, b' ' | b'-' | b'.' | b'/' | b')') || is(next, WIDE);
    let signed = at > 0 && matches!(bytes[at - 1], b'+' | b'(');
    if length < 7 && !grouped && !signed {
        return None;
    }
    if let Some(end) = before_number(bytes, at, end, found) {
        return Some(end);
    }
    let more = cluster::separator(bytes, end).is_some_and(|(_, step)| {
        has(bytes, end + step, DIGIT) || bytes.get(end + step) == Some(&b'(')
    });
    if length < 7 && !more && !signed && next != b')' {
        return None;
    }
    if !signed && !cluster::begins(bytes, at) {
        return None;
    }
    if (more || length >= 7) && !(at > 0 && bytes[at - 1] == b'+') {
        let cluster = Cluster::read(bytes, at);
        if let Some(end) =
            card::find(bytes, at, &cluster, found).or_else(|| ids::find(bytes, at, &cluster, found))
        {
            return Some(end);
        }
    }
    phone::find(bytes, at, end, found)
}

/// Shapes with a fixed separator behind the first digits: addresses of networks, dates, a DNI with dots.
fn before_number(bytes: &[u8], at: usize, end: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let length = end - at;
    let next = *bytes.get(end)?;
    if next == b'.'
        && length <= 3
        && has(bytes, end + 1, DIGIT)
        && let Some(end) = net::dotted(bytes, at, found)
    {
        return Some(end);
    }
    if length == 2
        && matches!(next, b'.' | b' ' | b'-')
        && let Some(end) = mixed::dotted_dni(bytes, at, found)
    {
        return Some(end);
    }
    if length == 8
        && matches!(next, b'-' | b' ')
        && has(bytes, end + 1, LETTER)
        && !has(bytes, end + 2, ALNUM)
        && let Some(end) = mixed::before_letter(bytes, at, end, found)
    {
        return Some(end);
    }
    if matches!(length, 1 | 2 | 4 | 8) && (length == 8 || !is(next, ALNUM)) {
        return dates::numeric(bytes, at, end, found);
    }
    None
}
