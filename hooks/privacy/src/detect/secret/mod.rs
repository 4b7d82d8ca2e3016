//! Random values behind a name that says so: `password=…`, `"api_key": "…"`, `Authorization: Bearer …`, `--token …`, `the
//! password is …`. Read by hand around `=`, `:` and `--`, since an expression for this costs more than all else together.

use std::ops::Range;

use super::Known;
use super::bytes::{ALNUM, BLANK, JOIN, WIDE, before, has, is, run_back};
use crate::finding::Finding;
use names::Name;
pub(crate) use open::open;
pub(super) use value::{is_random, stands_for_one};

mod names;
mod open;
mod value;
mod words;

/// The most bytes of a name and of a value.
const LONGEST_NAME: usize = 48;
const LONGEST_VALUE: usize = 4096;

/// Builds what names are compared with.
pub(super) fn prepare() {
    names::prepare();
}

/// Looks at the `=` or `:` at `at`.
pub(super) fn at_sign(text: &str, at: usize, found: &mut Vec<Finding>) {
    let bytes = text.as_bytes();
    // A path in code: `signature::verify`.
    if bytes[at] == b':' && (bytes.get(at + 1) == Some(&b':') || (at > 0 && bytes[at - 1] == b':'))
    {
        return;
    }
    let Some(name) = name_before(bytes, at) else {
        return;
    };
    let Some(meaning) = names::meaning(&bytes[name.clone()]) else {
        return;
    };
    if let Some(value) = value_behind(text, at + 1, meaning) {
        found.push(Known::SecretValue.at(value));
    }
}

/// Looks at the option whose name begins at `at`, behind `--`, when its value stands behind a blank.
pub(super) fn option(text: &str, at: usize, found: &mut Vec<Finding>) {
    let bytes = text.as_bytes();
    let mut end = at;
    while end < bytes.len() && end - at < LONGEST_NAME && is(bytes[end], ALNUM | JOIN) {
        end += 1;
    }
    if bytes.get(end) != Some(&b' ') {
        return;
    }
    let Some(meaning @ (Name::Password | Name::Token)) = names::meaning(&bytes[at..end]) else {
        return;
    };
    if let Some(value) = value_behind(text, end, meaning) {
        found.push(Known::SecretValue.at(value));
    }
}

/// Looks behind the word at `word`, as prose tells secrets: `the password is …`, `Bearer …`.
pub(super) fn behind_word(text: &str, word: Range<usize>, found: &mut Vec<Finding>) {
    let bytes = text.as_bytes();
    let start = run_back(bytes, word.start, ALNUM, 24);
    // The end of an element of XML: what follows is outside.
    if before(bytes, start, ALNUM) || bytes[..start].ends_with(b"/") {
        return;
    }
    if let Some(value) = told_value(text, word.end) {
        found.push(Known::SecretValue.at(value));
    }
}

/// The name that ends before the sign at `at`, without quotes and brackets around it.
fn name_before(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let mut end = at;
    let least = at.saturating_sub(4);
    while end > least
        && matches!(
            bytes[end - 1],
            b' ' | b'"' | b'\'' | b'\\' | b']' | b'`' | b'*' | b':' | b'?' | b'!'
        )
    {
        end -= 1;
    }
    if end == 0 || !is(bytes[end - 1], ALNUM | WIDE) || !names::could_end(bytes, end) {
        return None;
    }
    let least = end.saturating_sub(LONGEST_NAME);
    let mut start = end;
    while start > least
        && (is(bytes[start - 1], ALNUM | JOIN | WIDE)
            || matches!(bytes[start - 1], b'.' | b' ' | b'$'))
    {
        start -= 1;
    }
    // `AWS::IAM::AccessKey` names a kind.
    if bytes[..start].ends_with(b"::") {
        return None;
    }
    Some(start..end)
}

/// The value from `at` on, when it is one.
fn value_behind(text: &str, at: usize, name: Name) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut start = at;
    let most = bytes.len().min(at + 8);
    while start < most && matches!(bytes[start], b' ' | b'\t' | b'=' | b'>' | b':' | b'~') {
        start += 1;
    }
    if start == at + 8 || start >= bytes.len() {
        return None;
    }
    let span = read(bytes, start)?;
    let span = match scheme(bytes, &span) {
        Some(from) => read(bytes, from)?,
        None if name == Name::Authorization && !is_random(&text[span.clone()]) => return None,
        None => span,
    };
    value::fits(text.get(span.clone())?, name).then_some(span)
}

