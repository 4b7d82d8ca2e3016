//! Names in small letters, as people type them in a chat: only behind words that introduce one.

use std::sync::LazyLock;

use aho_corasick::packed::Searcher;

use super::context::Context;
use super::lists::Known;
use super::word::{Shape, Word, letter_at, word_at};

/// What introduces a name. The flag says whether a word that no list has will do.
const CUES: [(&str, bool); 27] = [
    ("my name is ", true),
    ("my name's ", true),
    ("name is ", false),
    ("i'm ", false),
    ("i am ", false),
    ("llamo ", true),
    ("heiße ", true),
    ("heisse ", true),
    ("appelle ", true),
    ("chiamo ", true),
    ("nome é ", true),
    ("nazywam się ", true),
    ("ik heet ", true),
    ("heter ", true),
    ("hedder ", true),
    (" mr ", true),
    (" mr. ", true),
    ("mrs ", true),
    ("mrs. ", true),
    ("dear ", false),
    ("hello ", false),
    ("regards, ", false),
    ("it's ", false),
    (" hi ", false),
    ("hey ", false),
    ("tell ", false),
    ("ask ", false),
];

static FINDER: LazyLock<Option<Searcher>> =
    LazyLock::new(|| Searcher::new(CUES.iter().map(|(cue, _)| cue)));

/// Adds the names in small letters.
pub(super) fn find(text: &str, context: &mut Context<'_>, names: &mut Vec<(usize, usize)>) {
    let Some(finder) = FINDER.as_ref() else {
        return;
    };
    for cue in finder.find_iter(text) {
        let loose = CUES
            .get(cue.pattern().as_usize())
            .is_some_and(|(_, loose)| *loose);
        let inside = letter_at(text, cue.start())
            && text[..cue.start()]
                .chars()
                .next_back()
                .is_some_and(|before| before.is_alphanumeric() || before == '_');
        if !inside
            && let Some(end) = name(text, cue.end(), loose)
            && !context.code(cue.start())
        {
            names.push((cue.end(), end));
        }
    }
}

/// The end of the name in small letters that begins here.
fn name(text: &str, at: usize, loose: bool) -> Option<usize> {
    let first = small(text, at)?;
    let given = first.known.any(Known::GIVEN) && !doubtful(&first);
    let surname = first.known.any(Known::SURNAME) && !doubtful(&first);
    if !(given || (loose && (surname || first.known.is_none()))) {
        return None;
    }
    let second = text[first.end..]
        .starts_with(' ')
        .then(|| small(text, first.end + 1))
        .flatten();
    let sound = |word: &Word| {
        !doubtful(word)
            && (word.known.any(Known::SURNAME.and(Known::GIVEN))
                || (given && loose && word.known.is_none()))
    };
    Some(second.filter(sound).map_or(first.end, |word| word.end))
}

fn small(text: &str, at: usize) -> Option<Word> {
    let word = letter_at(text, at).then(|| word_at(text, at)).flatten()?;
    let ends = text
        .as_bytes()
        .get(word.end)
        .is_none_or(|byte| !byte.is_ascii_digit() && !matches!(byte, b'_' | b'(' | b'@'));
    (word.shape == Shape::Lower && ends && word.end - word.start > 2).then_some(word)
}

fn doubtful(word: &Word) -> bool {
    const DOUBT: Known = Known::COMMON
        .and(Known::PLACE)
        .and(Known::NEVER)
        .and(Known::BEFORE)
        .and(Known::VERB)
        .and(Known::ARTICLE)
        .and(Known::ROLE);
    word.known.any(DOUBT)
}
