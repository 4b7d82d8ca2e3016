//! International bank account numbers.

use super::Known;
use super::bytes::{ALNUM, DIGIT, JOIN, LETTER, before, ends, has, is};
use super::numbers::checks;
use crate::finding::Finding;

/// The longest there is.
const LONGEST: usize = 34;

/// Notes the IBAN whose check digits begin at `at`; where to go on behind it.
pub(super) fn find(bytes: &[u8], at: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let start = at.checked_sub(2)?;
    let country = bytes.get(start..at)?;
    if !is(country[0], LETTER) || !is(country[1], LETTER) || !has(bytes, at + 1, DIGIT) {
        return None;
    }
    if before(bytes, start, ALNUM | JOIN) && !super::bytes::behind_escape(bytes, start) {
        return None;
    }
    let (length, letters) = form([
        country[0].to_ascii_uppercase(),
        country[1].to_ascii_uppercase(),
    ])?;
    let mut characters = [0_u8; LONGEST];
    let mut count = 0;
    let mut here = start;
    while count < length {
        match *bytes.get(here)? {
            byte if is(byte, ALNUM) => {
                characters[count] = byte.to_ascii_uppercase();
                count += 1;
                here += 1;
            }
            _ => here += blank(bytes, here)?,
        }
    }
    let characters = &characters[..count];
    let numbers = letters || characters[4..].iter().all(|byte| is(*byte, DIGIT));
    if !numbers || !ends(bytes, here) || !checks::iban(characters) {
        return None;
    }
    found.push(Known::Iban.at(start..here));
    Some(here)
}

/// The length of the one blank or dash at `at`.
fn blank(bytes: &[u8], at: usize) -> Option<usize> {
    let length = match bytes[at] {
        b' ' | b'-' | b'.' => 1,
        0xC2 if bytes.get(at + 1) == Some(&0xA0) => 2,
        0xE2 if bytes.get(at + 1) == Some(&0x80)
            && matches!(bytes.get(at + 2), Some(0x80..=0x95 | 0xAF)) =>
        {
            3
        }
        _ => return None,
    };
    has(bytes, at + length, ALNUM).then_some(length)
}

/// A country's length, and whether letters stand behind the check digits.
fn form(country: [u8; 2]) -> Option<(usize, bool)> {
    let of = match &country {
        b"NO" => (15, false),
        b"BE" => (16, false),
        b"DK" | b"FI" | b"FO" | b"GL" => (18, false),
        b"FK" | b"NL" => (18, true),
        b"SD" => (18, false),
        b"MK" => (19, true),
        b"SI" => (19, false),
        b"AT" | b"BA" | b"EE" | b"LT" | b"XK" => (20, false),
        b"KZ" | b"LU" | b"MN" => (20, matches!(&country, b"KZ" | b"LU")),
        b"HR" => (21, false),
        b"CH" | b"LI" | b"LV" => (21, true),
        b"BG" | b"BH" | b"GB" | b"GE" | b"IE" => (22, true),
        b"CR" | b"DE" | b"ME" | b"RS" => (22, false),
        b"AE" | b"IL" | b"TL" | b"OM" | b"SO" => (23, matches!(&country, b"OM")),
        b"GI" | b"IQ" => (23, true),
        b"AD" | b"MD" | b"PK" | b"RO" | b"SA" | b"VG" => (24, true),
        b"CZ" | b"ES" | b"SE" | b"SK" | b"TN" => (24, false),
        b"PT" | b"ST" | b"LY" => (25, false),
        b"IS" | b"TR" => (26, matches!(&country, b"TR")),
        b"FR" | b"GR" | b"IT" | b"MC" | b"SM" => (27, true),
        b"BI" | b"DJ" => (27, false),
        b"AL" | b"AZ" | b"CY" | b"DO" | b"GT" | b"LB" | b"BY" | b"NI" => (28, true),
        b"HU" | b"PL" => (28, false),
        b"BR" | b"EG" | b"PS" | b"QA" | b"UA" => (29, !matches!(&country, b"EG")),
        b"JO" | b"KW" | b"MU" | b"YE" => (30, true),
        b"MT" | b"SC" => (31, true),
        b"LC" => (32, true),
        b"RU" => (33, true),
        b"HN" | b"VA" => (if &country == b"VA" { 22 } else { 28 }, &country == b"HN"),
        b"MR" => (27, false),
        _ => return None,
    };
    Some(of)
}
