//! One path, one spelling: what the router decides on and what it must send on.
//!
//! A server may read `/a/../b`, `/%62` or `/a%2Fb` otherwise than a rule does. So a request's path is first put in one
//! form, the rules look at that form only, and **the router sends that form upstream**, never the bytes it received.
//! What has more than one lawful reading is refused.
//!
//! The form: begins with `/`; `%XX` of a letter, digit, `-`, `.`, `_` or `~` is decoded; every other `%XX` stays, in
//! upper case; bytes that a path may not hold bare (non-ASCII, `"<>^{|}` and the like) become `%XX`; empty segments
//! and `.` fall away; `..` takes the segment before it. A final `/` stays.
//!
//! `%2F` is refused, with one exception: npm asks for a scoped package as `/@scope%2Fname` and in no other way. That
//! exact shape passes, and the rules are asked about both readings: see [`crate::decide`].

/// Why a path has no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// It does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// It is longer than [`MAX_PATH`].
    #[error("the path is longer than 16 KiB")]
    TooLong,
    /// A `%` without two hex digits.
    #[error("the path holds a `%` that is not followed by two hex digits")]
    BadEscape,
    /// `%2F`.
    #[error("the path holds an encoded slash (`%2F`), which servers read in two ways")]
    EncodedSlash,
    /// `\` or `%5C`.
    #[error("the path holds a backslash, which some servers read as a slash")]
    Backslash,
    /// A control character, bare or encoded; `%00` too.
    #[error("the path holds a control character")]
    Control,
    /// `?` or `#`: this is more than a path.
    #[error("the path holds a `?` or `#`")]
    NotOnlyPath,
    /// `..` at the root.
    #[error("the path climbs above the root with `..`")]
    AboveRoot,
    /// `..;x` or `.;x`, which some servers take for `..`.
    #[error("the path holds a dot segment with a parameter (`..;`)")]
    DotParameter,
}

/// The longest path that is looked at, in bytes: the limit of a whole HTTP header.
pub const MAX_PATH: usize = 16 * 1024;

/// Put `raw`, a request's path without query, in the one form. Idempotent.
///
/// # Errors
/// The path has no single reading, or is none.
pub fn normalise_path(raw: &str) -> Result<String, PathFault> {
    normalise(raw, Slashes::Plain)
}

/// The same where an endpoint says `allow_encoded_slash`: `%2F` stays, and rules are asked about both its readings.
///
/// # Errors
/// The path has no single reading, or is none.
pub fn normalise_path_with_slashes(raw: &str) -> Result<String, PathFault> {
    normalise(raw, Slashes::Encoded)
}

/// Whether `%2F` may stand in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slashes {
    Plain,
    Encoded,
}

fn normalise(raw: &str, slashes: Slashes) -> Result<String, PathFault> {
    if raw.len() > MAX_PATH {
        return Err(PathFault::TooLong);
    }
    if !raw.starts_with('/') {
        return Err(PathFault::NotAbsolute);
    }
    let spelt = respell(raw.as_bytes())?;
    let mut segments: Vec<&str> = Vec::new();
    let mut directory = false;
    for part in spelt.split('/') {
        directory = matches!(part, "" | "." | "..");
        match part {
            "" | "." => {}
            ".." => drop(segments.pop().ok_or(PathFault::AboveRoot)?),
            _ if part.starts_with("..;") || part.starts_with(".;") => {
                return Err(PathFault::DotParameter);
            }
            _ => segments.push(part),
        }
    }
    if slashes == Slashes::Plain && has_foreign_slash(&spelt, segments.first().copied()) {
        return Err(PathFault::EncodedSlash);
    }
    let mut path = String::with_capacity(spelt.len());
    for segment in &segments {
        path.push('/');
        path.push_str(segment);
    }
    if directory || path.is_empty() {
        path.push('/');
    }
    Ok(path)
}

/// Whether there is a `%2F` beside the one that npm writes.
fn has_foreign_slash(path: &str, first: Option<&str>) -> bool {
    match path.matches("%2F").count() {
        0 => false,
        1 => !first.is_some_and(is_scoped_package),
        _ => true,
    }
}

