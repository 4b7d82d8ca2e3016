//! What follows a street and its number: floors, postcodes, cities, states, countries; and addresses that only these tell.

use super::super::lists::Known;
use super::super::word::{Word, letter_at, word_at};
use super::pattern::patterns;
use super::{Address, tail};

/// So many parts has an address at most.
const MOST: usize = 7;

/// Where an address ends whose street ends here, and whether a postcode is in it.
pub(super) fn follow(text: &str, from: usize) -> (usize, bool) {
    let (mut end, mut postal) = (from, false);
    for _ in 0..MOST {
        let Some(gap) = gap(text, end) else { break };
        let at = end + gap.length;
        let rest = &text[at..];
        if let Some(length) = patterns().unit.length(rest) {
            end = at + length;
            continue;
        }
        let coded = patterns()
            .postal
            .iter()
            .filter_map(|pattern| pattern.length(rest))
            .max();
        if let Some(length) = coded.filter(|&length| !postal && sound(&rest[..length], &gap)) {
            end = at + length;
            postal = true;
            if rest.starts_with(char::is_alphabetic)
                && text[..end].ends_with(|last: char| last.is_ascii_digit())
            {
                end += city_behind(text, end);
            }
            continue;
        }
        match place(text, at, &gap) {
            Some(next) => end = next,
            None => match coded_place(text, at).filter(|_| !postal && (gap.comma || gap.line)) {
                Some(next) => (end, postal) = (next, true),
                None => break,
            },
        }
    }
    (end, postal)
}

/// "Col. Centro, 03940 Ciudad de México": the city behind a postcode that another place stood before.
fn city_behind(text: &str, end: usize) -> usize {
    let Some(rest) = text[end..]
        .strip_prefix(' ')
        .filter(|rest| rest.starts_with(char::is_uppercase))
    else {
        return 0;
    };
    patterns().place.length(rest).map_or(0, |length| length + 1)
}

/// A city on a line of its own and the postcode on the next.
fn coded_place(text: &str, at: usize) -> Option<usize> {
    let end = at + patterns().place.length(&text[at..])?;
    let gap = gap(text, end).filter(|gap| gap.line || gap.comma)?;
    let length = patterns()
        .postal
        .iter()
        .filter_map(|pattern| pattern.length(&text[end + gap.length..]))
        .max()?;
    Some(end + gap.length + length)
}

/// Whether a part with a code can be one: not a year, not a lone number behind a space.
fn sound(part: &str, gap: &Gap) -> bool {
    let letters = part.bytes().any(|byte| byte.is_ascii_alphabetic());
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let year = digits == 4
        && part
            .split(|letter: char| !letter.is_ascii_digit())
            .any(|number| number.starts_with("19") || number.starts_with("20"));
    (letters || digits >= 5)
        && (gap.comma || gap.line || (letters && digits >= 5))
        && !(year && !gap.comma && !gap.line)
}

/// What stands between two parts.
struct Gap {
    length: usize,
    comma: bool,
    line: bool,
}

fn gap(text: &str, at: usize) -> Option<Gap> {
    let rest = &text.as_bytes()[at..];
    let length = rest
        .iter()
        .take(6)
        .take_while(|byte| matches!(byte, b' ' | b',' | b'\n' | b'\r' | b'-' | b'\t'))
        .count();
    let between = &rest[..length];
    let lines = between.iter().filter(|&&byte| byte == b'\n').count();
    let comma = between.contains(&b',');
    let dash = between.contains(&b'-');
    let sound =
        length > 0 && lines <= 1 && at + length < text.len() && (!dash || between == b" - ");
    sound.then_some(Gap {
        length,
        comma,
        line: lines == 1,
    })
}

