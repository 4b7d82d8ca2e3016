//! What must wait at the end of a piece, since what comes next may make a secret of it.
//!
//! Words of prose never wait, so an answer's first words are not delayed. What waits: a word that looks like a token, or
//! like the first letters of one; groups of digits and capitals, as numbers of cards and accounts are written; numbers
//! long enough to be a register's, until the words behind them that say whose are there; a private key's block.

use memchr::memmem;

use crate::detect::{keys, secret};

/// Bytes that wait for a blank at most; what is longer is decided as it stands.
const LONGEST_TOKEN: usize = 4 << 10;
/// Bytes of a private key's block that wait for its end.
const LONGEST_BLOCK: usize = 16 << 10;
/// Bytes that wait for the end of a line or a sentence, where phrases are watched for.
const LONGEST_PHRASE: usize = 512;

/// How far behind a number the words stand that say what it is.
const BEHIND: usize = 40;
/// Digits from which a number may be more than a count.
const DIGITS: usize = 7;
/// Bytes of groups with separators that are read as one number.
const LONGEST_NUMBER: usize = 64;
/// Letters of a word of prose.
const LONGEST_WORD: usize = 24;

/// What waits of a text.
pub(super) struct Tail {
    /// Where it begins.
    pub(super) start: usize,
    /// Whether what stands before it is prose that no detector of secrets looks at, so that it need not be scanned.
    pub(super) behind_prose: bool,
}

/// What must wait of the text from `from` on.
pub(super) fn of(text: &str, from: usize, phrases: bool) -> Tail {
    let open = secret::open(text);
    let mut start = word(text, from);
    start = start.min(number(text, from, start));
    for open in [open.at, block(text, from)].into_iter().flatten() {
        start = start.min(open.max(from));
    }
    if phrases {
        start = start.min(phrase(text, from));
    }
    let behind_prose =
        !phrases && !open.spoken && text[from..start].split([' ', '\n']).all(is_word);
    Tail {
        start,
        behind_prose,
    }
}

/// Whether what waits from `upto` on is more than can wait.
pub(super) fn is_too_long(text: &str, upto: usize) -> bool {
    let waits = text.len() - upto;
    waits > LONGEST_BLOCK || (waits > LONGEST_TOKEN && block(text, upto).is_none())
}

/// Whether it is a word, or several joined by characters beyond ASCII.
fn is_word(text: &str) -> bool {
    let text = text.trim_matches(|c: char| {
        matches!(
            c,
            '.' | ',' | ';' | '!' | '?' | '\'' | '"' | '(' | ')' | '*'
        )
    });
    let mut letters = 0;
    for (nth, c) in text.chars().enumerate() {
        letters = if c.is_ascii() { letters + 1 } else { 0 };
        let fits = if c.is_ascii() {
            c.is_ascii_lowercase() || c == '\'' || (nth == 0 && c.is_ascii_uppercase())
        } else {
            !may_be_folded(c)
        };
        if !fits || letters > LONGEST_WORD {
            return false;
        }
    }
    true
}

/// Characters that a detector may read as others: wide and mathematical letters and digits, and those without a width.
fn may_be_folded(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{2bff}' | '\u{f000}'..='\u{ffff}' | '\u{1d000}'..='\u{1ffff}')
}

/// The last word, if it must wait, with the groups before it that it continues.
fn word(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut start = word_start(text, from, text.len());
    let last = &text[start..];
    if last.is_empty() && !bytes[from..].ends_with(b" ") {
        return text.len();
    }
    if last.is_empty() {
        // A blank behind a group: the next group may follow.
        start = word_start(text, from, text.len() - 1);
        if !is_group(&bytes[start..text.len() - 1]) {
            return text.len();
        }
    } else if is_word(last) && !begins_key(last) {
        return text.len();
    }
    while start > from + 1
        && text.len() - start < LONGEST_NUMBER
        && matches!(bytes[start - 1], b' ' | b'-')
    {
        let before = word_start(text, from, start - 1);
        if !is_group(&bytes[before..start - 1]) {
            break;
        }
        start = before;
    }
    start
}

