//! E-mail addresses, around an `@`.

use super::Known;
use super::bytes::{ALNUM, LOCAL, WIDE, has, is};
use super::domains;
use crate::finding::Finding;

/// The most bytes before the `@` (RFC 5321 says 64; characters beyond ASCII take more).
const LONGEST_LOCAL: usize = 128;

/// Notes the address around the `@` at `at`.
pub(super) fn at_sign(text: &str, at: usize, found: &mut Vec<Finding>) {
    let bytes = text.as_bytes();
    if at == 0 || !has(bytes, at + 1, ALNUM | WIDE) {
        return;
    }
    let Some(end) = domains::end_of_name(text, at + 1) else {
        return;
    };
    let start = match bytes[at - 1] {
        b'"' => quoted(bytes, at),
        _ => local(bytes, at),
    };
    let Some(start) = start else { return };
    if !is_other(&bytes[start..at], bytes, end) {
        found.push(Known::Email.at(start..end));
    }
}

/// Where the part before the `@` begins.
fn local(bytes: &[u8], at: usize) -> Option<usize> {
    let least = at.saturating_sub(LONGEST_LOCAL);
    let mut start = at;
    while start > least && is(bytes[start - 1], ALNUM | LOCAL | WIDE) {
        // An assignment, a path, a query or a quote before an address is no part of it.
        if matches!(
            bytes[start - 1],
            b'=' | b'/'
                | b'?'
                | b'&'
                | b'\''
                | b'`'
                | b'{'
                | b'}'
                | b'|'
                | b'*'
                | b'#'
                | b'$'
                | b'%'
                | b'!'
                | b'^'
        ) {
            break;
        }
        start -= 1;
    }
    while start < at
        && (matches!(bytes[start], b'.' | b'-' | b'+' | b'~') || wide_mark(bytes, &mut start))
    {
        start += 1;
    }
    if super::bytes::behind_escape(bytes, start + 1) && start > 0 && bytes[start - 1] == b'\\' {
        start += 1;
    }
    // An apostrophe inside a name: o'brien@…
    if start >= 2 && bytes[start - 1] == b'\'' && is(bytes[start - 2], ALNUM) && start < at {
        let more = super::bytes::run_back(bytes, start - 1, ALNUM, 24);
        if !has(bytes, more.wrapping_sub(1), ALNUM | LOCAL | WIDE) && start - 1 - more <= 2 {
            start = more;
        }
    }
    let ends_well = is(bytes[at - 1], ALNUM | WIDE) || matches!(bytes[at - 1], b'_' | b'-' | b'+');
    (start < at && ends_well).then_some(start)
}

/// Steps over quotes, dashes and CJK marks that are no letters, at the beginning.
fn wide_mark(bytes: &[u8], start: &mut usize) -> bool {
    let length = match bytes.get(*start..*start + 2) {
        Some([0xC2, 0x80..=0xBF]) => 2,
        Some([0xE2, 0x80..=0x9F] | [0xE3, 0x80] | [0xEF, 0xBC]) => 3,
        _ => return false,
    };
    *start += length - 1;
    true
}

/// `"john doe"@example.com`.
fn quoted(bytes: &[u8], at: usize) -> Option<usize> {
    let least = at.saturating_sub(LONGEST_LOCAL);
    let start = (least..at - 1).rev().find(|here| bytes[*here] == b'"')?;
    let inside = &bytes[start + 1..at - 1];
    let sound = !inside.is_empty()
        && inside
            .iter()
            .all(|byte| (b' '..=b'~').contains(byte) && *byte != b'@')
        && (start == 0 || !is(bytes[start - 1], ALNUM));
    sound.then_some(start)
}

/// Whether what looks like an address is none: `git@host:path`, `logo@2x.png`, a part of a URL with a password.
fn is_other(local: &[u8], bytes: &[u8], end: usize) -> bool {
    let known_user = matches!(local, b"git" | b"hg" | b"svn" | b"gitlab" | b"org-git");
    let path_behind = bytes.get(end) == Some(&b':') && has(bytes, end + 1, ALNUM | LOCAL) && {
        bytes.get(end + 1).is_none_or(|byte| *byte != b' ')
    };
    known_user
        || (path_behind && !has(bytes, end + 1, super::bytes::BLANK) && scp_path(bytes, end + 1))
}

/// Whether a path of `scp` or git begins: a word with a slash.
fn scp_path(bytes: &[u8], from: usize) -> bool {
    bytes[from..]
        .iter()
        .take(64)
        .take_while(|byte| is(**byte, ALNUM) || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~'))
        .any(|byte| *byte == b'/')
}