/// Whether a path holds an encoded slash that only endpoints with `allow_encoded_slash` take. `None`: it is not in the
/// normal form.
pub(crate) fn encoded_slash(path: &str) -> Option<bool> {
    if is_plainly_normal(path) {
        return Some(false);
    }
    if !is_normal(path) {
        return None;
    }
    Some(has_foreign_slash(path, path[1..].split('/').next()))
}

/// Whether a glance shows that the path is in the normal form: unreserved characters, no empty and no dot segments.
fn is_plainly_normal(path: &str) -> bool {
    let mut before = b'?';
    let plain = path.bytes().all(|byte| {
        let fits = match byte {
            b'/' => before != b'/',
            b'.' => before != b'/',
            _ => is_unreserved(byte) || matches!(byte, b'@' | b'=' | b'+' | b',' | b':'),
        };
        before = byte;
        fits
    });
    plain && path.starts_with('/') && path.len() <= MAX_PATH
}

/// Whether the path is in the normal form, encoded slashes allowed: what [`normalise_path_with_slashes`] leaves as it
/// is, found without a copy.
fn is_normal(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/').filter(|_| path.len() <= MAX_PATH) else {
        return false;
    };
    let mut parts = rest.split('/').peekable();
    while let Some(part) = parts.next() {
        let lawful = match part {
            "" => parts.peek().is_none(),
            "." | ".." => false,
            _ => !part.starts_with("..;") && !part.starts_with(".;"),
        };
        if !lawful || !is_spelt(part.as_bytes()) {
            return false;
        }
    }
    true
}

/// Whether each character has the one spelling of [`respell`].
fn is_spelt(mut rest: &[u8]) -> bool {
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            if !is_unreserved(byte) && !is_bare(byte) {
                return false;
            }
            continue;
        }
        let Some((value, after)) = escape(rest) else {
            return false;
        };
        let upper = !rest[..2].iter().any(u8::is_ascii_lowercase);
        if !upper || is_unreserved(value) || matches!(value, 0..=0x1f | 0x7f | b'\\') {
            return false;
        }
        rest = after;
    }
    true
}

/// `@scope%2Fname`, as npm spells a scoped package.
fn is_scoped_package(segment: &str) -> bool {
    let plain =
        |word: &str| !word.is_empty() && !word.starts_with('.') && word.bytes().all(is_unreserved);
    segment
        .strip_prefix('@')
        .and_then(|rest| rest.split_once("%2F"))
        .is_some_and(|(scope, name)| plain(scope) && plain(name))
}

/// One spelling per character.
fn respell(raw: &[u8]) -> Result<String, PathFault> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let mut value = byte;
        let encoded = byte == b'%';
        if encoded {
            let (decoded, after) = escape(rest).ok_or(PathFault::BadEscape)?;
            value = decoded;
            rest = after;
        }
        match value {
            0..=0x1f | 0x7f => return Err(PathFault::Control),
            b'\\' => return Err(PathFault::Backslash),
            b'?' | b'#' if !encoded => return Err(PathFault::NotOnlyPath),
            _ if is_unreserved(value) || (!encoded && is_bare(value)) => {
                out.push(char::from(value))
            }
            _ => push_escape(&mut out, value),
        }
    }
    Ok(out)
}

/// The byte of two hex digits and what follows them.
pub(crate) fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_at_checked(2)?;
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    Some((nibble(digits[0])? << 4 | nibble(digits[1])?, rest))
}

fn push_escape(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What a path may hold bare, beside unreserved characters.
fn is_bare(byte: u8) -> bool {
    matches!(
        byte,
        b'/' | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
            | b':'
            | b'@'
    )
}

/// Decoded bytes; longer paths are rare, and cost an allocation.
pub(crate) type Bytes = smallvec::SmallVec<[u8; 256]>;

/// The two readings of a normalised path, as the bytes that globs look at: every `%XX` decoded, an encoded slash
/// as [`SLASH_IN_NAME`] in the first and as `/` in the second (`None` where there is no encoded slash).
pub(crate) fn readings(path: &str) -> Option<(Bytes, Option<Bytes>)> {
    let mut first = Bytes::new();
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            first.push(byte);
            continue;
        }
        let (value, after) = escape(rest)?;
        rest = after;
        first.push(if value == b'/' { SLASH_IN_NAME } else { value });
    }
    let second = first.contains(&SLASH_IN_NAME).then(|| {
        first
            .iter()
            .map(|byte| if *byte == SLASH_IN_NAME { b'/' } else { *byte })
            .collect()
    });
    Some((first, second))
}

