//! Words that begin with a capital, and runs of them: what names are made of.

use super::fold::fold;
use super::lists::{Hash, Known, Lists};

/// How a word is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// One capital.
    Initial,
    /// A capital and small letters.
    Title,
    /// Capitals only.
    Upper,
    /// Small letters only.
    Lower,
    /// Anything else: `camelCase`, digits.
    Mixed,
}

/// A word of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) hash: u64,
    pub(super) known: Known,
    pub(super) shape: Shape,
}

/// The state of reading one word.
struct Reader {
    whole: Hash,
    part: Hash,
    parts: Option<Known>,
    letters: usize,
    capitals: usize,
    inner: bool,
    foreign: bool,
}

impl Reader {
    fn push(&mut self, letter: u8) {
        self.whole.push(letter);
        self.part.push(letter);
    }

    /// Ends a part of a hyphenated word. A name beside a common word makes the whole a name.
    fn hyphen(&mut self) {
        let known = Lists::get().known(self.part.value());
        self.parts = Some(join(self.parts, known));
        self.part = Hash::new();
    }
}

fn join(before: Option<Known>, known: Known) -> Known {
    const NAME: Known = Known::GIVEN.and(Known::SURNAME);
    let Some(before) = before else { return known };
    let clear = |one: Known| one.any(NAME) && !one.any(Known::COMMON);
    let plain = |one: Known| one.is_none() || one.any(NAME.and(Known::PARTICLE));
    if (clear(before) || clear(known)) && plain(before) && plain(known) {
        before.and(known).without(Known::COMMON.and(Known::PLACE))
    } else if before.is_none() && known.is_none() {
        before
    } else {
        before.and(known).without(NAME)
    }
}

/// The word at this byte, which begins with a letter.
pub(super) fn word_at(text: &str, start: usize) -> Option<Word> {
    plain(text.as_bytes(), start).or_else(|| composed(text, start))
}

/// A word of ASCII letters that ends at a byte that no word has, as most do.
fn plain(bytes: &[u8], start: usize) -> Option<Word> {
    let mut hash = Hash::new();
    let (mut end, mut capitals, mut later) = (start, 0, start);
    while let Some(byte) = bytes.get(end).filter(|byte| byte.is_ascii_alphabetic()) {
        if byte & 0x20 == 0 {
            capitals += 1;
            later = end;
        }
        hash.push(byte | 0x20);
        end += 1;
    }
    let ends = bytes
        .get(end)
        .is_none_or(|&byte| byte < 0x80 && byte != b'-' && byte != b'\'');
    let shape = match capitals {
        0 => Shape::Lower,
        1 if later > start => return None,
        1 if end == start + 1 => Shape::Initial,
        1 => Shape::Title,
        all if all == end - start => Shape::Upper,
        _ => return None,
    };
    let hash = hash.value();
    (ends && end > start).then(|| Word {
        start,
        end,
        hash,
        known: Lists::get().known(hash),
        shape,
    })
}

/// A word of any letters, with hyphens and apostrophes.
fn composed(text: &str, start: usize) -> Option<Word> {
    let bytes = text.as_bytes();
    let mut reader = Reader {
        whole: Hash::new(),
        part: Hash::new(),
        parts: None,
        letters: 0,
        capitals: 0,
        inner: false,
        foreign: false,
    };
    let mut at = start;
    let mut contraction = false;
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_alphabetic() {
            if byte.is_ascii_uppercase() {
                reader.inner |= reader.letters != reader.capitals;
                reader.capitals += 1;
            }
            reader.letters += 1;
            reader.push(byte | 0x20);
            at += 1;
            continue;
        }
        if byte < 0x80 && byte != b'-' && byte != b'\'' {
            break;
        }
        let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) else {
            break;
        };
        let behind = at + letter.len_utf8();
        match letter {
            '-' | '\u{2010}' | '\u{2011}' if letter_at(text, behind) && at > start => {
                reader.hyphen();
                reader.inner = false;
                reader.letters = reader.capitals;
            }
            '\'' | '’' if letter_at(text, behind) && at > start => {
                if at - start > 1
                    || !matches!(bytes[start], b'O' | b'D' | b'L' | b'M' | b'o' | b'd')
                {
                    contraction = !possessive(text, behind);
                    break;
                }
                reader.letters = reader.capitals;
            }
            _ => match fold(letter) {
                Some(folded) => {
                    if letter.is_uppercase() {
                        reader.inner |= reader.letters != reader.capitals;
                        reader.capitals += 1;
                    }
                    reader.letters += 1;
                    folded.letters().iter().for_each(|&byte| reader.push(byte));
                }
                None if letter.is_alphabetic() => reader.foreign = true,
                None => break,
            },
        }
        at = behind;
    }
    if at == start {
        return None;
    }
    Some(finish(text, start, at, reader, contraction))
}

