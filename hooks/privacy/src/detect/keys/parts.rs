//! Keys of several parts, or that only the place they stand in tells: behind a dot, a host, a number.

use std::ops::Range;

use super::is_varied;
use crate::detect::bytes::{
    ALNUM, DIGIT, HEX, TOKEN, before, behind_escape, ends, has, is, run, run_back,
};

/// The key around the long token `token`.
pub(super) fn around(text: &str, token: &Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let before_it = token.start.checked_sub(1).map(|at| bytes[at]);
    let behind = bytes.get(token.end).copied();
    match before_it {
        Some(b'.') => behind_dot(bytes, token),
        Some(b':') => telegram(bytes, token),
        Some(b'/') => in_path(text, token),
        Some(b'~') => azure(bytes, token),
        Some(b'$') => braintree(bytes, token),
        _ => None,
    }
    .or_else(|| match behind {
        Some(b'.') => before_dot(bytes, token).or_else(|| mailchimp(bytes, token)),
        Some(b'-') => None,
        _ => mailchimp(bytes, token),
    })
}

/// What stands before the dot, what follows it and how long that is.
const DOTTED: &[(&[u8], u8, usize, usize)] = &[
    (b"hvs", TOKEN, 24, 120),
    (b"hvb", TOKEN, 100, 220),
    (b"hvr", TOKEN, 24, 220),
    (b"s", ALNUM, 24, 24),
    (b"ya29", TOKEN, 30, 400),
    (b"pt", ALNUM, 40, 44),
    (b"st", ALNUM, 40, 44),
    (b"ct", ALNUM, 40, 44),
    (b"sa", ALNUM, 40, 44),
    (b"scim", ALNUM, 40, 44),
    (b"audit", ALNUM, 40, 44),
    (b"sl", TOKEN, 60, 1400),
    (b"u", TOKEN, 130, 1400),
    (b"t1", TOKEN, 60, 200),
    (b"dt0c01", ALNUM, 24, 24),
    (b"dt0s16", ALNUM, 24, 24),
    (b"atlasv1", TOKEN, 60, 70),
    (b"v2", HEX, 40, 40),
    (b"eyJ", TOKEN, 40, 200),
];

/// Keys such as `hvs.…`, `SG.….…`, `dp.pt.…`, `pk.eyJ….…`.
fn behind_dot(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
    let dot = token.start - 1;
    let mut word = run_back(bytes, dot, TOKEN, 40);
    if behind_escape(bytes, word + 1) {
        word += 1;
    }
    let name = &bytes[word..dot];
    let length = token.end - token.start;
    if name == b"SG" && (20..=24).contains(&length) && bytes.get(token.end) == Some(&b'.') {
        let end = run(bytes, token.end + 1, TOKEN, 50);
        return ((39..=50).contains(&(end - token.end - 1))).then_some(word..end);
    }
    if name.len() == 17 && name.starts_with(b"pat") && length == 64 && all(bytes, token, HEX) {
        return Some(word..token.end);
    }
    if matches!(name, b"sk" | b"pk" | b"tk")
        && bytes[token.clone()].starts_with(b"eyJ")
        && bytes.get(token.end) == Some(&b'.')
    {
        let end = run(bytes, token.end + 1, TOKEN, 40);
        return (end - token.end > 20 && name != b"pk").then_some(word..end);
    }
    let (_, of, least, most) = DOTTED.iter().find(|(prefix, ..)| *prefix == name)?;
    let start = match name {
        b"pt" | b"st" | b"ct" | b"sa" | b"scim" | b"audit" => doppler(bytes, word)?,
        b"atlasv1" | b"v2" | b"u" | b"eyJ" => outer(bytes, word, name)?,
        b"s" if before(bytes, word, ALNUM) || !mixed(&bytes[token.clone()]) => return None,
        _ => word,
    };
    let fits = (*least..=*most).contains(&length)
        && all(bytes, token, *of)
        && is_varied(&bytes[token.clone()]);
    let apart = !before(bytes, start, ALNUM) || behind_escape(bytes, start);
    let end = match bytes.get(token.end) {
        Some(b'.') if matches!(name, b"dt0c01" | b"dt0s16" | b"t1" | b"ya29") => {
            run(bytes, token.end + 1, TOKEN, 400)
        }
        _ => token.end,
    };
    (fits && apart).then_some(start..end)
}

/// The `dp.` before the kind of a Doppler token; a service token has its name in between.
fn doppler(bytes: &[u8], word: usize) -> Option<usize> {
    let start = word.checked_sub(3)?;
    (&bytes[start..word] == b"dp.").then_some(start)
}

