//! Values that a text ends in the middle of: whoever sees only a text's beginning must wait for the rest of them.

use memchr::{memchr2_iter, memmem, memrchr};

use super::{name_before, names, scheme};
use crate::detect::bytes::{ALNUM, BLANK, JOIN, is};
use crate::detect::spoken;

/// How far behind a word of prose its value stands at most: seven words of sixteen letters.
const SPOKEN_REACH: usize = 7 * 17 + 32;
/// How far back signs are looked for: a value between quotes may hold blanks.
const REACH: usize = 4096;
/// Signs that are looked at: a value may hold some itself.
const SIGNS: usize = 16;

/// A value that is announced near the end of a text.
#[derive(Clone, Copy, Default)]
pub(crate) struct Open {
    /// Where it begins, if it has not ended; it may be empty so far.
    pub(crate) at: Option<usize>,
    /// Whether prose announces one.
    pub(crate) spoken: bool,
}

/// The value that is open at the end of `text`.
pub(crate) fn open(text: &str) -> Open {
    let bytes = text.as_bytes();
    let window = bytes.len().saturating_sub(REACH);
    let signs = memchr2_iter(b'=', b':', &bytes[window..])
        .map(|at| window + at)
        .rev()
        .take(SIGNS);
    let signed = signs
        .filter(|at| is_named(bytes, *at))
        .filter_map(|at| unfinished(bytes, at + 1))
        .min();
    let spoken = spoken(text);
    let at = [signed, option(bytes), spoken].into_iter().flatten().min();
    Open {
        at,
        spoken: spoken.is_some(),
    }
}

fn is_named(bytes: &[u8], sign: usize) -> bool {
    name_before(bytes, sign).is_some_and(|name| names::meaning(&bytes[name]).is_some())
}

/// Where the value behind `at` begins, if it has not ended.
fn unfinished(bytes: &[u8], at: usize) -> Option<usize> {
    let blank = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'=' | b'>' | b':' | b'~');
    let start = at
        + bytes[at..]
            .iter()
            .position(blank)
            .unwrap_or(bytes.len() - at);
    let start = scheme(bytes, &(start..bytes.len())).unwrap_or(start);
    let rest = &bytes[start..];
    let quote = rest
        .iter()
        .take(3)
        .position(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    let goes_on = match quote {
        Some(quote) => !rest[quote + 1..]
            .iter()
            .any(|byte| *byte == rest[quote] || *byte == b'\n'),
        None => !rest.iter().any(|byte| is(*byte, BLANK)),
    };
    goes_on.then_some(start)
}

/// The value of an option: `--token …`.
fn option(bytes: &[u8]) -> Option<usize> {
    let window = bytes.len().saturating_sub(SPOKEN_REACH);
    let name = window + memmem::rfind(&bytes[window..], b"--")? + 2;
    let end = name
        + bytes[name..]
            .iter()
            .position(|byte| !is(*byte, ALNUM | JOIN))?;
    names::meaning(&bytes[name..end])?;
    unfinished(bytes, end)
}

/// The last word behind the first word of prose near the end that announces a secret, or the quote that is open there.
fn spoken(text: &str) -> Option<usize> {
    let window = text.ceil_char_boundary(text.len().saturating_sub(SPOKEN_REACH));
    let behind = window + spoken::behind_first_secret(&text[window..])?;
    let rest = &text.as_bytes()[behind..];
    let quote = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\'' | b'`'));
    if let Some(quote) = quote
        && !rest[quote + 1..]
            .iter()
            .any(|byte| *byte == rest[quote] || *byte == b'\n')
    {
        return Some(behind + quote);
    }
    let word = [b' ', b'\n', b'\t']
        .iter()
        .filter_map(|blank| memrchr(*blank, rest))
        .max();
    Some(word.map_or(behind, |blank| behind + blank + 1))
}
