//! Base64, standard and for URLs, with or without padding.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::View;
use crate::detect::bytes::{TOKEN, is};

/// Runs shorter than this hide nothing that is long enough to be found.
const SHORTEST: usize = 24;
/// This bounds the work on one run.
const LONGEST: usize = 16 << 20;
/// Of this many characters of a run's text one may be none that a text has.
const ODD: usize = 4;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// A run of letters of base64.
pub(crate) struct Run {
    /// All of it.
    pub(crate) span: Range<usize>,
    /// Whether it could be a text.
    pub(crate) likely: bool,
}

/// The run around the token at `token`.
pub(crate) fn run(bytes: &[u8], token: &Range<usize>) -> Option<Run> {
    let of = |byte: u8| is(byte, TOKEN) || matches!(byte, b'+' | b'/');
    let mut start = token.start;
    while start > 0 && of(bytes[start - 1]) && token.start - start < LONGEST {
        start -= 1;
    }
    // A path or a word before a slash is no part of it.
    let mut end = token.end;
    while end < bytes.len() && of(bytes[end]) && end - start < LONGEST {
        end += 1;
    }
    if end - start < SHORTEST {
        return None;
    }
    let mut padding = 0;
    while padding < 2 && bytes.get(end) == Some(&b'=') {
        end += 1;
        padding += 1;
    }
    Some(Run {
        likely: likely(&bytes[start..end]),
        span: start..end,
    })
}

/// Whether its first bytes are those of a text, or nearly all letters of one: a single other byte hides nothing.
fn likely(run: &[u8]) -> bool {
    let mut first = [0_u8; 12];
    let mut sixteen = [0_u8; 16];
    for (to, from) in sixteen.iter_mut().zip(run) {
        *to = match from {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        };
    }
    if STANDARD.decode_slice(sixteen, &mut first).is_err() {
        return false;
    }
    let plain = |byte: &&u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let plain = first.iter().filter(plain).count();
    let text =
        std::str::from_utf8(&first).map_or_else(|error| error.error_len().is_none(), |_| true);
    let controls = first
        .iter()
        .any(|byte| byte.is_ascii_control() && !b"\t\n\r".contains(byte));
    plain >= 10 || (plain >= 6 && text && !controls)
}

/// The text that a run stands for; every finding in it is the whole run.
pub(super) fn view(text: &str, span: Range<usize>) -> Option<View> {
    let run = text.get(span.clone())?;
    let run = run.trim_end_matches('=');
    let run = match run.len() % 4 {
        1 => &run[..run.len() - 1],
        _ => run,
    };
    let decoded = match run.contains(['-', '_']) {
        true => FOR_URLS.decode(run),
        false => STANDARD.decode(run),
    }
    .ok()?;
    let decoded = String::from_utf8_lossy(&decoded);
    let odd = decoded
        .chars()
        .filter(|c| {
            c.is_control() && !matches!(c, '\n' | '\r' | '\t') || *c == char::REPLACEMENT_CHARACTER
        })
        .count();
    if odd * ODD > decoded.chars().count() {
        return None;
    }
    let mut view = View::new();
    view.replace(span, &decoded);
    Some(view)
}
