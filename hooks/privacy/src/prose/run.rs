//! Runs: words with capitals that stand side by side on a line, with the small words that names have between them.

use super::lists::Known;
use super::word::{Shape, Word, letter_at, next_capital, word_at, word_before};

/// So long may a run be; the rest is the next run's.
const LONGEST: usize = 12;

/// Reads the runs of a text one after the other.
pub(super) struct Runs<'a> {
    text: &'a str,
    at: usize,
    words: Vec<Word>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(text: &'a str) -> Runs<'a> {
        Runs {
            text,
            at: 0,
            words: Vec::with_capacity(LONGEST + 4),
        }
    }

    /// The next run, if there is one.
    pub(super) fn next(&mut self) -> Option<&[Word]> {
        let bytes = self.text.as_bytes();
        self.words.clear();
        loop {
            let start = next_capital(bytes, self.at);
            if start >= bytes.len() {
                return None;
            }
            let Some(first) = self.capital(start) else {
                continue;
            };
            self.words.push(first);
            while self.words.len() < LONGEST && self.extend() {}
            return Some(&self.words);
        }
    }

    /// Goes on behind this byte.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = self.at.max(at);
    }

    /// The word that begins with the capital at this byte, if it is one of prose. Moves on in any case.
    fn capital(&mut self, start: usize) -> Option<Word> {
        let bytes = self.text.as_bytes();
        let lead = bytes[start];
        self.at = start + 1;
        if lead >= 0x80 && !self.text.get(start..)?.chars().next()?.is_uppercase() {
            return None;
        }
        let word = word_at(self.text, start)?;
        self.at = word.end.max(start + 1);
        ((word.shape != Shape::Mixed || word.known.any(Known::LEGAL))
            && !glued_before(self.text, start)
            && !glued_after(bytes, word.end))
        .then_some(word)
    }

    fn extend(&mut self) -> bool {
        let Some(last) = self.words.last().copied() else {
            return false;
        };
        let bytes = self.text.as_bytes();
        let mut at = last.end;
        if bytes.get(at) == Some(&b'.') {
            if last.shape != Shape::Initial && !abbreviation(&last) {
                return false;
            }
            at += 1;
            if bytes.get(at).is_some_and(u8::is_ascii_uppercase) && last.shape == Shape::Initial {
                return self.take(at);
            }
        }
        let Some(at) = space(bytes, at) else {
            return false;
        };
        self.take(at) || self.particles(at)
    }

    fn take(&mut self, at: usize) -> bool {
        let lead = self.text[at..].chars().next();
        if !lead.is_some_and(char::is_uppercase) {
            return false;
        }
        match self.capital(at) {
            Some(word) => {
                self.words.push(word);
                true
            }
            None => false,
        }
    }

    /// One or two of `van`, `de la`, `bin`, and the word with a capital behind them.
    fn particles(&mut self, at: usize) -> bool {
        let (bytes, before) = (self.text.as_bytes(), self.words.len());
        let mut at = at;
        for _ in 0..3 {
            if !letter_at(self.text, at) {
                break;
            }
            let Some(word) = word_at(self.text, at) else {
                break;
            };
            let hyphened = word.end - word.start <= 3 && bytes.get(word.end) == Some(&b'-');
            if word.shape == Shape::Title && self.words.len() > before {
                return self.take(at);
            }
            if word.shape != Shape::Lower || !word.known.any(Known::PARTICLE) || hyphened {
                break;
            }
            self.words.push(Word {
                known: Known::PARTICLE,
                ..word
            });
            match space(bytes, word.end) {
                Some(next) => at = next,
                None => break,
            }
        }
        self.words.truncate(before);
        false
    }
}

/// `Dr`, `Str`, `Apt`: a point behind it ends no sentence.
fn abbreviation(word: &Word) -> bool {
    const SHORT: Known = Known::WAY.and(Known::STREET).and(Known::UNIT);
    word.known.any(Known::TITLE) || (word.end - word.start <= 4 && word.known.any(SHORT))
}

/// Behind one space, or a no-break space.
fn space(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at..) {
        Some([b' ', ..]) => Some(at + 1),
        Some([0xc2, 0xa0, ..]) => Some(at + 2),
        _ => None,
    }
    .filter(|&at| at < bytes.len())
}

/// Whether what stands before makes the word a part of something that is no prose: a path, a type, a tag.
fn glued_before(text: &str, start: usize) -> bool {
    let bytes = text.as_bytes();
    let Some(&before) = start.checked_sub(1).and_then(|at| bytes.get(at)) else {
        return false;
    };
    let earlier = start
        .checked_sub(2)
        .and_then(|at| bytes.get(at))
        .copied()
        .unwrap_or(b' ');
    match before {
        b'_' | b'$' | b'@' | b'#' | b'/' | b'`' | b'~' | b'&' | b'%' | b'^' | b'.' => true,
        b'\\' => true,
        b':' => earlier == b':',
        b'-' => earlier.is_ascii_alphanumeric() || earlier == b'-',
        b'\'' => earlier.is_ascii_alphanumeric(),
        byte if byte.is_ascii_alphanumeric() => {
            !(matches!(byte, b'n' | b't' | b'r') && earlier == b'\\')
        }
        byte if byte >= 0x80 => text[..start]
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric),
        _ => false,
    }
}

fn glued_after(bytes: &[u8], end: usize) -> bool {
    let at = |offset: usize| bytes.get(end + offset).copied().unwrap_or(b' ');
    match at(0) {
        b'_' | b'(' | b'[' | b'{' | b'`' | b'@' | b'/' | b'$' | b'<' => {
            !(at(0) == b'<' && at(1) == b'/')
        }
        b'\\' => !matches!(at(1), b'n' | b't' | b'r' | b'"'),
        b':' => at(1) == b':',
        b'.' => at(1).is_ascii_lowercase() || at(1).is_ascii_digit() || at(1) == b'_',
        b'-' => at(1) == b'>' || at(1).is_ascii_digit(),
        b'=' => !at(1).is_ascii_alphanumeric() || at(1) == b'=',
        byte => byte.is_ascii_digit(),
    }
}

/// The word before this byte with one space (or two, or a quote) between, and whether a sentence can begin here.
pub(super) fn lead(text: &str, start: usize) -> Option<Word> {
    let rest = text[..start].trim_end_matches([' ', '\u{a0}']);
    (rest.len() < start && start - rest.len() <= 4)
        .then(|| word_before(text, rest.len()))
        .flatten()
}

/// Whether a word at this byte goes on with a sentence: a small letter or a comma stands before it.
pub(super) fn inside_sentence(text: &str, start: usize) -> bool {
    let rest = text[..start].trim_end_matches([' ', '\u{a0}', '"', '\'', '“', '‘', '(']);
    text[rest.len()..start].contains([' ', '\u{a0}'])
        && rest
            .chars()
            .next_back()
            .is_some_and(|c| c.is_lowercase() || matches!(c, ',' | ';') || c.is_ascii_digit())
}