fn finish(text: &str, start: usize, end: usize, reader: Reader, contraction: bool) -> Word {
    let hash = reader.whole.value();
    let mut known = match reader.parts {
        Some(parts) => join(Some(parts), Lists::get().known(reader.part.value())),
        None => Lists::get().known(hash),
    };
    if contraction {
        known = known
            .and(Known::COMMON)
            .without(Known::GIVEN.and(Known::SURNAME));
    }
    let written = &text[start..end];
    let shape = if reader.foreign || (reader.inner && !prefixed(written)) {
        Shape::Mixed
    } else if reader.capitals == 0 {
        Shape::Lower
    } else if reader.capitals == reader.letters && written.chars().count() == 1 {
        Shape::Initial
    } else if reader.capitals == reader.letters
        && reader.parts.is_none()
        && !written.contains(['\'', '’'])
    {
        Shape::Upper
    } else {
        Shape::Title
    };
    Word {
        start,
        end,
        hash,
        known,
        shape,
    }
}

/// `McDonald`, `MacLeod`, `DeVito`: a capital inside that names have.
fn prefixed(word: &str) -> bool {
    [
        "Mc", "Mac", "De", "Di", "Du", "La", "Le", "Van", "Fitz", "Von", "Del", "San",
    ]
    .iter()
    .any(|prefix| {
        word.strip_prefix(prefix).is_some_and(|rest| {
            let mut letters = rest.chars();
            letters.next().is_some_and(char::is_uppercase)
                && rest.chars().count() > 2
                && letters.all(|letter| letter.is_lowercase() || letter == '-')
        })
    })
}

fn possessive(text: &str, at: usize) -> bool {
    text.as_bytes().get(at).is_some_and(|&s| s | 0x20 == b's') && !letter_at(text, at + 1)
}

/// Whether a letter stands at this byte.
pub(super) fn letter_at(text: &str, at: usize) -> bool {
    match text.as_bytes().get(at) {
        Some(byte) if byte.is_ascii() => byte.is_ascii_alphabetic(),
        Some(_) => text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .is_some_and(char::is_alphabetic),
        None => false,
    }
}

/// The word that ends right before this byte: letters only.
pub(super) fn word_before(text: &str, end: usize) -> Option<Word> {
    let before = text.get(..end)?;
    let letters = before
        .bytes()
        .rev()
        .take(40)
        .take_while(u8::is_ascii_alphabetic)
        .count();
    if before
        .as_bytes()
        .get(..end - letters)
        .is_none_or(|rest| rest.last().is_none_or(u8::is_ascii))
    {
        return (letters > 0)
            .then(|| word_at(text, end - letters))
            .flatten()
            .filter(|word| word.end == end);
    }
    let start = before
        .char_indices()
        .rev()
        .take(40)
        .take_while(|(_, letter)| letter.is_alphabetic())
        .last()
        .map(|(at, _)| at)?;
    word_at(text, start).filter(|word| word.end == end)
}

/// The byte at which the next capital may stand: eight bytes at a time, for most of them are small letters.
pub(super) fn next_capital(bytes: &[u8], mut at: usize) -> usize {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    while let Some(chunk) = bytes
        .get(at..at + 8)
        .and_then(|chunk| <[u8; 8]>::try_from(chunk).ok())
    {
        let chunk = u64::from_le_bytes(chunk);
        let low = chunk & !HIGH;
        // A byte of at least 'A' sets its high bit in the first sum, one above 'Z' in the second.
        let capital = (low + ONES * (0x80 - 0x41)) & !(low + ONES * (0x80 - 0x5b)) & HIGH;
        let found = (capital | chunk) & HIGH;
        if found != 0 {
            let here = at + found.trailing_zeros() as usize / 8;
            let byte = bytes[here];
            if byte < 0x80 || (0xc3..=0xc9).contains(&byte) || byte == 0xe1 {
                return here;
            }
            at = here + 1;
            continue;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_uppercase() || (0xc3..=0xc9).contains(&byte) || byte == 0xe1 {
            break;
        }
        at += 1;
    }
    at
}
