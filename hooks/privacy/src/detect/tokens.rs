//! Long tokens: runs of letters, digits, `_` and `-` of at least twenty. Words are shorter, so the text is only probed.

use std::ops::Range;

use super::bytes::{self, TOKEN, is};
use super::sweep::Traces;
use super::{jwt, keys, wallet};
use crate::decode::{self, Run};
use crate::finding::Finding;

/// The shortest run that is looked at: every form that [`keys`], [`jwt`] and [`wallet`] know has one.
const SHORTEST: usize = 20;

/// Builds the tables of prefixes.
pub(super) fn prepare() {
    keys::prepare();
}

/// Looks at every long token of the text.
pub(super) fn find(text: &str, found: &mut Vec<Finding>, traces: &mut Traces) {
    let bytes = text.as_bytes();
    let mut probe = SHORTEST - 1;
    let mut floor = 0;
    // The end of the last run of base64 that is none of a text: its other tokens need not look at all of it again.
    let mut judged = 0;
    while probe < bytes.len() {
        if !is(bytes[probe], TOKEN) {
            floor = probe + 1;
            probe += SHORTEST;
            continue;
        }
        let mut start = probe;
        while start > floor && is(bytes[start - 1], TOKEN) {
            start -= 1;
        }
        let mut end = probe + 1;
        let short = start + SHORTEST > probe + 1;
        if short {
            // Too short so far: it must reach to `start + SHORTEST`.
            let goal = start + SHORTEST;
            while end < goal && end < bytes.len() && is(bytes[end], TOKEN) {
                end += 1;
            }
            if end < goal {
                floor = end;
                probe = end + SHORTEST;
                continue;
            }
        }
        while end < bytes.len() && is(bytes[end], TOKEN) {
            end += 1;
        }
        let next = long(text, start..end, (found, traces), &mut judged).max(end);
        floor = next;
        probe = next + SHORTEST;
    }
}

/// Looks at one long token; where to go on.
fn long(
    text: &str,
    token: Range<usize>,
    (found, traces): (&mut Vec<Finding>, &mut Traces),
    judged: &mut usize,
) -> usize {
    let bytes = text.as_bytes();
    // `\nghp_…`: the letter belongs to the escape before.
    let escaped = bytes::behind_escape(bytes, token.start + 1);
    let token = token.start + usize::from(escaped)..token.end;
    if let Some(end) = jwt::at_token(text, token.clone(), found) {
        return end;
    }
    if let Some(end) = keys::at_token(text, token.clone(), found) {
        return end;
    }
    if wallet::at_token(text, token.clone(), found) {
        return token.end;
    }
    if token.end <= *judged {
        return token.end;
    }
    match decode::run(bytes, &token) {
        Some(Run { span, likely: true }) => {
            let end = span.end;
            traces.encoded.push(span);
            end
        }
        Some(Run { span, .. }) => {
            *judged = span.end;
            token.end
        }
        None => token.end,
    }
}
