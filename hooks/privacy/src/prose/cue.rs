//! What stands around a word with a capital and says that it is a name: a title, a greeting, a label, a verb that people do.

use super::lists::Known;
use super::run::lead;
use super::word::{Shape, Word, letter_at, word_at, word_before};

/// How much what stands before speaks for a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Cue {
    /// Against one: an article, a label of something else.
    Against,
    /// Nothing.
    None,
    /// A little: "with", "told".
    Soft,
    /// "my name is", "Dear", "Patient:".
    Strong,
    /// "Mr", "Dr": even a word that is a place or a colour is a name behind it.
    Title,
}

/// What the words of a run say of the one behind them.
pub(super) fn of_word(before: &Word) -> Cue {
    let known = before.known;
    if known.any(Known::TITLE) {
        Cue::Title
    } else if known.any(Known::GREETING) {
        Cue::Strong
    } else if known.any(Known::ARTICLE.and(Known::GEO)) {
        Cue::Against
    } else if known.any(Known::ROLE) {
        Cue::Strong
    } else if known.any(Known::BEFORE.and(Known::CLOSING)) {
        Cue::Soft
    } else {
        Cue::None
    }
}

/// What the text before this byte says of the word there.
pub(super) fn before(text: &str, start: usize) -> Cue {
    let spaces = text[..start].trim_end_matches([' ', '\u{a0}', '\t']);
    let Some(last) = spaces.chars().next_back() else {
        return Cue::None;
    };
    match last {
        '\n' | '\r' => signature(spaces),
        ':' | '=' | '"' | '\'' | '>' | '“' | '”' => label(spaces),
        '.' | ',' => {
            word_before(text, spaces.len() - 1).map_or(Cue::None, |word| abbreviated(last, &word))
        }
        _ if start - spaces.len() > 4 => Cue::None,
        _ => word_before(text, spaces.len()).map_or(Cue::None, |word| small(text, &word)),
    }
}

/// `Mr.`, `Hi,`.
fn abbreviated(last: char, word: &Word) -> Cue {
    match last {
        '.' if word.known.any(Known::TITLE) => Cue::Title,
        ',' if word.known.any(Known::ROLE) && word.shape == Shape::Lower => Cue::Soft,
        ',' if word.known.any(Known::GREETING) && word.shape == Shape::Title => Cue::Strong,
        _ => Cue::None,
    }
}

/// The word right before, with the words that it belongs to: "name is", "I am", "ich heiße".
fn small(text: &str, word: &Word) -> Cue {
    let written = &text[word.start..word.end];
    if written == "m"
        && (text[..word.end].ends_with("I'm")
            || text[..word.end].ends_with("I’m")
            || text[..word.end].ends_with("i'm"))
    {
        return Cue::Strong;
    }
    if !word.known.any(Known::PHRASE) {
        return known_alone(word.known);
    }
    let earlier = || lead(text, word.start).map_or("", |word| &text[word.start..word.end]);
    let found = match written {
        "heiße" | "heisse" | "heißt" | "llamo" | "llama" | "appelle" | "chiamo" | "chiama"
        | "heet" | "heter" | "hedder" | "jmenuji" | "nazywam" | "adım" => Cue::Strong,
        "is" | "ist" | "es" | "est" | "é" | "è" | "to" | "er" | "är" => names(earlier()),
        "suis" | "sono" | "jestem" => Cue::Strong,
        "am" | "bin" | "soy" | "sou" | "ben" if speaks(earlier()) => Cue::Strong,
        "się" if earlier().eq_ignore_ascii_case("nazywam") => Cue::Strong,
        _ => Cue::None,
    };
    found.max(known_alone(word.known))
}

/// "name is", "this is".
fn names(before: &str) -> Cue {
    match before {
        "name" | "Name" | "nombre" | "nom" | "nome" | "naam" | "navn" | "namn" | "imię" => {
            Cue::Strong
        }
        "this" | "This" | "hier" | "here" | "it" => Cue::Soft,
        _ => Cue::None,
    }
}

/// "I am": who speaks, or nobody, for the verb says it.
fn speaks(before: &str) -> bool {
    matches!(
        before,
        "" | "I" | "i" | "ich" | "Ich" | "ik" | "Ik" | "yo" | "Yo" | "eu" | "Eu"
    )
}

/// What a small word says by itself.
fn known_alone(known: Known) -> Cue {
    let greets = known.any(Known::GREETING) && !known.any(Known::BEFORE.and(Known::ARTICLE));
    if known.any(Known::TITLE) && !known.any(Known::ARTICLE.and(Known::BEFORE)) {
        Cue::Title
    } else if known.any(Known::ROLE) || greets {
        Cue::Strong
    } else if known.any(Known::BEFORE) {
        Cue::Soft
    } else if known.any(Known::ARTICLE) {
        Cue::Against
    } else {
        Cue::None
    }
}

