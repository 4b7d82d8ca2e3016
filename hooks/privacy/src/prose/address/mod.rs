//! Postal addresses: a street and a number in the order that their country has, then floors, postcodes, cities, states.
//!
//! What starts the search is a run of capitals with a digit near it; the patterns look only at the few bytes around.

mod pattern;
mod pieces;

use super::lists::Known;
use super::run::lead;
use super::word::{Shape, Word, word_at};
use pattern::{number_before, ordinal, patterns};

/// So much text before a run is looked at.
const BEHIND: usize = 64;

/// The part of an address that names the house.
#[derive(Clone, Copy)]
struct Core {
    start: usize,
    end: usize,
    /// A word for a street stands in it: it is an address without a postcode too.
    street: bool,
}

/// An address.
#[derive(Clone, Copy)]
pub(super) struct Address {
    pub(super) start: usize,
    pub(super) end: usize,
    /// It has a postcode.
    pub(super) postal: bool,
}

/// The address that a run is part of.
pub(super) fn judge(text: &str, run: &[Word]) -> Option<Address> {
    let (first, last) = (run.first()?, run.last()?);
    let bytes = text.as_bytes();
    let before = &bytes[first.start.saturating_sub(32)..first.start];
    let behind = &bytes[last.end..(last.end + 24).min(bytes.len())];
    if !digits(before) && !digits(behind) {
        return None;
    }
    let core = boxed(text, run)
        .or_else(|| numbered_before(text, run))
        .or_else(|| numbered_after(text, run));
    if let Some(core) = core.filter(|core| core.street || goes_on(text, run, core.end)) {
        let (end, postal) = pieces::follow(text, core.end);
        if core.street || postal {
            let start = unit_before(text, core.start);
            return Some(Address { start, end, postal });
        }
    }
    pieces::backwards(text, run)
}

/// Whether a postcode may follow, without which a name and a number are no address.
fn goes_on(text: &str, run: &[Word], end: usize) -> bool {
    let behind = &text.as_bytes()[end..(end + 64).min(text.len())];
    matches!(behind.first(), Some(b',' | b'\n' | b'\r' | b' '))
        && digits(behind)
        && !run.iter().any(|word| word.known.any(Known::NEVER))
}

/// Whether a number as houses have it follows, and a digit some way behind it: a cheap look before the pattern of numbers.
fn goes_on_behind_number(text: &str, end: usize) -> bool {
    let behind = &text.as_bytes()[end..(end + 104).min(text.len())];
    let Some(at) = behind
        .iter()
        .position(|byte| byte.is_ascii_digit() || *byte >= 0x80)
    else {
        return false;
    };
    if behind[at] >= 0x80 {
        return digits(behind);
    }
    let number = behind[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = number.count();
    let rest = &behind[at + length..];
    let word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_lowercase);
    match rest.first() {
        // Only a single letter, `bis` and `ter` belong to the number.
        Some(b' ') if word(rest.get(1)) && word(rest.get(2)) => {
            let reach = if matches!(rest[1], b'b' | b't') { 4 } else { 0 };
            length <= 5 && digits(&rest[..rest.len().min(64 + reach)])
        }
        Some(
            b' ' | b',' | b'\n' | b'\r' | b'-' | b'/' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | 0x80..,
        ) => length <= 5 && digits(rest),
        _ => false,
    }
}

/// Whether there is a digit, sixteen bytes at a time; the last sixteen may have been looked at in part.
fn digits(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<16>() else {
        return bytes.iter().any(u8::is_ascii_digit);
    };
    let has = |chunk: &[u8; 16]| {
        let found = chunk.iter().fold(0, |found, byte| {
            found | u8::from(byte.wrapping_sub(b'0') < 10)
        });
        found != 0
    };
    has(last) || bytes.as_chunks().0.iter().any(has)
}

/// The text before this byte, as far as it is looked at.
fn tail(text: &str, end: usize) -> &str {
    let from = end.saturating_sub(BEHIND);
    let from = (from..=end)
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(end);
    &text[from..end]
}

/// "Flat 3, ", "Apt 4B, " before the number.
fn unit_before(text: &str, start: usize) -> usize {
    let before = tail(text, start);
    patterns()
        .unit_before
        .find(before)
        .map_or(start, |unit| start - before.len() + unit.0)
}

/// "PO Box 1234", "Postfach 10 20 30".
fn boxed(text: &str, run: &[Word]) -> Option<Core> {
    run.iter().find_map(|word| {
        if !pattern::may_be_boxed(&text.as_bytes()[word.start..]) {
            return None;
        }
        let end = word.start + patterns().boxed.length(&text[word.start..])?;
        Some(Core {
            start: word.start,
            end,
            street: true,
        })
    })
}

/// "221B Baker Street", "12 rue de la Paix", "350 5th Avenue".
fn numbered_before(text: &str, run: &[Word]) -> Option<Core> {
    let first = run.first()?;
    let before = tail(text, first.start);
    if !may_be_numbered(before) {
        return None;
    }
    let (start, way) = number_before(before)?;
    let start = first.start - before.len() + start;
    let ordinal = ordinal(before);
    if way || (first.known.any(Known::WAY) && !ordinal) {
        let end = run_end(run, 6)?;
        return (run.len() > 1 || way).then_some(Core {
            start,
            end,
            street: true,
        });
    }
    let street = run
        .iter()
        .enumerate()
        .take(7)
        .rposition(|(at, word)| word.known.any(Known::STREET) && (at > 0 || ordinal));
    if let Some(at) = street {
        let mut end = run[at].end;
        end += usize::from(text[end..].starts_with('.') && run[at].end - run[at].start <= 4);
        if let Some(next) = run
            .get(at + 1)
            .filter(|next| pattern::direction(&text[next.start..next.end]))
        {
            end = next.end;
        }
        return Some(Core {
            start,
            end,
            street: true,
        });
    }
    let units = run
        .iter()
        .position(|word| word.known.any(Known::UNIT))
        .filter(|&at| at > 0);
    let end = run_end(&run[..units.unwrap_or(run.len())], 4)?;
    if let Some(length) = small_street(text, end) {
        return Some(Core {
            start,
            end: end + length,
            street: true,
        });
    }
    Some(Core {
        start,
        end,
        street: false,
    })
}

