//! Numbers of registers with letters in them: NINO, NIR of Corsica, codice fiscale, DNI and NIE.

use super::checks;
use super::cluster::separator;
use crate::detect::Known;
use crate::detect::bytes::{ALNUM, DIGIT, LETTER, UPPER, before, begins, ends, has, is, run_back};
use crate::detect::near::{self, Cue};
use crate::finding::Finding;

/// Notes a number whose digits at `at..end` stand behind a letter; where to go on behind it.
pub(super) fn behind_letters(
    bytes: &[u8],
    at: usize,
    end: usize,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let start = run_back(bytes, at, LETTER, 7);
    let letters = at - start;
    if !begins(bytes, start)
        || before(bytes, start, DIGIT)
        || (start > 0 && bytes[start - 1] == b'_')
    {
        return None;
    }
    let hit = match (letters, end - at) {
        (1, 7) => nie(bytes, start, at),
        (2, 6 | 2) => nino(bytes, start, at),
        (6, 1 | 2) => fiscal_code(bytes, start),
        _ => None,
    };
    let (known, end) = hit?;
    found.push(known.at(start..end));
    Some(end)
}

/// Notes a number whose letters stand before a blank or dash and the digits at `at`: `AB 12 34 56 C`, `X-1234567-L`.
pub(super) fn apart_from_letters(
    bytes: &[u8],
    at: usize,
    length: usize,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let start = run_back(bytes, at - 1, LETTER, 3);
    if !begins(bytes, start) || (start > 0 && matches!(bytes[start - 1], b'_' | b'-')) {
        return None;
    }
    let hit = match (at - 1 - start, length) {
        (1, 7) => nie(bytes, start, at),
        (2, 2 | 6) => nino(bytes, start, at),
        _ => None,
    };
    let (known, end) = hit?;
    found.push(known.at(start..end));
    Some(end)
}

/// Notes a number whose digits at `at..end` come before a letter: a DNI, a NIR of Corsica.
pub(super) fn before_letter(
    bytes: &[u8],
    at: usize,
    end: usize,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let (known, start, end) = match end - at {
        8 => dni(bytes, at, end)?,
        2 => [7, 8].into_iter().find_map(|before| {
            let start = at
                .checked_sub(before)
                .filter(|start| begins(bytes, *start))?;
            fiscal_code(bytes, start).map(|(known, end)| (known, start, end))
        })?,
        6 => corsica(bytes, at)?,
        1 => corsica(bytes, at.checked_sub(8)?)?,
        _ => return None,
    };
    found.push(known.at(start..end));
    Some(end)
}

/// Notes a DNI that is written with dots: `12.345.678-Z`.
pub(super) fn dotted_dni(bytes: &[u8], at: usize, found: &mut Vec<Finding>) -> Option<usize> {
    let shape = |mark: u8| {
        bytes.get(at..at + 10).is_some_and(|run| {
            run.iter().enumerate().all(|(index, byte)| match index {
                2 | 6 => *byte == mark,
                _ => is(*byte, DIGIT),
            })
        })
    };
    if !shape(b'.') && !shape(b' ') && !shape(b'-') {
        return None;
    }
    let (known, start, end) = dni(bytes, at, at + 10)?;
    found.push(known.at(start..end));
    Some(end)
}

/// The DNI whose digits are in `start..end`, its letter behind them, right there or behind a dash or blank.
fn dni(bytes: &[u8], start: usize, end: usize) -> Option<(Known, usize, usize)> {
    let letter = match bytes.get(end)? {
        b'-' | b' ' => end + 1,
        _ => end,
    };
    let written = *bytes.get(letter).filter(|byte| is(**byte, LETTER))?;
    let number = bytes[start..end]
        .iter()
        .filter(|byte| is(**byte, DIGIT))
        .fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let behind = letter + 1;
    // `80616885E-749` is a number.
    if matches!(bytes.get(behind), Some(b'-' | b'+')) && has(bytes, behind + 1, DIGIT) {
        return None;
    }
    if checks::spanish_letter(number) != written.to_ascii_uppercase() || !ends(bytes, behind) {
        return None;
    }
    // One letter behind eight digits may be a unit, a literal's kind, the next word; capitals that are none need no word.
    let plain = is(written, UPPER) && written != b'L' && letter == end
        || end - start > 8 && is(written, UPPER);
    let dashed = bytes[end] == b'-'
        && is(written, UPPER)
        && !has(bytes, behind, ALNUM)
        && bytes.get(behind) != Some(&b'-');
    if plain || dashed || near::around(bytes, start, behind).has(Cue::Dni) {
        return Some((Known::EsDni, start, behind));
    }
    None
}