/// The line before ends a letter: "Best regards,", "Mit freundlichen Grüßen".
fn signature(before: &str) -> Cue {
    let closing = before.trim_end();
    if before[closing.len()..].matches('\n').count() > 3 {
        return Cue::None;
    }
    let line = closing.rsplit('\n').next().unwrap_or_default();
    if line.len() <= 32 && line.ends_with(':') {
        return label(closing);
    }
    let words = line.trim_end_matches([',', '!', '.', '-', ' ']);
    if words.len() > 48 || words.is_empty() {
        return Cue::None;
    }
    let at = |end: usize| word_before(before, end);
    let end = closing.len() - (line.len() - words.len());
    match at(end) {
        Some(word) if word.known.any(Known::CLOSING) => Cue::Strong,
        _ => Cue::None,
    }
}

/// A label, a key of JSON, an element of XML: `Patient:`, `"customer_name": "`, `<author>`.
fn label(before: &str) -> Cue {
    let trimmed = before.trim_end_matches(['"', '\'', '“', '”', ' ', '\\']);
    let Some(sign) = trimmed
        .chars()
        .next_back()
        .filter(|sign| matches!(sign, ':' | '=' | '>'))
    else {
        return quoted(before);
    };
    let key = trimmed[..trimmed.len() - sign.len_utf8()]
        .trim_end_matches(['"', '\'', ' ', '*', '_', '\\', ')']);
    let words = key_words(key);
    let Some(last) = words.first() else {
        return Cue::None;
    };
    let known = |word: &(usize, usize)| {
        word_at(&key[word.0..word.1], 0).map_or(Known::NONE, |word| word.known)
    };
    let named = known(last);
    if named.any(Known::LABEL.and(Known::UNLABEL))
        && words
            .get(1)
            .is_some_and(|earlier| known(earlier).any(Known::UNLABEL))
    {
        return Cue::Against;
    }
    if named.any(Known::LABEL.and(Known::TITLE).and(Known::ROLE)) {
        if sign == '=' { Cue::Soft } else { Cue::Strong }
    } else if named.any(Known::UNLABEL) {
        Cue::Against
    } else {
        Cue::None
    }
}

/// A quote with a word before it: `called "Maria`.
fn quoted(before: &str) -> Cue {
    let rest = before
        .trim_end_matches(['"', '\'', '“', '”'])
        .trim_end_matches(' ');
    match word_before(before, rest.len()) {
        Some(word) if word.known.any(Known::BEFORE) => Cue::Soft,
        _ => Cue::None,
    }
}

/// The words of a key, the last first, at most three: `customer_name`, `firstName`, `Name des Kunden`.
fn key_words(key: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::with_capacity(3);
    let mut end = key.len();
    let mut start = end;
    for (at, letter) in key.char_indices().rev().take(48) {
        if letter.is_alphabetic() {
            start = at;
            if letter.is_uppercase() && end > start {
                words.push((start, end));
                end = start;
            }
            if words.len() == 3 {
                return words;
            }
            continue;
        }
        if end > start {
            words.push((start, end));
        }
        if words.len() == 3 || !matches!(letter, ' ' | '_' | '-' | '.' | '\'' | '(') {
            return words;
        }
        end = at;
        start = at;
    }
    if end > start {
        words.push((start, end));
    }
    words
}

/// Whether what stands behind speaks for a person: a verb that people do, an address of e-mail, an age.
///
/// `loose` takes any verb of the past too: "Okafor resigned".
pub(super) fn after(text: &str, end: usize, loose: bool) -> bool {
    let rest = &text[end..];
    let bytes = rest.as_bytes();
    if rest.starts_with("'s ") || rest.starts_with("’s ") {
        let at = end + rest.find(' ').map_or(0, |space| space + 1);
        return word(text, at).is_some_and(|word| {
            word.known
                .any(Known::ROLE.and(Known::LABEL).and(Known::TITLE))
        });
    }
    match bytes {
        [b' ', b'<' | b'(', ..] => {
            let near: String = rest.chars().take(48).collect();
            near.contains('@') || bytes.get(2).is_some_and(u8::is_ascii_digit)
        }
        [b',', b' ', digit, ..] if digit.is_ascii_digit() => {
            matches!(bytes.get(4..6), Some([b',' | b')', _] | [b' ', b'y']))
        }
        [b' ', ..] => word(text, end + 1).is_some_and(|word| {
            word.shape == Shape::Lower
                && (word.known.any(Known::VERB)
                    || (loose && text[word.start..word.end].ends_with("ed")))
        }),
        _ => false,
    }
}

fn word(text: &str, at: usize) -> Option<Word> {
    letter_at(text, at).then(|| word_at(text, at)).flatten()
}
