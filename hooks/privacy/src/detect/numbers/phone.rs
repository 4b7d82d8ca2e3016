//! Phone numbers: international by their country code, North American by their form, national ones behind a word.

use super::cluster;
use crate::detect::Known;
use crate::detect::bytes::{ALNUM, DIGIT, before, behind_escape, has, is, run};
use crate::detect::near::{self, Cue};
use crate::finding::Finding;

const MOST_GROUPS: usize = 10;
const MOST_DIGITS: usize = 17;

/// A number as it was written.
struct Number {
    digits: [u8; MOST_DIGITS],
    count: usize,
    /// Lengths of the groups.
    groups: [usize; MOST_GROUPS],
    len: usize,
    end: usize,
    /// Whether a group stood in brackets.
    brackets: bool,
    /// The separators that were met, as bits: blank, dash, dot, slash.
    separators: u8,
}

/// Notes a number whose first digits are `at..first_end`; where to go on behind it.
pub(super) fn find(
    bytes: &[u8],
    at: usize,
    first_end: usize,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    let (start, plus) = beginning(bytes, at, first_end);
    let number = read(bytes, start + usize::from(plus))?;
    if number.end < first_end {
        return None;
    }
    let told = match plus {
        true if before(bytes, start, ALNUM) && !behind_escape(bytes, start) => false,
        true => international(&number.digits[..number.count]),
        false => national(bytes, start, &number),
    };
    if !told {
        return None;
    }
    let end = extension(bytes, number.end);
    found.push(Known::Phone.at(start..end));
    Some(end)
}

/// Where the number begins, and whether with a `+`.
fn beginning(bytes: &[u8], at: usize, first_end: usize) -> (usize, bool) {
    let mut start = at;
    if start > 0 && bytes[start - 1] == b'(' && bytes.get(first_end) == Some(&b')') {
        start -= 1;
    }
    if start > 0 && bytes[start - 1] == b'+' {
        return (start - 1, true);
    }
    (start, false)
}

fn read(bytes: &[u8], start: usize) -> Option<Number> {
    let mut number = Number {
        digits: [0; MOST_DIGITS],
        count: 0,
        groups: [0; MOST_GROUPS],
        len: 0,
        end: start,
        brackets: false,
        separators: 0,
    };
    let mut here = start;
    let mut separators = 0;
    loop {
        let open = bytes.get(here) == Some(&b'(');
        let from = here + usize::from(open);
        let end = run(bytes, from, DIGIT, MOST_DIGITS + 1);
        let length = end - from;
        // Brackets hold one group.
        let closed = !open || bytes.get(end) == Some(&b')');
        if length == 0
            || !closed
            || number.len == MOST_GROUPS
            || number.count + length > MOST_DIGITS
        {
            break;
        }
        for digit in &bytes[from..end] {
            number.digits[number.count] = digit - b'0';
            number.count += 1;
        }
        number.separators = separators;
        number.groups[number.len] = length;
        number.len += 1;
        number.brackets |= open;
        number.end = end;
        here = step(bytes, end + usize::from(open), &mut separators);
    }
    let whole = !has(bytes, number.end, ALNUM) || extension(bytes, number.end) > number.end;
    (number.count >= 5 && whole && !bound(bytes, number.end)).then_some(number)
}

/// Over what may stand between two groups.
fn step(bytes: &[u8], at: usize, separators: &mut u8) -> usize {
    let mut here = at;
    let mut marks = 0;
    for _ in 0..3 {
        match cluster::separator(bytes, here) {
            Some((mark, length)) => {
                // One mark, with blanks around it.
                marks += usize::from(mark != b' ');
                if marks > 1 {
                    return at;
                }
                *separators |= match mark {
                    b' ' => 1,
                    b'-' => 2,
                    b'.' => 4,
                    _ => 8,
                };
                here += length;
            }
            None => break,
        }
    }
    here
}