/// The beginning of keys with a part before the known one: Terraform Cloud, Dropbox.
fn outer(bytes: &[u8], word: usize, name: &[u8]) -> Option<usize> {
    let dot = word.checked_sub(1).filter(|at| bytes[*at] == b'.')?;
    let start = run_back(bytes, dot, TOKEN, 40);
    let head = &bytes[start..dot];
    match name {
        b"atlasv1" => (head.len() == 14).then_some(start),
        b"u" => (head == b"sl").then_some(start),
        _ => None,
    }
}

/// Keys whose first part is long: a Discord bot's.
fn before_dot(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
    let length = token.end - token.start;
    if !(23..=28).contains(&length) || !matches!(bytes[token.start], b'M' | b'N' | b'O') {
        return None;
    }
    let middle = run(bytes, token.end + 1, TOKEN, 8);
    if !(6..=7).contains(&(middle - token.end - 1)) || bytes.get(middle) != Some(&b'.') {
        return None;
    }
    let end = run(bytes, middle + 1, TOKEN, 48);
    ((27..=40).contains(&(end - middle - 1)) && mixed(&bytes[token.start..end]))
        .then_some(token.start..end)
}

/// `123456789:AA…`.
fn telegram(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
    let colon = token.start - 1;
    let start = run_back(bytes, colon, DIGIT, 12);
    let fits = (8..=10).contains(&(colon - start))
        && (34..=36).contains(&(token.end - token.start))
        && bytes[token.start..].starts_with(b"AA")
        && (!before(bytes, start, ALNUM)
            || bytes[..start].ends_with(b"bot")
            || behind_escape(bytes, start));
    fits.then_some(start..token.end)
}

/// Keys that are the end of an address: Slack's, Discord's and Teams' incoming hooks, Google's refresh tokens.
fn in_path(text: &str, token: &Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let head = &bytes[token.start.saturating_sub(96)..token.start];
    let tail =
        |needle: &[u8]| memchr::memmem::rfind(head, needle).map(|at| token.start - head.len() + at);
    if head.ends_with(b"1//")
        && head.len() >= 3
        && bytes[token.start] == b'0'
        && token.end - token.start >= 40
    {
        return Some(token.start - 3..token.end);
    }
    let length = token.end - token.start;
    if (20..=26).contains(&length)
        && let Some(at) = tail(b"hooks.slack.com/")
    {
        return Some(with_scheme(bytes, at)..token.end);
    }
    if length >= 60
        && let Some(at) = tail(b"/api/webhooks/").or_else(|| tail(b"webhook.office.com/"))
    {
        return Some(at..token.end);
    }
    None
}

/// Where `https://` begins, when it stands before `at`.
fn with_scheme(bytes: &[u8], at: usize) -> usize {
    match bytes[..at].ends_with(b"https://") {
        true => at - 8,
        false => at,
    }
}

/// A client secret of Azure: three signs, a digit, `Q~`, thirty-one to thirty-four signs.
fn azure(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
    let tilde = token.start - 1;
    let start = tilde.checked_sub(5)?;
    let head = &bytes[start..tilde];
    let mut end = token.end;
    while end < bytes.len()
        && end - tilde <= 36
        && (is(bytes[end], TOKEN) || matches!(bytes[end], b'.' | b'~'))
    {
        end += 1;
    }
    while matches!(bytes[end - 1], b'.') {
        end -= 1;
    }
    let apart = !before(bytes, start, ALNUM) || behind_escape(bytes, start);
    let fits = head[4] == b'Q'
        && is(head[3], DIGIT)
        && head[..3]
            .iter()
            .all(|byte| is(*byte, TOKEN) || *byte == b'.');
    (fits && (31..=35).contains(&(end - tilde - 1)) && apart).then_some(start..end)
}

/// `access_token$production$…$…`.
fn braintree(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
    let from = token.start.saturating_sub(64);
    let at = memchr::memmem::rfind(&bytes[from..token.start], b"access_token$")?;
    all(bytes, token, HEX).then_some(from + at..token.end)
}

/// Thirty-two hex digits and a data centre: `…-us12`.
fn mailchimp(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
    let body = token.start..token.start + 32;
    let fits = matches!(token.end - token.start, 36 | 37)
        && all(bytes, &body, HEX)
        && bytes[body.end..].starts_with(b"-us")
        && has(bytes, body.end + 3, DIGIT)
        && ends(bytes, token.end);
    fits.then_some(token.clone())
}

fn all(bytes: &[u8], span: &Range<usize>, kinds: u8) -> bool {
    bytes[span.clone()].iter().all(|byte| is(*byte, kinds))
}

/// Whether capitals, small letters and digits all occur.
fn mixed(body: &[u8]) -> bool {
    body.iter().any(u8::is_ascii_uppercase)
        && body.iter().any(u8::is_ascii_lowercase)
        && body.iter().any(u8::is_ascii_digit)
}
