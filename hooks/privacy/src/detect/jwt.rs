//! JSON Web Tokens: three parts in base64 for URLs, of which the first is a header with an algorithm.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Known;
use super::bytes::{TOKEN, run};
use crate::finding::Finding;

/// Headers are short; longer ones carry certificates.
const LONGEST_HEADER: usize = 16 * 1024;

/// Notes the token whose header or payload is at `token`; where to go on behind it.
pub(super) fn at_token(text: &str, token: Range<usize>, found: &mut Vec<Finding>) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.get(token.end) != Some(&b'.') {
        return None;
    }
    let start = token.start + header(&bytes[token.clone()])?;
    let mut end = token.end;
    let mut parts = 1;
    // A signed one has three parts, an encrypted one five, one of which may be empty.
    while parts < 5 && bytes.get(end) == Some(&b'.') {
        let next = run(bytes, end + 1, TOKEN, usize::MAX);
        if next == end + 1 && !(parts == 1 || parts == 2) {
            break;
        }
        end = next;
        parts += 1;
    }
    if parts < 3 || !has_algorithm(&bytes[start..token.end]) {
        return None;
    }
    found.push(Known::Jwt.at(start..end));
    Some(end)
}

/// Where `eyJ` begins: at once, or behind a sign that belongs to what is before.
fn header(token: &[u8]) -> Option<usize> {
    if token.starts_with(b"eyJ") || token.starts_with(b"ewog") {
        return Some(0);
    }
    token
        .iter()
        .take(24)
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'_' | b'-' | b'n' | b't' | b'r' | b'D'))
        .map(|(index, _)| index + 1)
        .find(|index| token[*index..].starts_with(b"eyJ"))
}

fn has_algorithm(header: &[u8]) -> bool {
    if header.len() > LONGEST_HEADER {
        return false;
    }
    let Ok(json) = URL_SAFE_NO_PAD.decode(header) else {
        return false;
    };
    match serde_json::from_slice::<serde_json::Value>(&json) {
        Ok(value) => value.get("alg").is_some() || value.get("enc").is_some(),
        Err(_) => false,
    }
}