/// Whether a digit follows that belongs to what was read, so that the number is a piece of something longer.
fn bound(bytes: &[u8], end: usize) -> bool {
    match bytes.get(end) {
        Some(b'-' | b'.' | b'/' | b':' | b',') => has(bytes, end + 1, DIGIT),
        Some(b'_' | b'%') => true,
        _ => false,
    }
}

/// Behind `ext. 12`, `x12` and the like.
fn extension(bytes: &[u8], end: usize) -> usize {
    let mut here = end;
    if bytes.get(here) == Some(&b',') {
        here += 1;
    }
    if bytes.get(here) == Some(&b' ') {
        here += 1;
    }
    let rest = &bytes[here..];
    const WORDS: [&[u8]; 7] = [
        b"extension ",
        b"ext. ",
        b"ext.",
        b"ext ",
        b"ext",
        b"x",
        b"#",
    ];
    let Some(word) = WORDS
        .iter()
        .find(|word| rest.len() > word.len() && rest[..word.len()].eq_ignore_ascii_case(word))
    else {
        return end;
    };
    let from = here + word.len();
    let to = run(bytes, from, DIGIT, 7);
    match to > from && to - from <= 6 && !has(bytes, to, ALNUM) {
        true => to,
        false => end,
    }
}

/// Whether digits behind a `+` are a number of E.164.
fn international(digits: &[u8]) -> bool {
    // `+49 (0)30 …`: the trunk's zero is no part of it, and makes it one digit longer.
    if !(8..=16).contains(&digits.len()) {
        return false;
    }
    country(digits).is_some_and(|(code, least, most)| {
        let national = digits.len() - code;
        national >= least && national <= most + 1
    })
}

/// The length of the country code, and how long national numbers are.
fn country(digits: &[u8]) -> Option<(usize, usize, usize)> {
    let two = digits[0] * 10 + digits[1];
    let three = u16::from(two) * 10 + u16::from(digits[2]);
    let of = match (digits[0], two, three) {
        (1, _, _) if digits.len() >= 11 => (1, 10, 10),
        (1, _, _) => return None,
        (7, _, _) => (1, 10, 10),
        (_, 20 | 27 | 30..=34 | 36 | 39 | 40 | 41, _) => (2, 7, 11),
        (_, 43 | 49, _) => (2, 5, 13),
        (_, 44..=48, _) => (2, 6, 11),
        (_, 51..=58 | 60..=66 | 81 | 82 | 84 | 86 | 90..=95 | 98, _) => (2, 7, 12),
        (_, _, 211..=213 | 216 | 218 | 220..=269 | 290 | 291 | 297..=299) => (3, 5, 10),
        (_, _, 350..=359 | 370..=389 | 420 | 421 | 423) => (3, 5, 11),
        (_, _, 500..=509 | 590..=599 | 670..=692 | 800 | 808) => (3, 5, 10),
        (_, _, 850 | 852 | 853 | 855 | 856 | 870 | 878 | 880..=883 | 886 | 888) => (3, 5, 11),
        (_, _, 960..=968 | 970..=977 | 979 | 992..=998) => (3, 6, 10),
        _ => return None,
    };
    Some(of)
}

/// Whether a number without a `+` is one: by its form, or by a word before it.
fn national(bytes: &[u8], start: usize, number: &Number) -> bool {
    let digits = &number.digits[..number.count];
    let groups = &number.groups[..number.len];
    if !apart(bytes, start) || digits.len() > 15 {
        return false;
    }
    if digits[0] == 0
        && digits[1] == 0
        && (2..=7).contains(&groups[0])
        && groups.iter().any(|group| *group != 4)
        && number.len > 1
        && digits.len() >= 10
        && international(&digits[2..])
    {
        return true;
    }
    let cues = near::around(bytes, start, number.end);
    let told = cues.says(Cue::Phone);
    if told {
        return (7..=15).contains(&digits.len()) && !is_other_number(bytes, start, number);
    }
    !cues.is_other()
        && (north_american(digits, groups, number)
            || european(bytes, start, digits, groups, number))
}

