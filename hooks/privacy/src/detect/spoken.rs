//! Words that stand in place of signs: `ann (at) example (dot) org` for an address, `the password is …` for `=`.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::Known;
use super::bytes::{ALNUM, JOIN, LETTER, is, run, run_back};
use super::{domains, secret};
use crate::finding::Finding;

/// Endings of words for secrets.
const SECRETS: &[&str] = &[
    "assword",
    "asswort",
    "asscode",
    "assphrase",
    "ennwort",
    "ot de passe",
    "ontraseña",
    "ontrasena",
    "achtwoord",
    "api key",
    "API key",
    "API-Key",
    "api-key",
    "earer ",
    "ecret key",
    "ccess token",
    "asswd>",
    "arola d'ordine",
    "asło",
    "enha é",
];
/// What stands for `@`, and the word that stands for `.` where nothing is around it.
const SIGNS: &[&str] = &["(at)", "[at]", "{at}", "(AT)", "[AT]", " dot "];

static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostFirst)
        .build(SECRETS.iter().chain(SIGNS))
        .ok()
});

/// Builds the words' automaton.
pub(super) fn prepare() {
    LazyLock::force(&WORDS);
}

/// Looks at every such word of the text.
pub(super) fn find(text: &str, found: &mut Vec<Finding>) {
    let Some(words) = WORDS.as_ref() else { return };
    for hit in words.find_iter(text) {
        let hit_at = hit.start()..hit.end();
        if hit.pattern().as_usize() < SECRETS.len() {
            secret::behind_word(text, hit_at, found);
        } else if let Some(span) = address(text, hit_at) {
            found.push(Known::Email.at(span));
        }
    }
}

/// Behind the first word that tells a secret.
pub(super) fn behind_first_secret(text: &str) -> Option<usize> {
    WORDS
        .as_ref()?
        .find_iter(text)
        .find(|hit| hit.pattern().as_usize() < SECRETS.len())
        .map(|hit| hit.end())
}

/// The address around the word at `word`.
fn address(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let at = match &text[word.clone()] {
        // `example dot org`: an `at` before the name makes it an address.
        " dot " => {
            let name = run_back(bytes, word.start, ALNUM | JOIN, 64);
            let at = name.checked_sub(4)?;
            (&bytes[at..name] == b" at ").then_some(at..name)?
        }
        _ => word,
    };
    let mut local_end = at.start;
    while local_end > 0 && bytes[local_end - 1] == b' ' && at.start - local_end < 2 {
        local_end -= 1;
    }
    let mut start = local_end;
    while start > 0
        && local_end - start < 64
        && (is(bytes[start - 1], ALNUM | JOIN) || matches!(bytes[start - 1], b'.' | b'+'))
    {
        start -= 1;
    }
    let end = name(text, at.end)?;
    (start < local_end).then_some(start..end)
}

/// The end of the name of a host that begins behind `from`, its dots written or spoken.
fn name(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut here = run_of_blanks(bytes, from);
    let mut best = None;
    for label in 0..6 {
        let end = run(bytes, here, ALNUM | JOIN, 63);
        if end == here {
            break;
        }
        if label > 0
            && bytes[here..end].iter().all(|byte| is(*byte, LETTER))
            && domains::is_top(&bytes[here..end])
        {
            best = Some(end);
        }
        match dot(bytes, end) {
            Some(next) => here = next,
            None => break,
        }
    }
    best
}

/// Behind the dot at `at`.
fn dot(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'.') {
        return Some(at + 1);
    }
    let here = run_of_blanks(bytes, at);
    let rest = &bytes[here..];
    let word = [
        &b"(dot)"[..],
        b"[dot]",
        b"{dot}",
        b"(DOT)",
        b"[DOT]",
        b"(punkt)",
        b"[punkt]",
        b"(punto)",
        b"dot ",
    ]
    .into_iter()
    .find(|word| rest.starts_with(word))?;
    (word != b"dot " || here > at).then(|| run_of_blanks(bytes, here + word.len()))
}

fn run_of_blanks(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..]
        .iter()
        .take(2)
        .take_while(|byte| **byte == b' ')
        .count()
}
