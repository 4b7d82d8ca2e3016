//! What a byte is, by table, and small steps over a text.

/// `0-9`.
pub(crate) const DIGIT: u8 = 1;
/// `A-Z`.
pub(crate) const UPPER: u8 = 2;
/// `a-z`.
pub(crate) const LOWER: u8 = 4;
/// `_` and `-`.
pub(crate) const JOIN: u8 = 8;
/// `0-9a-fA-F`.
pub(crate) const HEX: u8 = 16;
/// What stands in the part of an e-mail address before the `@` besides letters and digits.
pub(crate) const LOCAL: u8 = 32;
/// Blank: space, tab, line breaks.
pub(crate) const BLANK: u8 = 64;
/// A byte of a character beyond ASCII.
pub(crate) const WIDE: u8 = 128;

pub(crate) const LETTER: u8 = UPPER | LOWER;
pub(crate) const ALNUM: u8 = LETTER | DIGIT;
/// What keys and tokens are made of.
pub(crate) const TOKEN: u8 = ALNUM | JOIN;

static TABLE: [u8; 256] = table();

const fn table() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let mut of = 0;
        if byte.is_ascii_digit() {
            of |= DIGIT;
        }
        if byte.is_ascii_uppercase() {
            of |= UPPER;
        }
        if byte.is_ascii_lowercase() {
            of |= LOWER;
        }
        if byte.is_ascii_hexdigit() {
            of |= HEX;
        }
        if matches!(byte, b'_' | b'-') {
            of |= JOIN;
        }
        if matches!(
            byte,
            b'.' | b'_'
                | b'%'
                | b'+'
                | b'-'
                | b'\''
                | b'!'
                | b'#'
                | b'$'
                | b'&'
                | b'*'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        ) {
            of |= LOCAL;
        }
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            of |= BLANK;
        }
        if byte >= 0x80 {
            of |= WIDE;
        }
        table[at] = of;
        at += 1;
    }
    table
}

/// Whether a byte is one of `kinds`.
#[inline(always)]
pub(crate) fn is(byte: u8, kinds: u8) -> bool {
    TABLE[byte as usize] & kinds != 0
}

/// Whether the byte at `at` is one of `kinds`; no byte is none.
#[inline(always)]
pub(crate) fn has(bytes: &[u8], at: usize, kinds: u8) -> bool {
    bytes.get(at).is_some_and(|byte| is(*byte, kinds))
}

/// Whether the byte before `at` is one of `kinds`; at the beginning there is none.
#[inline(always)]
pub(crate) fn before(bytes: &[u8], at: usize, kinds: u8) -> bool {
    at > 0 && is(bytes[at - 1], kinds)
}

/// Behind the run of `kinds` that begins at `at`, which is looked at for `most` bytes.
#[inline]
pub(crate) fn run(bytes: &[u8], at: usize, kinds: u8, most: usize) -> usize {
    let end = bytes.len().min(at.saturating_add(most));
    let mut here = at;
    while here < end && is(bytes[here], kinds) {
        here += 1;
    }
    here
}

/// Where the run of `kinds` that ends before `at` begins, at most `most` bytes back.
#[inline]
pub(crate) fn run_back(bytes: &[u8], at: usize, kinds: u8, most: usize) -> usize {
    let least = at.saturating_sub(most);
    let mut here = at;
    while here > least && is(bytes[here - 1], kinds) {
        here -= 1;
    }
    here
}

/// Whether a word may begin at `at`: behind nothing, behind no letter or digit, or behind an escape like `\n` that a
/// quoted text shows as a letter.
pub(crate) fn begins(bytes: &[u8], at: usize) -> bool {
    !before(bytes, at, ALNUM | WIDE) || behind_escape(bytes, at) || behind_wide_mark(bytes, at)
}

/// Whether what stands before `at` is `\n`, `\r` or `\t`, written out.
pub(crate) fn behind_escape(bytes: &[u8], at: usize) -> bool {
    at >= 2 && bytes[at - 2] == b'\\' && matches!(bytes[at - 1], b'n' | b'r' | b't')
}

/// Whether the character before `at` is a mark or blank beyond ASCII (quotes, dashes, no-break spaces, CJK punctuation).
fn behind_wide_mark(bytes: &[u8], at: usize) -> bool {
    let start = run_back(bytes, at, WIDE, 4);
    let tail = &bytes[start..at];
    tail.ends_with(&[0xC2, 0xA0])
        || tail.ends_with(&[0xC2, 0xAB])
        || tail.ends_with(&[0xC2, 0xBB])
        || tail.ends_with(&[0xC2, 0xBF])
        || tail.ends_with(&[0xC2, 0xA1])
        || (tail.len() >= 3
            && matches!(
                tail[tail.len() - 3..],
                [0xE2, 0x80..=0x82, _] | [0xE3, 0x80, _] | [0xEF, 0xBC, _] | [0xE2, 0x86, _]
            ))
}

/// Whether a word may end before `at`.
pub(crate) fn ends(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at) {
        None => true,
        Some(byte) if is(*byte, ALNUM) || *byte == b'_' => false,
        Some(byte) if is(*byte, WIDE) => wide_mark(bytes, at),
        Some(_) => true,
    }
}

/// Whether the character at `at` is a mark or blank beyond ASCII.
fn wide_mark(bytes: &[u8], at: usize) -> bool {
    matches!(
        bytes.get(at..at + 2),
        Some([0xC2, 0xA0 | 0xAB | 0xBB | 0xB7] | [0xE2, 0x80..=0x82] | [0xE3, 0x80] | [0xEF, 0xBC])
    )
}

/// The value of a digit of base 16.
pub(crate) fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