/// The value that begins at `at`: between quotes, or up to a blank or a sign that ends one.
fn read(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let mut start = at;
    if matches!(bytes.get(start), Some(b'b' | b'r' | b'f' | b'u' | b'@'))
        && matches!(bytes.get(start + 1), Some(b'"' | b'\''))
    {
        start += 1;
    }
    while bytes.get(start) == Some(&b'\\') {
        start += 1;
    }
    let quote = bytes
        .get(start)
        .copied()
        .filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let most = bytes.len().min(start + LONGEST_VALUE);
    if let Some(quote) = quote {
        let from = start + 1;
        let length = bytes[from..most]
            .iter()
            .position(|byte| *byte == quote || *byte == b'\n')?;
        let mut end = from + length;
        if bytes[end] == b'\n' {
            return None;
        }
        while end > from && bytes[end - 1] == b'\\' {
            end -= 1;
        }
        return (end > from).then_some(from..end);
    }
    let mut end = start;
    while end < most && !is(bytes[end], BLANK) && !closes(bytes, end) {
        end += 1;
    }
    if is_call(&bytes[start..end]) {
        return None;
    }
    while end > start + 1 && matches!(bytes[end - 1], b',' | b'.' | b')' | b']' | b'}' | b':') {
        end -= 1;
    }
    (end > start).then_some(start..end)
}

/// Whether a value without quotes ends before the sign at `at`.
fn closes(bytes: &[u8], at: usize) -> bool {
    match bytes[at] {
        b'"' | b'\'' | b'`' | b'<' | b'>' | b';' | b'\\' => true,
        // The next parameter of a query.
        b'&' => {
            let name = bytes[at + 1..]
                .iter()
                .take(LONGEST_NAME)
                .take_while(|byte| is(**byte, ALNUM | JOIN));
            matches!(bytes.get(at + 1 + name.count()), Some(b'=' | b';') | None)
        }
        _ => false,
    }
}

/// Whether a value without quotes is a call or a place in a list: a name, then a bracket.
fn is_call(value: &[u8]) -> bool {
    let name = value
        .iter()
        .take_while(|byte| is(**byte, ALNUM) || matches!(byte, b'_' | b'.' | b':' | b'-' | b'&'))
        .count();
    matches!(value.get(name), Some(b'(' | b'[' | b'{')) && (name > 0 || value.len() == 1)
}

/// Where the value begins behind the scheme of an `Authorization` header.
fn scheme(bytes: &[u8], span: &Range<usize>) -> Option<usize> {
    const SCHEMES: [&[u8]; 8] = [
        b"bearer ",
        b"basic ",
        b"token ",
        b"apikey ",
        b"negotiate ",
        b"digest ",
        b"bot ",
        b"key ",
    ];
    let rest = &bytes[span.start..];
    SCHEMES
        .iter()
        .find(|scheme| {
            rest.len() > scheme.len() && rest[..scheme.len()].eq_ignore_ascii_case(scheme)
        })
        .map(|scheme| span.start + scheme.len())
}

/// The value that prose tells behind a word that ends at `at`.
fn told_value(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let bearer = bytes[..at].ends_with(b"earer ");
    let mut here = at;
    if bearer {
        let span = read(bytes, here)?;
        return value::fits(text.get(span.clone())?, Name::Authorization).then_some(span);
    }
    if has(bytes, here, ALNUM) || bytes.get(here) == Some(&b'_') {
        return None;
    }
    // `password for the router is …`: a few words, then one that says so, or the value at once.
    let mut told = true;
    for _ in 0..7 {
        here = skip(bytes, here);
        let span = read(bytes, here)?;
        let word = text.get(span.clone())?;
        let quoted = matches!(bytes[here], b'"' | b'\'' | b'`');
        if (told || quoted)
            && word.len() >= 6
            && !is_pair(word)
            && value::fits(word, Name::Password)
        {
            return Some(span);
        }
        let small = word.len() <= 14 && !word.bytes().any(|byte| byte.is_ascii_digit());
        if !small
            || quoted
            || bytes
                .get(span.end)
                .is_none_or(|byte| !matches!(byte, b' ' | b':' | b'='))
        {
            return None;
        }
        here = span.end;
        told = is_link(word) || matches!(bytes[here - 1], b':' | b'=') || bytes[here] != b' ';
    }
    None
}

/// `name=value` is no value, but an argument of its own.
fn is_pair(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, value)| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
    })
}

/// Words that say that the value follows.
fn is_link(word: &str) -> bool {
    const LINKS: [&str; 22] = [
        "is",
        "was",
        "to",
        "be",
        "lautet",
        "ist",
        "est",
        "es",
        "è",
        "jest",
        "é",
        "hai",
        "war",
        "sera",
        "fue",
        "era",
        "to:",
        "is:",
        "now",
        "currently",
        "auf",
        "a",
    ];
    LINKS.contains(&word)
}

/// Over blanks and marks between words.
fn skip(bytes: &[u8], at: usize) -> usize {
    let mut here = at;
    while here < bytes.len()
        && here < at + 4
        && matches!(
            bytes[here],
            b' ' | b':' | b'=' | b'>' | b'*' | b'"' | b'\'' | b'`'
        )
    {
        here += 1;
    }
    // A quote that opens the value stays.
    if here > at && matches!(bytes[here - 1], b'"' | b'\'' | b'`') {
        here -= 1;
    }
    here
}
