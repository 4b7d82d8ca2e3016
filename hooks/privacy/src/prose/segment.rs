//! Some words of a run that could be a name: which of them are one.

use super::cue::{self, Cue};
use super::lists::Known;
use super::word::{Shape, Word, word_at};

/// Any list of names.
pub(super) const NAME: Known = Known::GIVEN.and(Known::SURNAME);
/// What makes a name doubtful.
pub(super) const DOUBT: Known = Known::COMMON
    .and(Known::PLACE)
    .and(Known::NEVER)
    .and(Known::COMPANY);

/// Some words of a run, and what stands around them.
pub(super) struct Segment<'a> {
    pub(super) text: &'a str,
    pub(super) words: &'a [Word],
    pub(super) cue: Cue,
    pub(super) inside: bool,
    pub(super) next: Option<&'a Word>,
}

pub(super) fn given(word: &Word) -> bool {
    word.known.any(Known::GIVEN) && !word.known.any(DOUBT)
}

pub(super) fn surname(word: &Word) -> bool {
    word.known.any(Known::SURNAME) && !word.known.any(DOUBT)
}

pub(super) fn unknown(word: &Word) -> bool {
    word.known.is_none()
        && (word.shape == Shape::Title
            || (word.shape == Shape::Upper && word.end - word.start >= 4))
}

