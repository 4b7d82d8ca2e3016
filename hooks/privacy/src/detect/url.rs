//! A user and a password in a URL: `scheme://user:password@host`.

use super::Known;
use super::bytes::{ALNUM, has, is, run_back};
use super::secret;
use crate::finding::Finding;

/// The most bytes between `://` and the `@`.
const LONGEST: usize = 256;

/// Notes the credentials before the `@` at `at`. Whether it is the `@` of a URL, and so of no e-mail address.
pub(super) fn at_sign(text: &str, at: usize, found: &mut Vec<Finding>) -> bool {
    let bytes = text.as_bytes();
    let least = at.saturating_sub(LONGEST);
    let mut start = at;
    let mut colon = None;
    loop {
        if start == least {
            return false;
        }
        match bytes[start - 1] {
            b'/' => break,
            b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'<' | b'>' | b'`' | b',' | b'(' => {
                return false;
            }
            b':' => colon = Some(start - 1),
            _ => {}
        }
        start -= 1;
    }
    if !behind_scheme(bytes, start) {
        return false;
    }
    let Some(colon) = colon else {
        // A token in the place of a user.
        if secret::is_random(&text[start..at]) && at - start >= 20 {
            found.push(Known::UrlCredentials.at(start..at));
        }
        return true;
    };
    let password = &text[colon + 1..at];
    if !password.is_empty()
        && colon >= start
        && !secret::stands_for_one(password)
        && !is_plain_word(password)
        && has(bytes, at + 1, ALNUM | super::bytes::WIDE) | (bytes.get(at + 1) == Some(&b'['))
    {
        found.push(Known::UrlCredentials.at(start..at));
    }
    true
}

/// Whether `start` stands behind `scheme://`, where JSON may have written `:\/\/`.
fn behind_scheme(bytes: &[u8], start: usize) -> bool {
    let head = &bytes[..start];
    let colon = match head {
        [.., b':', b'/', b'/'] => start - 3,
        [.., b':', b'\\', b'/', b'\\', b'/'] => start - 5,
        _ => return false,
    };
    run_back(bytes, colon, ALNUM, 12) < colon && is(bytes[colon - 1], ALNUM)
}

/// The words that examples use as a password.
fn is_plain_word(password: &str) -> bool {
    const PLAIN: [&str; 22] = [
        "password",
        "pass",
        "passwd",
        "pwd",
        "pw",
        "secret",
        "user",
        "username",
        "postgres",
        "root",
        "guest",
        "token",
        "test",
        "admin",
        "foo",
        "bar",
        "baz",
        "p",
        "x-oauth-basic",
        "mysecretpassword",
        "mypassword",
        "passw0rd",
    ];
    PLAIN
        .iter()
        .any(|plain| password.eq_ignore_ascii_case(plain))
}