/// `(212) 555-0143`, `212-555-0143`, `1-800-555-0199`, `001-212-555-0143`.
fn north_american(digits: &[u8], groups: &[usize], number: &Number) -> bool {
    let (national, groups) = match (digits, groups) {
        ([1, rest @ ..], [1, groups @ ..]) => (rest, groups),
        ([0, 0, 1, rest @ ..], [3, groups @ ..]) => (rest, groups),
        _ => (digits, groups),
    };
    let sound = national.len() == 10 && national[0] >= 2 && national[3] >= 2
        || number.brackets && national.len() == 10;
    let written = match groups {
        [3, 3, 4] => {
            number.brackets || matches!(number.separators, 2 | 4) || (number.separators & 2 != 0)
        }
        [3, 7] => number.brackets,
        _ => false,
    };
    sound && written
}

/// Numbers that begin with the trunk's zero and stand in groups: `06 12 34 56 78`, `07911 123456`, `030 / 123 456`.
fn european(bytes: &[u8], start: usize, digits: &[u8], groups: &[usize], number: &Number) -> bool {
    if digits[0] != 0 || digits[1] == 0 {
        return false;
    }
    match groups {
        [2, 2, 2, 2, 2] => {
            matches!(number.separators, 1 | 4)
                && digits.windows(3).any(|three| three[2] != three[0] + 1)
                && !in_hex(bytes, start, number.end)
        }
        [5, 6] | [4, 3, 4] => number.separators == 1 && digits.len() == 11,
        [3, 4, 4] => number.separators == 1 && digits[1] == 2,
        _ => number.brackets && bytes.get(start) == Some(&b'(') && (9..=12).contains(&digits.len()),
    }
}

/// Whether pairs of hex digits go on before or behind: a dump.
fn in_hex(bytes: &[u8], start: usize, end: usize) -> bool {
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    matches!(bytes.get(start.wrapping_sub(1)), Some(b'"' | b'\''))
        || (start >= 3 && bytes[start - 1] == b' ' && hex(start - 2) && hex(start - 3))
        || (bytes.get(end) == Some(&b' ')
            && hex(end + 1)
            && hex(end + 2)
            && !has(bytes, end + 3, ALNUM))
}

/// Whether nothing before it says that it is a piece of something else.
fn apart(bytes: &[u8], start: usize) -> bool {
    if start == 0 {
        return true;
    }
    match bytes[start - 1] {
        b'_' | b'$' | b'^' | b'~' => false,
        b'-' | b'.' | b'/' | b',' | b':' => !before(bytes, start - 1, DIGIT),
        b' ' => true,
        other => !is(other, ALNUM) || super::super::bytes::behind_escape(bytes, start),
    }
}

/// Dates, decimals, spans of years, versions and numbers behind `#` are none even behind a word for phones.
fn is_other_number(bytes: &[u8], start: usize, number: &Number) -> bool {
    let digits = &number.digits[..number.count];
    let groups = &number.groups[..number.len];
    let year = |at: usize| matches!(digits[at..at + 4], [1, 9, ..] | [2, 0, ..]);
    let marks = number.separators & !1;
    match groups {
        [1 | 2, 1 | 2, 4] | [4, 2, 2] | [2, 2, 2] if marks != 0 => true,
        [4, 4] if year(0) && year(4) => true,
        [_, _] | [1, ..] if marks == 4 => true,
        [_] if digits[0] == 0 && digits[1] == 0 => true,
        _ if groups.iter().all(|group| *group == 4) && digits[0] == 0 && digits[1] == 0 => true,
        _ => marks.count_ones() > 1 && !number.brackets || (start > 0 && bytes[start - 1] == b'#'),
    }
}