/// Where the run of characters that a token is made of begins that ends at `end`.
fn word_start(text: &str, from: usize, end: usize) -> usize {
    let part = &text[from..end];
    let blank =
        part.rfind(|c: char| c.is_ascii_whitespace() || (!c.is_ascii() && !may_be_folded(c)));
    match blank {
        Some(at) => from + at + part[at..].chars().next().map_or(0, char::len_utf8),
        None => from,
    }
}

/// A group of a number that is written in groups: digits, or up to four capitals.
fn is_group(word: &[u8]) -> bool {
    let digits = word.iter().any(u8::is_ascii_digit);
    let capitals = !word.is_empty() && word.len() <= 4 && word.iter().all(u8::is_ascii_uppercase);
    digits || capitals
}

/// Whether a word may be the first letters of a vendor's key, of a JWT, or the first of an account's number. `I` alone is
/// let go: many an answer begins with it, and one letter tells nothing.
fn begins_key(word: &str) -> bool {
    let word = word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    match word.as_bytes() {
        [] | [b'I'] => false,
        [only] if only.is_ascii_uppercase() => true,
        _ => keys::may_begin(word) || "eyJ".starts_with(word),
    }
}

/// Where the first number begins that words behind it may still name.
fn number(text: &str, from: usize, end: usize) -> usize {
    let bytes = text.as_bytes();
    let window = from.max(end.saturating_sub(BEHIND + LONGEST_NUMBER));
    let (mut start, mut behind, mut digits) = (None, window, 0);
    for at in window..=end {
        let byte = bytes.get(at).copied().filter(|_| at < end);
        if byte.is_some_and(|byte| byte.is_ascii_digit()) {
            start = start.or_else(|| Some(word_start(text, from, at)));
            (behind, digits) = (at + 1, digits + 1);
            continue;
        }
        let goes_on = byte.is_some_and(|byte| {
            matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')') || byte.is_ascii_uppercase()
        });
        if goes_on && at < behind + 4 {
            continue;
        }
        match start.take() {
            Some(start) if digits >= DIGITS && behind + BEHIND > text.len() => return start,
            _ => digits = 0,
        }
    }
    end
}

/// Where a private key's block begins that has not ended.
fn block(text: &str, from: usize) -> Option<usize> {
    const BEGIN: &[u8] = b"-----BEGIN";
    let bytes = text.as_bytes();
    let dashes = from + memmem::rfind(&bytes[from..], BEGIN)?;
    let label = &bytes[dashes + BEGIN.len()..];
    let begin = from + text[from..dashes].trim_end_matches('-').len();
    let Some(head) = memmem::find(&label[..label.len().min(80)], b"----") else {
        return (label.len() < 80 && !label.contains(&b'\n')).then_some(begin);
    };
    memmem::find(&label[..head], b"PRIVATE KEY")?;
    let body = &label[head..];
    if let Some(end) = memmem::find(body, b"-----END") {
        return ends_open(&body[end + 8..]).then_some(begin);
    }
    looks_like_key(body).then_some(begin)
}

/// Whether a block's last line has not ended: its dashes may go on.
fn ends_open(line: &[u8]) -> bool {
    match memmem::find(line, b"----") {
        Some(dashes) => line[dashes..].iter().all(|byte| *byte == b'-'),
        None => line.len() < 80,
    }
}

/// Whether what follows a block's first line is a key so far. Prose about keys has blanks before it has a line of one.
fn looks_like_key(body: &[u8]) -> bool {
    let (mut of_key, mut blanks) = (0, 0);
    for byte in body {
        match byte {
            b' ' => blanks += 1,
            b'\n' => blanks = 0,
            b'-' | b'\\' | b'\r' | b':' | b',' | b'.' => {}
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=') => {
                of_key += 1
            }
            _ => blanks = 3,
        }
        if blanks > 2 {
            return of_key >= 40;
        }
    }
    true
}

/// Where the last line or sentence begins; where that is long, its last word.
fn phrase(text: &str, from: usize) -> usize {
    let part = &text.as_bytes()[from..];
    let ends = |at: &usize| {
        part[*at] == b'\n'
            || (part[*at].is_ascii_whitespace()
                && *at > 0
                && matches!(part[*at - 1], b'.' | b'!' | b'?'))
    };
    let start = (0..part.len()).rev().find(ends).map_or(0, |at| at + 1);
    if part.len() - start <= LONGEST_PHRASE {
        return from + start;
    }
    word_start(text, from, text.len())
}