/// The path as servers read it that cut `;parameters` off each segment before they choose what to serve (`/;x/a` and
/// `/a;x` are `/a` to them). `None` where there are none.
pub(crate) fn without_parameters(path: &[u8]) -> Option<Bytes> {
    if !path.contains(&b';') {
        return None;
    }
    let mut bare = Bytes::new();
    for segment in path.split(|byte| *byte == b'/') {
        let name = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        if !name.is_empty() {
            bare.push(b'/');
            bare.extend_from_slice(name);
        }
    }
    if bare.is_empty() || path.ends_with(b"/") {
        bare.push(b'/');
    }
    Some(bare)
}

/// Stands for `%2F` in a decoded path; NUL occurs in no normalised path.
const SLASH_IN_NAME: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_has_one_form() {
        for (raw, form) in [
            ("/", "/"),
            ("//", "/"),
            ("/a//b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/x/../b", "/a/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/%61%2D%2e%7E", "/a-.~"),
            ("/%2e%2e/a".trim_start_matches("/%2e%2e"), "/a"),
            ("/a%20b", "/a%20b"),
            ("/a%c3%a9", "/a%C3%A9"),
            ("/é", "/%C3%A9"),
            ("/a|b", "/a%7Cb"),
            ("/a%40b", "/a%40b"),
            ("/@a/b", "/@a/b"),
            ("/a%2525", "/a%2525"),
            ("/x/%2e%2e/y", "/y"),
            ("/@babel%2fcore", "/@babel%2Fcore"),
        ] {
            assert_eq!(normalise_path(raw).as_deref(), Ok(form), "{raw}");
            assert_eq!(normalise_path(form).as_deref(), Ok(form), "{form}");
        }
    }

    #[test]
    fn a_path_is_known_to_be_normal_without_a_copy() {
        // Every text of up to five of these.
        let pieces = [
            "/", "a", ".", "%2F", "%41", "%c3", "%C3", ";", "@", "%00", "%5C", "|",
        ];
        let mut texts = vec![String::new()];
        let mut all = Vec::new();
        for _ in 0..5 {
            texts = texts
                .iter()
                .flat_map(|text| pieces.map(|piece| format!("{text}{piece}")))
                .collect();
            all.extend(texts.iter().map(|text| format!("/{text}")));
        }
        for text in all.iter().chain(
            ["", "a", "/", "/%", "/%4", "/?", "/#", "/%3F"]
                .map(String::from)
                .iter(),
        ) {
            let form = normalise_path_with_slashes(text);
            assert_eq!(is_normal(text), form.as_deref() == Ok(text), "{text}");
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for (raw, fault) in [
            ("", PathFault::NotAbsolute),
            ("a", PathFault::NotAbsolute),
            ("*", PathFault::NotAbsolute),
            ("/a%2Fb", PathFault::EncodedSlash),
            ("/a%2fb", PathFault::EncodedSlash),
            ("/@a%2fb%2fc", PathFault::EncodedSlash),
            ("/x/@a%2Fb", PathFault::EncodedSlash),
            ("/@a%2f..", PathFault::EncodedSlash),
            ("/@%2Fb", PathFault::EncodedSlash),
            ("/a%00", PathFault::Control),
            ("/a\u{7f}", PathFault::Control),
            ("/a%0a", PathFault::Control),
            ("/a\\b", PathFault::Backslash),
            ("/a%5cb", PathFault::Backslash),
            ("/a%", PathFault::BadEscape),
            ("/a%4", PathFault::BadEscape),
            ("/a%zz", PathFault::BadEscape),
            ("/a?b", PathFault::NotOnlyPath),
            ("/..", PathFault::AboveRoot),
            ("/%2e%2e/a", PathFault::AboveRoot),
            ("/a/..;/b", PathFault::DotParameter),
        ] {
            assert_eq!(normalise_path(raw), Err(fault), "{raw}");
        }
    }
}