/// `X1234567L`, `X-1234567-L`.
pub(super) fn nie(bytes: &[u8], start: usize, at: usize) -> Option<(Known, usize)> {
    let lead = match bytes[start].to_ascii_uppercase() {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        _ => return None,
    };
    let digits = bytes
        .get(at..at + 7)
        .filter(|run| run.iter().all(|byte| is(*byte, DIGIT)))?;
    let letter = match bytes.get(at + 7)? {
        b'-' => at + 8,
        _ => at + 7,
    };
    let written = *bytes.get(letter)?;
    let number = digits
        .iter()
        .fold(lead, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let fits =
        checks::spanish_letter(number) == written.to_ascii_uppercase() && ends(bytes, letter + 1);
    let tells = (is(bytes[start], UPPER) && is(written, UPPER))
        || near::around(bytes, start, letter + 1).has(Cue::Dni);
    (fits && tells).then_some((Known::EsDni, letter + 1))
}

/// `AB123456C`, `AB 12 34 56 C`, `AB-12-34-56-C`.
pub(super) fn nino(bytes: &[u8], start: usize, at: usize) -> Option<(Known, usize)> {
    let mut digits = 0_u32;
    let mut here = at;
    let mut parted = false;
    while digits < 6 {
        if has(bytes, here, DIGIT) {
            digits += 1;
            here += 1;
        } else if digits.is_multiple_of(2) && digits > 0 {
            let (mark, length) = separator(bytes, here)?;
            if !matches!(mark, b' ' | b'-') {
                return None;
            }
            parted = true;
            here += length;
        } else {
            return None;
        }
    }
    let suffix = match separator(bytes, here) {
        Some((b' ' | b'-', length)) => here + length,
        _ => here,
    };
    let has_suffix = bytes
        .get(suffix)
        .is_some_and(|byte| matches!(byte, b'A'..=b'D' | b'a'..=b'd'))
        && ends(bytes, suffix + 1);
    let end = if has_suffix { suffix + 1 } else { here };
    if !ends(bytes, end) {
        return None;
    }
    let prefix = [
        bytes[start].to_ascii_uppercase(),
        bytes[start + 1].to_ascii_uppercase(),
    ];
    let capitals = bytes[start..end]
        .iter()
        .all(|byte| !byte.is_ascii_lowercase());
    let told = || near::around(bytes, start, end).has(Cue::Nino);
    let fits = match (issued(prefix), has_suffix, capitals) {
        (true, true, true) => !(parted && suffix == here) || told(),
        (true, true, false) => parted && suffix > here || told(),
        _ => told(),
    };
    fits.then_some((Known::UkNino, end))
}

/// Whether a prefix of a NINO is given out.
fn issued([first, second]: [u8; 2]) -> bool {
    !matches!(first, b'D' | b'F' | b'I' | b'Q' | b'U' | b'V')
        && !matches!(second, b'D' | b'F' | b'I' | b'O' | b'Q' | b'U' | b'V')
        && !matches!(
            &[first, second],
            b"BG" | b"GB" | b"KN" | b"NK" | b"NT" | b"TN" | b"ZZ"
        )
}

/// A codice fiscale whose first letter is at `start`, in one or with blanks between its parts.
pub(super) fn fiscal_code(bytes: &[u8], start: usize) -> Option<(Known, usize)> {
    let mut code = [0_u8; 16];
    let mut count = 0;
    let mut here = start;
    let mut blanks = 0;
    while count < 16 {
        match *bytes.get(here)? {
            byte if is(byte, ALNUM) => {
                code[count] = byte.to_ascii_uppercase();
                count += 1;
            }
            b' ' if matches!(count, 3 | 6 | 11 | 15) => blanks += 1,
            _ => return None,
        }
        here += 1;
    }
    let digit = |byte: u8| is(byte, DIGIT) || b"LMNPQRSTUV".contains(&byte);
    let shaped = code.iter().enumerate().all(|(index, byte)| match index {
        0..=5 | 8 | 11 | 15 => is(*byte, UPPER),
        _ => digit(*byte),
    });
    let month = b"ABCDEHLMPRST".contains(&code[8]);
    (shaped && month && blanks <= 3 && ends(bytes, here) && checks::italian_code(&code))
        .then_some((Known::ItFiscalCode, here))
}

/// A NIR with `2A` or `2B` as its department: `1 85 05 2A 006 084 36`. `at` is its first digit.
fn corsica(bytes: &[u8], at: usize) -> Option<(Known, usize, usize)> {
    let mut number = [0_u8; 15];
    let mut count = 0;
    let mut here = at;
    let mut taken = 0;
    if !begins(bytes, at) {
        return None;
    }
    while count < 15 {
        match *bytes.get(here)? {
            byte if is(byte, DIGIT) => {
                number[count] = byte - b'0';
                count += 1;
            }
            b'A' | b'a' if count == 6 && number[5] == 2 => {
                taken = 1_000_000;
                count += 1;
            }
            b'B' | b'b' if count == 6 && number[5] == 2 => {
                taken = 2_000_000;
                count += 1;
            }
            b' ' | b'-' | b'.' => {}
            _ => return None,
        }
        here += 1;
    }
    if taken == 0 || here - at > 22 || !ends(bytes, here) {
        return None;
    }
    let key = u64::from(number[13]) * 10 + u64::from(number[14]);
    // 2A counts as 19, 2B as 18: the letter as zero leaves 20, from which one or two are taken.
    let fits = matches!(number[0], 1 | 2) && checks::french_nir(&number[..13], key, taken);
    fits.then_some((Known::FrNir, at, here))
}
