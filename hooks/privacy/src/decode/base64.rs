//! Base64, standard and for URLs, with or without padding.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::View;
use crate::detect::bytes::{TOKEN, is};

/// Runs shorter than this hide nothing that is long enough to be found.
const SHORTEST: usize = 24;
/// Longer ones are images and archives; their beginning says so, and this bounds the work.
const LONGEST: usize = 1 << 20;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Whether the run around the token at `token` could be text in base64; its whole span.
pub(crate) fn candidate(bytes: &[u8], token: &Range<usize>) -> Option<Range<usize>> {
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
    likely(&bytes[start..end]).then_some(start..end)
}

/// Whether its first bytes are those of a text.
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
    STANDARD.decode_slice(sixteen, &mut first).is_ok()
        && first.iter().all(
            |byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0xC2..=0xF4 | 0x80..=0xBF),
        )
        && first.iter().filter(|byte| byte.is_ascii()).count() >= 6
        && std::str::from_utf8(&first).map_or_else(|error| error.error_len().is_none(), |_| true)
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
    let decoded = String::from_utf8(decoded).ok()?;
    let odd = decoded
        .chars()
        .filter(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        .count();
    if odd * 20 > decoded.len() {
        return None;
    }
    let mut view = View::new();
    view.replace(span, &decoded);
    Some(view)
}