/// A city, a district or a country with no code: where it ends.
fn place(text: &str, at: usize, gap: &Gap) -> Option<usize> {
    if !gap.comma && !gap.line {
        return None;
    }
    let length = patterns().place.length(&text[at..])?;
    let word = word_at(text, at)?;
    let end = at + length;
    if word.known.any(
        Known::GREETING
            .and(Known::LABEL)
            .and(Known::CLOSING)
            .and(Known::VERB),
    ) {
        return None;
    }
    let known = word.known.any(Known::PLACE)
        || word_last(text, at, end).is_some_and(|last| last.known.any(Known::PLACE));
    let closed = text[end..].chars().next().is_none_or(|next| {
        matches!(
            next,
            ',' | '.' | ';' | ')' | '\n' | '"' | '\'' | '<' | '|' | '\r'
        )
    });
    let person = word.known.any(Known::GIVEN) && !known;
    if gap.line {
        return (known && closed).then_some(end);
    }
    ((known || closed) && !person && !word.known.any(Known::ARTICLE)).then_some(end)
}

fn word_last(text: &str, from: usize, end: usize) -> Option<Word> {
    let start = text[from..end]
        .rfind([' ', '-'])
        .map_or(from, |space| from + space + 1);
    letter_at(text, start)
        .then(|| word_at(text, start))
        .flatten()
}

/// "Sunrise Towers, 4th Floor, Andheri East, Mumbai 400069": a city with its postcode, and parts with commas before it, one of
/// which has a number.
pub(super) fn backwards(text: &str, run: &[Word]) -> Option<Address> {
    let (first, last) = (run.first()?, run.last()?);
    if !text[..first.start].ends_with(", ") {
        return None;
    }
    let code = patterns()
        .postcode_behind
        .length(&text[last.end..])
        .or_else(|| state_behind(text, run))?;
    let before = tail_line(text, first.start);
    let mut start = first.start;
    let (mut parts, mut numbered) = (0, false);
    for part in before.strip_suffix(", ")?.rsplit(", ").take(5) {
        let label = part
            .rfind([':', '(', '"', '\t', '|'])
            .map_or(0, |at| at + 1);
        let part = part[label..].trim_start();
        let sound = part.len() <= 48
            && part.chars().next().is_some_and(|letter| {
                letter.is_uppercase() || letter.is_ascii_digit() || letter == '#'
            });
        let from = if sound && !sentence(part) {
            Some(0)
        } else {
            from_number(part)
        };
        let Some(from) = from else { break };
        start = start - 2 - (part.len() - from);
        parts += 1;
        numbered |= part.bytes().any(|byte| byte.is_ascii_digit());
        if from > 0 || label > 0 {
            break;
        }
    }
    let (end, _) = follow(text, last.end + code);
    (parts >= 1 && numbered).then_some(Address {
        start,
        end,
        postal: true,
    })
}

/// ", IL 62704" in a run that ends with the state.
fn state_behind(text: &str, run: &[Word]) -> Option<usize> {
    let last = run.last()?;
    let rest = text[last.end..].strip_prefix(' ')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    (run.len() > 1 && digits == 5).then_some(6)
}

/// Whether a part has words as sentences have them.
fn sentence(part: &str) -> bool {
    part.split(' ')
        .filter(|word| word.starts_with(|letter: char| letter.is_lowercase()))
        .count()
        > 1
}

/// Where the number begins from which on a part is one of an address: "lives at 5-2 Rose Villas".
fn from_number(part: &str) -> Option<usize> {
    let at = part
        .char_indices()
        .find(|&(at, letter)| {
            letter.is_ascii_digit() && (at == 0 || part[..at].ends_with([' ', '#']))
        })
        .map(|(at, _)| at)?;
    (!sentence(&part[at..])).then_some(at)
}

/// The text before this byte, of the same line.
fn tail_line(text: &str, end: usize) -> &str {
    let mut from = end.saturating_sub(160);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let before = &text[from..end];
    let near = tail(text, end);
    before.rfind('\n').map_or(
        if before.len() > near.len() {
            before
        } else {
            near
        },
        |line| &before[line + 1..],
    )
}