/// Whether an unknown word ends like a family's name of some language.
fn familial(text: &str, word: &Word) -> bool {
    const ENDINGS: [&str; 58] = [
        "ski", "ska", "sky", "skyy", "skaya", "ska", "wicz", "czyk", "czak", "enko", "chuk", "yuk",
        "shvili", "dze", "ović", "ovic", "ević", "evic", "ić", "ova", "eva", "ovna", "escu",
        "eanu", "oglu", "oğlu", "sson", "sdottir", "sdóttir", "gaard", "quist", "qvist", "ström",
        "strom", "berg", "stein", "mann", "heimer", "hauser", "bauer", "meier", "meyer", "inho",
        "eira", "ález", "ínez", "guez", "dez", "llini", "etti", "ucci", "opoulos", "akis", "idis",
        "iadis", "yan", "walla", "worth",
    ];
    if !unknown(word) {
        return false;
    }
    let lower = text[word.start..word.end].to_lowercase();
    lower.len() >= 5 && ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

impl Segment<'_> {
    /// The words that are a name, if some are.
    pub(super) fn pick(&self) -> Option<(usize, usize)> {
        if self.cue >= Cue::Strong
            && let Some(end) = self.strong()
        {
            return Some((0, end));
        }
        (0..self.words.len())
            .find_map(|at| self.pair(at).map(|end| (at, end)))
            .or_else(|| self.alone())
    }

    /// Behind a strong cue any words will do that could be a name at all.
    fn strong(&self) -> Option<usize> {
        let end = self.words.len().min(5);
        let words = &self.words[..end];
        let long = words
            .iter()
            .any(|word| word.end - word.start > 1 && word.known != Known::PARTICLE);
        let first = &words[0];
        let sound = match words {
            [_] if self.cue == Cue::Title => true,
            [only]
                if only
                    .known
                    .any(Known::PLACE.and(Known::NEVER).and(Known::COMPANY))
                    && !only.known.any(Known::GIVEN) =>
            {
                false
            }
            [only] if only.shape == Shape::Upper && !only.known.any(NAME) => false,
            [only] => only.shape != Shape::Initial && !self.heads(),
            _ => !first.known.any(Known::COMPANY) || first.known.any(NAME),
        };
        (long && sound).then_some(end)
    }

    /// Whether the word behind makes a thing of the name: "Victoria Station", "Ford Motor Company".
    fn heads(&self) -> bool {
        self.next.is_some_and(|next| {
            next.known.any(
                Known::HEAD
                    .and(Known::STREET)
                    .and(Known::LEGAL)
                    .and(Known::INSTITUTION),
            ) && !next.known.any(Known::ARTICLE)
        })
    }

    /// The end of a name of at least two words that begins here.
    fn pair(&self, at: usize) -> Option<usize> {
        let first = &self.words[at];
        if first.known == Known::PARTICLE {
            return None;
        }
        let second = (at + 1..self.words.len()).find(|&next| {
            self.words[next].known != Known::PARTICLE
                && (self.words[next].shape != Shape::Initial || first.shape == Shape::Initial)
        });
        let Some(second) = second.filter(|&second| {
            self.words[second].shape != Shape::Initial || second + 1 < self.words.len()
        }) else {
            return self.initialled(at);
        };
        let other = &self.words[second];
        if self.heads()
            && second + 1 == self.words.len()
            && self.next.is_some_and(|next| next.shape != Shape::Upper)
            && !(given(first) && surname(other))
        {
            return None;
        }
        self.agree(first, other).then(|| self.rest(second + 1))
    }

    /// "Maria S.", "Peter K": a given name and initials.
    fn initialled(&self, at: usize) -> Option<usize> {
        let end = self.words.len();
        (given(&self.words[at])
            && end > at + 1
            && self.words[at + 1..]
                .iter()
                .all(|word| word.shape == Shape::Initial && word.known != Known::PARTICLE))
        .then_some(end)
        .filter(|_| self.text[self.words[end - 1].start..].get(..1) != Some("I"))
    }

    /// Whether two words that stand side by side are a name.
    fn agree(&self, first: &Word, other: &Word) -> bool {
        if !(first.known.any(NAME)
            || other.known.any(NAME)
            || (unknown(first) && unknown(other) && self.cue >= Cue::Soft)
            || self.hinted(first, other))
        {
            return false;
        }
        let (g, s) = (given(first), surname(first) || familial(self.text, first));
        let (og, os) = (given(other), surname(other) || familial(self.text, other));
        let soft = self.cue >= Cue::Soft
            || cue::after(self.text, self.words[self.words.len() - 1].end, true);
        let upper = first.shape == Shape::Upper;
        if upper != (other.shape == Shape::Upper) && first.shape != Shape::Initial && !os {
            return false;
        }
        let weak_given = first.known.any(Known::GIVEN);
        let weak_other = other.known.any(NAME);
        match () {
            () if first.shape == Shape::Initial => {
                let dotted = self.text.as_bytes().get(first.end) == Some(&b'.');
                (os || og
                    || (dotted && (soft || self.inside || self.text[..first.start].ends_with('(')))
                    || (dotted
                        && other.known.any(Known::SURNAME)
                        && !other.known.any(Known::PLACE)))
                    && (dotted || self.inside || soft)
            }
            () if g => os || og || weak_other || unknown(other),
            () if weak_given && (os || og) => {
                !verbish(self.text, first) || !og || self.inside || soft
            }
            () if weak_given
                && unknown(other)
                && !first.known.any(Known::PLACE.and(Known::NEVER))
                && !upper =>
            {
                true
            }
            () if first.known.any(Known::SURNAME) && hyphened(self.text, other) => true,
            () if weak_given && (weak_other || unknown(other)) => {
                self.cue >= Cue::Soft
                    || (self.inside
                        && self.cue != Cue::Against
                        && !first.known.any(Known::PLACE.and(Known::NEVER))
                        && !other.known.any(Known::PLACE.and(Known::NEVER)))
            }
            () if s && og => true,
            () if s && os => {
                soft || self.inside || familial(self.text, first) || familial(self.text, other)
            }
            () if unknown(first) && os => !upper || soft,
            () if unknown(first) && og => soft,
            () if unknown(first) && (unknown(other) || weak_other) => {
                soft && !upper && self.cue != Cue::Against
            }
            () if s => soft && weak_other,
            () => false,
        }
    }

    /// Whether two words of no list may still be a name.
    fn hinted(&self, first: &Word, other: &Word) -> bool {
        (first.shape == Shape::Initial || unknown(first))
            && (familial(self.text, other)
                || cue::after(self.text, self.words[self.words.len() - 1].end, true))
    }

    /// Where a name ends whose first two words end here.
    fn rest(&self, from: usize) -> usize {
        let mut end = from;
        let whole = self.words.len();
        while end < whole {
            let word = &self.words[end];
            let doubtful = word.known.any(DOUBT) && !word.known.any(Known::SURNAME);
            if doubtful
                || (word.shape == Shape::Initial
                    && end + 1 == whole
                    && self.text[word.start..].starts_with('I'))
            {
                break;
            }
            end += 1;
        }
        (from..=end)
            .rev()
            .find(|&end| self.words[end - 1].known != Known::PARTICLE)
            .unwrap_or(from)
    }

    /// One word alone.
    fn alone(&self) -> Option<(usize, usize)> {
        let [word] = self.words else {
            return self
                .words
                .iter()
                .position(|word| given(word) && word.shape == Shape::Title)
                .filter(|_| self.words.len() == 2 && self.cue != Cue::Against)
                .map(|at| (at, at + 1));
        };
        if word.shape == Shape::Initial
            || word.end - word.start < 3
            || self.cue == Cue::Against
            || self.heads()
        {
            return None;
        }
        if surname(word) && self.last_first(self.words).is_some() {
            return Some((0, 1));
        }
        let after = cue::after(self.text, word.end, surname(word) || given(word));
        let titled = self
            .next
            .is_some_and(|next| next.shape == Shape::Title && !next.known.any(Known::PARTICLE));
        if given(word)
            && word.shape == Shape::Title
            && self.inside
            && self.cue != Cue::Against
            && self.common_name()
        {
            return Some((0, 2));
        }
        let good = if word.shape == Shape::Upper {
            given(word) && (self.cue == Cue::Soft || after)
        } else if given(word) {
            (!titled || self.cue == Cue::Soft)
                && (after || !verbish(self.text, word) || self.inside || self.cue == Cue::Soft)
        } else if word.known.any(Known::GIVEN) {
            let doubtful = word.known.any(Known::PLACE.and(Known::NEVER));
            (self.inside
                && !titled
                && (if doubtful {
                    after && self.cue == Cue::Soft
                } else {
                    after || self.cue == Cue::Soft
                }))
                || (after && !doubtful && !verbish(self.text, word) && !titled)
        } else if surname(word)
            || (!titled
                && (after || (self.cue == Cue::Soft && self.inside))
                && familial(self.text, word))
        {
            !titled && (after || (self.cue == Cue::Soft && self.inside))
        } else {
            unknown(word) && !titled && ((after && self.cue == Cue::Soft) || self.beside(word.end))
        };
        good.then_some((0, 1))
    }

    /// "Mladen and Peter": whether a given name is beside a word.
    fn beside(&self, end: usize) -> bool {
        let rest = &self.text[end..];
        [" and ", " und ", " et ", " y ", " & "].iter().any(|link| {
            rest.starts_with(link)
                && word_at(self.text, end + link.len())
                    .is_some_and(|word| given(&word) && word.shape == Shape::Title)
        })
    }

    /// "Bartholomew Quill": the word behind is a common one, but nothing with a capital goes on behind it.
    fn common_name(&self) -> bool {
        const OTHER: Known = Known::BEFORE
            .and(Known::VERB)
            .and(Known::ARTICLE)
            .and(Known::HEAD)
            .and(Known::STREET)
            .and(Known::LEGAL)
            .and(Known::PLACE)
            .and(Known::NEVER)
            .and(Known::COMPANY)
            .and(Known::GREETING)
            .and(Known::CLOSING)
            .and(Known::ROLE)
            .and(Known::LABEL);
        self.next.is_some_and(|next| {
            next.shape == Shape::Title
                && next.known.any(Known::COMMON)
                && !next.known.any(OTHER)
                && next.end - next.start > 3
                && !self.text[next.start..next.end].ends_with('s')
        })
    }

    /// "Smith, John": the end of the given name behind the comma.
    pub(super) fn last_first(&self, name: &[Word]) -> Option<usize> {
        let only = name.last()?;
        if name.iter().any(given) {
            return None;
        }
        let rest = self.text[only.end..].strip_prefix(", ")?;
        let behind = word_at(self.text, self.text.len() - rest.len())?;
        (given(&behind) && behind.shape == only.shape).then_some(behind.end)
    }
}

/// `Ji-hoon`, `Soo-yeon`: a given name as Koreans write it.
fn hyphened(text: &str, word: &Word) -> bool {
    let written = &text[word.start..word.end];
    word.known.is_none()
        && written
            .split_once('-')
            .is_some_and(|(_, second)| second.starts_with(char::is_lowercase) && second.len() > 1)
}

/// Names that begin a question as often.
fn verbish(text: &str, word: &Word) -> bool {
    matches!(
        &text[word.start..word.end],
        "Will"
            | "May"
            | "Can"
            | "Mark"
            | "Said"
            | "Chase"
            | "Grant"
            | "Pat"
            | "Sue"
            | "Bill"
            | "Rob"
            | "Drew"
    )
}
