//! Escapes inside a text: `%40`, `\u0040`, `\x40`, `&#64;`, `&#x40;` and the named entities that matter.

use std::ops::Range;

use super::{View, windows};
use crate::detect::bytes::hex_value;

/// Decodes around the `marks`, which stand where an escape begins.
pub(super) fn views(text: &str, marks: &[usize], scan: &mut impl FnMut(&View)) {
    windows(text, marks, |span| {
        if let Some(view) = view(text, span) {
            scan(&view);
        }
    });
}

/// Whether an escape begins at `at`, by a cheap look.
pub(crate) fn begins(bytes: &[u8], at: usize) -> bool {
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    match bytes[at] {
        b'%' => hex(at + 1) && hex(at + 2),
        b'\\' => match bytes.get(at + 1) {
            Some(b'u') => bytes.get(at + 2) == Some(&b'{') || (hex(at + 2) && hex(at + 5)),
            Some(b'x') => hex(at + 2) && hex(at + 3),
            _ => false,
        },
        b'&' => match bytes.get(at + 1) {
            Some(b'#') => true,
            Some(b'c') => named(&bytes[at..]).is_some(),
            Some(b'p' | b'l' | b's' | b'n' | b'a' | b'q') => named(&bytes[at..]).is_some(),
            _ => false,
        },
        _ => false,
    }
}

fn view(text: &str, span: Range<usize>) -> Option<View> {
    let bytes = text.as_bytes();
    let mut view = View::new();
    let mut kept = span.start;
    let mut at = span.start;
    let mut decoded = String::new();
    while at < span.end {
        decoded.clear();
        let length = match bytes[at] {
            b'%' => percent(&bytes[at..span.end], &mut decoded),
            b'\\' => backslash(&bytes[at..span.end], &mut decoded),
            b'&' => entity(&bytes[at..span.end], &mut decoded),
            _ => 0,
        };
        if length == 0 {
            at += 1;
            continue;
        }
        view.keep(text, kept..at);
        view.replace(at..at + length, &decoded);
        at += length;
        kept = at;
    }
    if kept == span.start {
        return None;
    }
    view.keep(text, kept..span.end);
    Some(view)
}

/// One character in percent-encoding, of up to four bytes.
fn percent(bytes: &[u8], to: &mut String) -> usize {
    let byte = |at: usize| -> Option<u8> {
        match bytes.get(at..at + 3)? {
            [b'%', high, low] => Some(hex_value(*high)? << 4 | hex_value(*low)?),
            _ => None,
        }
    };
    let Some(first) = byte(0) else { return 0 };
    let count = match first {
        0x20..=0x7E => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        b'\n' | b'\r' | b'\t' => 1,
        _ => return 0,
    };
    let mut encoded = [0_u8; 4];
    for (index, to) in encoded.iter_mut().enumerate().take(count) {
        match byte(index * 3) {
            Some(byte) => *to = byte,
            None => return 0,
        }
    }
    match std::str::from_utf8(&encoded[..count]) {
        Ok(decoded) => {
            to.push_str(decoded);
            count * 3
        }
        Err(_) => 0,
    }
}

/// `\u0040`, `\u{40}`, `\ud83d\ude00`, `\x40`, and the short ones of JSON.
fn backslash(bytes: &[u8], to: &mut String) -> usize {
    match bytes.get(1) {
        Some(b'u') if bytes.get(2) == Some(&b'{') => {
            let Some(close) = bytes.iter().take(12).position(|byte| *byte == b'}') else {
                return 0;
            };
            push(number(&bytes[3..close], 16), to, close + 1)
        }
        Some(b'u') => match (unit(bytes), bytes.get(6..).and_then(unit)) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => push(
                Some(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)),
                to,
                12,
            ),
            (Some(value), _) => push(Some(value), to, 6),
            (None, _) => 0,
        },
        Some(b'x') => push(bytes.get(2..4).and_then(|hex| number(hex, 16)), to, 4),
        Some(b'n') => push(Some(0x0A), to, 2),
        Some(b't') => push(Some(0x09), to, 2),
        Some(b'"') => push(Some(0x22), to, 2),
        Some(b'/') => push(Some(0x2F), to, 2),
        _ => 0,
    }
}

/// The number of `\u` with its four digits.
fn unit(bytes: &[u8]) -> Option<u32> {
    match bytes.get(..6)? {
        [b'\\', b'u', digits @ ..] => number(digits, 16),
        _ => None,
    }
}

fn entity(bytes: &[u8], to: &mut String) -> usize {
    if let Some((decoded, length)) = named(bytes) {
        to.push_str(decoded);
        return length;
    }
    if bytes.get(1) != Some(&b'#') {
        return 0;
    }
    let Some(close) = bytes.iter().take(12).position(|byte| *byte == b';') else {
        return 0;
    };
    let value = match bytes.get(2) {
        Some(b'x' | b'X') => number(&bytes[3..close], 16),
        _ => number(&bytes[2..close], 10),
    };
    push(value, to, close + 1)
}

/// The entities that have a name and could part a value or belong to one.
fn named(bytes: &[u8]) -> Option<(&'static str, usize)> {
    const NAMES: [(&str, &str); 14] = [
        ("&commat;", "@"),
        ("&period;", "."),
        ("&colon;", ":"),
        ("&nbsp;", " "),
        ("&shy;", ""),
        ("&sol;", "/"),
        ("&num;", "#"),
        ("&lowbar;", "_"),
        ("&plus;", "+"),
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&apos;", "'"),
        ("&equals;", "="),
        ("&lpar;", "("),
    ];
    NAMES
        .iter()
        .find(|(name, _)| bytes.starts_with(name.as_bytes()))
        .map(|(name, decoded)| (*decoded, name.len()))
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok()?;
    match digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) && digits.len() <= 8 {
        true => u32::from_str_radix(digits, base).ok(),
        false => None,
    }
}

fn push(value: Option<u32>, to: &mut String, length: usize) -> usize {
    match value.and_then(char::from_u32) {
        Some(c) if c >= ' ' || matches!(c, '\n' | '\t' | '\r') => {
            to.push(c);
            length
        }
        _ => 0,
    }
}