/// "Hauptstraße 5", "Calle Mayor, 10", "ul. Długa 3/4", "Damrak 1".
fn numbered_after(text: &str, run: &[Word]) -> Option<Core> {
    let numbered = |word: &Word| matches!(&text[word.start..word.end], "No" | "Nr" | "N" | "Núm");
    let run = if run.len() > 1 && run.last().is_some_and(numbered) {
        &run[..run.len() - 1]
    } else {
        run
    };
    let last = run.last()?;
    let mut end = last.end;
    let abbreviated = last.end - last.start <= 4 && last.known.any(Known::STREET.and(Known::WAY))
        || text[..end].ends_with("str");
    end += usize::from(abbreviated && text[end..].starts_with('.'));
    if !text[end..].starts_with([' ', ',']) {
        return None;
    }
    let small = small_street(text, end);
    let end = end + small.or_else(|| any_small(text, end)).unwrap_or(0);
    if !pattern::may_be_number(&text.as_bytes()[end..]) {
        return None;
    }
    let written = &text[last.start..last.end];
    let compound = pattern::compound(written)
        || (run.len() > 1 && last.known.any(Known::STREET))
        || small.is_some();
    let way = run
        .iter()
        .position(|word| word.known.any(Known::WAY) && word.end != last.end);
    let small = way.map_or_else(|| small_way(text, run), |_| None);
    let street = compound || way.is_some() || small.is_some();
    if !street && !goes_on_behind_number(text, end) {
        return None;
    }
    let number = patterns().number_after.length(&text[end..])?;
    let (start, street) = match way {
        Some(at) => (run[at].start, true),
        None => match small {
            Some(length) => (run[0].start - length, true),
            None => (sound_start(text, run, compound)?, compound),
        },
    };
    Some(Core {
        start,
        end: end + number,
        street,
    })
}

/// The length of the small words for a street before a run: "rua ", "calle de la ".
fn small_way(text: &str, run: &[Word]) -> Option<usize> {
    let before = tail(text, run[0].start);
    may_be_numbered(before)
        .then(|| pattern::way_before(before))
        .flatten()
}

/// Whether the word before is a number, or one of the small words that stand between a number and a street.
fn may_be_numbered(before: &str) -> bool {
    let rest = before.trim_end_matches([' ', ',', '\'', '’']);
    if rest.len() == before.len() {
        return false;
    }
    let start = rest.rfind([' ', '\n', '\'', '’']).map_or(0, |at| {
        at + rest[at..].chars().next().map_or(1, char::len_utf8)
    });
    let word = &rest[start..];
    word.starts_with(|first: char| first.is_ascii_digit() || first == '/' || first == '#')
        || word.ends_with(|last: char| last.is_ascii_digit())
        || word.len() == 1
        || word.ends_with(['.', '/'])
        || word_at(word, 0).is_some_and(|read| {
            read.known.any(Known::WAY.and(Known::PARTICLE))
                || (read.known.any(Known::ARTICLE) && pattern::links(word))
        })
}

/// The length of a small word for a street behind this byte: "Kossuth utca", "12 Maple street".
fn small_street(text: &str, end: usize) -> Option<usize> {
    let word = text[end..]
        .starts_with(' ')
        .then(|| word_at(text, end + 1))
        .flatten()?;
    (word.shape == Shape::Lower && word.known.any(Known::STREET)).then(|| {
        word.end - end
            + usize::from(text[word.end..].starts_with('.') && word.end - word.start <= 3)
    })
}

/// The length of one or two small words before a number: "Grajski drevored 9".
fn any_small(text: &str, end: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = end;
    for _ in 0..2 {
        if bytes.get(at) != Some(&b' ')
            || !bytes
                .get(at + 1)
                .is_some_and(|byte| byte.is_ascii_lowercase() || *byte >= 0x80)
        {
            return None;
        }
        at += 1 + bytes[at + 1..]
            .iter()
            .take(16)
            .take_while(|byte| byte.is_ascii_lowercase() || **byte >= 0x80)
            .count();
        if bytes.get(at) == Some(&b' ') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            return Some(at - end);
        }
    }
    None
}

/// Where the name of a street begins in a run: behind words that are labels and the like.
fn sound_start(text: &str, run: &[Word], compound: bool) -> Option<usize> {
    let skip = Known::LABEL
        .and(Known::GREETING)
        .and(Known::TITLE)
        .and(Known::UNLABEL)
        .and(Known::VERB);
    let first = run
        .iter()
        .find(|word| !word.known.any(skip) || word.known.any(Known::SURNAME))?;
    let alone = run.last().is_some_and(|last| last.start == first.start);
    if !compound
        && alone
        && lead(text, first.start)
            .is_some_and(|word| word.known.any(Known::ARTICLE) && word.shape == Shape::Lower)
    {
        return None;
    }
    Some(first.start)
}

/// The end of the first words of a run.
fn run_end(run: &[Word], most: usize) -> Option<usize> {
    run.iter()
        .take(most)
        .rfind(|word| word.known != Known::PARTICLE)
        .map(|word| word.end)
}
