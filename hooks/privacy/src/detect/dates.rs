//! Dates of birth: a date in one of the usual forms with a word for birth near it.

use super::Known;
use super::bytes::{ALNUM, DIGIT, LETTER, WIDE, before, has, is, run, run_back};
use super::near::{self, Cue};
use crate::finding::Finding;

/// The first letters of the months' names in the languages that the detectors know; small, without their marks.
const MONTHS: &[&str] = &[
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec", // English
    "jän",
    "mär",
    "mai",
    "okt",
    "dez", // German
    "fév",
    "fev",
    "avr",
    "jui",
    "juillet",
    "aoû",
    "aou",
    "déc", // French
    "ene",
    "abr",
    "ago",
    "set",
    "dic", // Spanish
    "gen",
    "mag",
    "giu",
    "lug",
    "ott", // Italian
    "maa",
    "maj",
    "mei",
    "mrt", // Dutch
    "sty",
    "lut",
    "kwi",
    "cze",
    "lip",
    "sie",
    "wrz",
    "paź",
    "paz",
    "lis",
    "gru", // Polish
    "out",
    "dez",
    "mai", // Portuguese
    "जन",
    "फर",
    "मार",
    "अप्",
    "मई",
    "जून",
    "जुल",
    "अग",
    "सित",
    "अक्",
    "नव",
    "दिस", // Hindi
];

/// Notes the date whose first number is `at..end`: `12.03.1985`, `1985-03-12`, `3/12/85`, `19850312`.
pub(super) fn numeric(
    bytes: &[u8],
    at: usize,
    end: usize,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    if at > 0
        && (is(bytes[at - 1], ALNUM) || matches!(bytes[at - 1], b'_' | b'$'))
        && !super::bytes::behind_escape(bytes, at)
    {
        return None;
    }
    if at > 1 && matches!(bytes[at - 1], b'.' | b'-' | b'/') && is(bytes[at - 2], ALNUM) {
        return None;
    }
    let length = end - at;
    let mut numbers = [value(&bytes[at..end]), 0, 0];
    if length == 8 {
        let whole = numbers[0];
        let fits = is_date(whole / 10_000, whole / 100 % 100, whole % 100)
            || is_date(whole % 10_000, whole / 100 % 100, whole / 10_000 % 100)
            || is_date(whole % 10_000, whole / 1_000_000, whole / 10_000 % 100);
        return note(bytes, at, end, fits && !has(bytes, end, ALNUM), found);
    }
    let mut here = end;
    let mut lengths = [length, 0, 0];
    let mut mark = (0_u8, 0_usize);
    for index in 1..3 {
        let next = separator(bytes, here)?;
        if index == 2 && next.0 != mark.0 {
            return None;
        }
        mark = next;
        let from = here + mark.1;
        here = run(bytes, from, DIGIT, 5);
        lengths[index] = here - from;
        numbers[index] = value(&bytes[from..here]);
    }
    let [first, second, third] = numbers;
    let fits = match lengths {
        [4, 1 | 2, 1 | 2] => is_date(first, second, third),
        [1 | 2, 1 | 2, 4] => is_date(third, second, first) || is_date(third, first, second),
        [1 | 2, 1 | 2, 2] => {
            mark.0 != b' '
                && (is_date(1900 + third, second, first) || is_date(1900 + third, first, second))
        }
        _ => false,
    };
    // `1985-03-12T00:00:00Z`: the day is the date.
    let stops = !has(bytes, here, ALNUM) || bytes.get(here) == Some(&b'T');
    let bound = matches!(bytes.get(here), Some(b'.' | b'-' | b'/')) && has(bytes, here + 1, DIGIT);
    note(bytes, at, here, fits && stops && !bound, found)
}

/// Notes the date that ends with the year `at..end`: `12 March 1985`, `March 12, 1985`, `12 de marzo de 1985`.
pub(super) fn before_year(bytes: &[u8], at: usize, end: usize, found: &mut Vec<Finding>) {
    if at < 5 || has(bytes, end, ALNUM) || !(1900..=2035).contains(&value(&bytes[at..end])) {
        return;
    }
    let mut here = back_over_marks(bytes, at);
    if here == at {
        return;
    }
    let day = day_before(bytes, here);
    if let Some(start) = day {
        here = back_over_marks(bytes, start);
    }
    let Some(month) = month_before(bytes, here) else {
        return;
    };
    let start = match day {
        Some(_) => month,
        None => match day_before(bytes, back_over_marks(bytes, month)) {
            Some(start) => start,
            None => return,
        },
    };
    note(bytes, start, end, true, found);
}

/// Back over blanks, a comma, a dot, a dash, `de`, `of`.
fn back_over_marks(bytes: &[u8], at: usize) -> usize {
    let mark = |byte: u8| matches!(byte, b' ' | b',' | b'.' | b'-' | b'/');
    let mut here = at;
    while here > at.saturating_sub(4) && here > 0 && mark(bytes[here - 1]) {
        here -= 1;
    }
    for word in [&b"de"[..], b"of", b"del", b"do"] {
        let from = here.saturating_sub(word.len());
        if from > 0 && bytes[from..here].eq_ignore_ascii_case(word) && bytes[from - 1] == b' ' {
            return from - 1;
        }
    }
    here
}

/// The start of a day of the month that ends before `at`: `12`, `12th`, `1er`.
fn day_before(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    for suffix in [&b"st"[..], b"nd", b"rd", b"th", b"er", b"\xC2\xBA", b"."] {
        if bytes[..at].ends_with(suffix)
            && at > suffix.len()
            && is(bytes[at - suffix.len() - 1], DIGIT)
        {
            end = at - suffix.len();
        }
    }
    let start = run_back(bytes, end, DIGIT, 3);
    let sound = matches!(end - start, 1 | 2)
        && (1..=31).contains(&value(&bytes[start..end]))
        && !before(bytes, start, ALNUM);
    sound.then_some(start)
}

/// The start of a month's name that ends before `at`.
fn month_before(bytes: &[u8], at: usize) -> Option<usize> {
    let start = run_back(bytes, at, LETTER | WIDE, 32);
    let word = &bytes[start..at];
    if word.len() < 3 {
        return None;
    }
    let same = |month: &&str| {
        let month = month.as_bytes();
        word.len() >= month.len() && word[..month.len()].eq_ignore_ascii_case(month)
    };
    MONTHS.iter().any(same).then_some(start)
}

fn note(
    bytes: &[u8],
    start: usize,
    end: usize,
    fits: bool,
    found: &mut Vec<Finding>,
) -> Option<usize> {
    if !fits || !near::around(bytes, start, end).touches(Cue::Birth, bytes, start) {
        return None;
    }
    found.push(Known::DateOfBirth.at(start..end));
    Some(end)
}

fn is_date(year: u32, month: u32, day: u32) -> bool {
    (1900..=2035).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

fn separator(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    match *bytes.get(at)? {
        b'.' if bytes.get(at + 1) == Some(&b' ') => Some((b'.', 2)),
        plain @ (b'-' | b'.' | b'/') => Some((plain, 1)),
        b' ' if bytes.get(at + 1) == Some(&b'/') && bytes.get(at + 2) == Some(&b' ') => {
            Some((b'/', 3))
        }
        b' ' => Some((b' ', 1)),
        _ => None,
    }
}

fn value(digits: &[u8]) -> u32 {
    digits
        .iter()
        .take(8)
        .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
}
