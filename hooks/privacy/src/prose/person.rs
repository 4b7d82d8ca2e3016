//! Names of persons: which words of a run are one, by the lists, by how they stand together and by what stands around them.

use super::context::{Context, crediting};
use super::cue::{self, Cue};
use super::lists::Known;
use super::run::inside_sentence;
use super::word::{Shape, Word, word_at};

/// Any list of names.
const NAME: Known = Known::GIVEN.and(Known::SURNAME);
/// What makes a name doubtful.
const DOUBT: Known = Known::COMMON
    .and(Known::PLACE)
    .and(Known::NEVER)
    .and(Known::COMPANY);
/// So many words alone are remembered, until the whole name is found elsewhere in the text.
const PENDING: usize = 4096;
/// So many names are remembered.
const SEEN: usize = 1024;
/// So long is a name at most, in words.
const LONGEST: usize = 6;

/// What the names that were found say of others.
#[derive(Default)]
pub(super) struct Persons {
    pub(super) found: Vec<(usize, usize)>,
    pending: Vec<(usize, usize, u64)>,
    seen: Vec<u64>,
    /// The last one was in a list behind a label: "Attendees: Maria, Xolani".
    listing: bool,
}

/// Some words of a run, and what stands around them.
struct Segment<'a> {
    text: &'a str,
    words: &'a [Word],
    cue: Cue,
    inside: bool,
    next: Option<&'a Word>,
}

fn given(word: &Word) -> bool {
    word.known.any(Known::GIVEN) && !word.known.any(DOUBT)
}

fn surname(word: &Word) -> bool {
    word.known.any(Known::SURNAME) && !word.known.any(DOUBT)
}

fn unknown(word: &Word) -> bool {
    word.known.is_none()
        && (word.shape == Shape::Title
            || (word.shape == Shape::Upper && word.end - word.start >= 4))
}

/// A title, where it stands first: "Judge Vos".
fn title(word: &Word) -> bool {
    word.known.any(Known::TITLE) && !given(word)
}

/// Whether a name cannot have this word.
fn breaks(word: &Word) -> bool {
    word.shape == Shape::Mixed
        || !word.known.any(NAME.and(Known::PARTICLE))
            && !word.known.is_none()
            && word.shape != Shape::Initial
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
    let lower = text[word.start..word.end].to_lowercase();
    unknown(word) && lower.len() >= 5 && ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

impl Persons {
    /// Finds the names in a run.
    pub(super) fn judge(&mut self, text: &str, run: &[Word], context: &mut Context<'_>) {
        let mut at = 0;
        while at < run.len() {
            let titled = title(&run[at]) && run.get(at + 1).is_some_and(|next| !breaks(next));
            let led = run[at].known == Known::PARTICLE
                && (at == 0 || cue::of_word(&run[at - 1]) < Cue::Strong);
            if titled || breaks(&run[at]) || led {
                at += 1;
                continue;
            }
            let end = (at..run.len().min(at + LONGEST))
                .find(|&next| breaks(&run[next]))
                .unwrap_or(run.len().min(at + LONGEST));
            if run[at].known.any(Known::GEO)
                && end > at + 1
                && !given(&run[at])
                && self.cue(text, run, at) < Cue::Strong
            {
                at = end;
                continue;
            }
            let end = (at..end)
                .rev()
                .find(|&last| run[last].known != Known::PARTICLE)
                .map_or(end, |last| last + 1);
            let segment = Segment {
                text,
                words: &run[at..end],
                cue: self.cue(text, run, at),
                inside: at == 0 && inside_sentence(text, run[0].start),
                next: run.get(end),
            };
            match segment.pick() {
                Some((from, to)) => {
                    self.take(&segment, &segment.words[from..to], context);
                    at += to;
                }
                None => {
                    self.remember(&segment, context);
                    at = end;
                }
            }
        }
    }

    fn cue(&self, text: &str, run: &[Word], at: usize) -> Cue {
        let start = run[at].start;
        let listed = self.found.last().is_some_and(|&(_, end)| {
            end < start
                && start - end <= 8
                && matches!(
                    text[end..start].trim(),
                    "," | "and"
                        | "&"
                        | "und"
                        | "et"
                        | "y"
                        | "e"
                        | "en"
                        | "och"
                        | "og"
                        | "i"
                        | ", and"
                        | "or"
                        | ";"
                )
        });
        let cue = match at.checked_sub(1).map(|before| &run[before]) {
            Some(before) => cue::of_word(before),
            None => cue::before(text, start),
        };
        match cue {
            cue if !listed => cue,
            _ if self.listing => Cue::Strong,
            cue => cue.max(Cue::Soft),
        }
    }

    fn take(&mut self, segment: &Segment<'_>, name: &[Word], context: &mut Context<'_>) {
        let (Some(first), Some(last)) = (name.first(), name.last()) else {
            return;
        };
        if context.code(first.start) && !in_code(segment, name, context)
            || owned(context.line(first.start))
        {
            return;
        }
        let end = segment.last_first(name).unwrap_or(last.end);
        self.found.push((first.start, end));
        self.listing = segment.cue == Cue::Strong
            && (self.listing || segment.text[..first.start].trim_end().ends_with(':'));
        if self.seen.len() < SEEN {
            self.seen.extend(
                name.iter()
                    .filter(|word| word.known.any(NAME) || word.known.is_none())
                    .map(|word| word.hash),
            );
        }
    }

    /// Keeps a word alone that is a name if the text has it as a part of one elsewhere.
    fn remember(&mut self, segment: &Segment<'_>, context: &mut Context<'_>) {
        if let [word] = segment.words
            && self.pending.len() < PENDING
            && word.shape == Shape::Title
            && segment.cue != Cue::Against
            && !word.known.any(DOUBT)
            && !context.code(word.start)
        {
            self.pending.push((word.start, word.end, word.hash));
        }
    }

    /// All that were found, with the words alone that turned out to be names.
    pub(super) fn finish(mut self) -> Vec<(usize, usize)> {
        self.seen.sort_unstable();
        for &(start, end, hash) in &self.pending {
            if self.seen.binary_search(&hash).is_ok() {
                self.found.push((start, end));
            }
        }
        self.found
    }
}

/// Whether a line is a notice of copyright.
fn owned(line: &str) -> bool {
    ["Copyright", "copyright", "COPYRIGHT", "(c) ", "(C) ", "©"]
        .iter()
        .any(|sign| line.contains(sign))
}

/// In source code a name counts only whole, in a string or behind a label, and not where the text says who wrote it.
fn in_code(segment: &Segment<'_>, name: &[Word], context: &Context<'_>) -> bool {
    let [first, .., last] = name else {
        return false;
    };
    let before = segment.text[..first.start].chars().next_back();
    let credited = crediting(context.line(first.start));
    let behind = segment.text[last.end..].chars().next();
    let ends = matches!(behind, Some('"' | '\'' | ',' | '<' | ' ' | ')')) || behind.is_none();
    given(first)
        && last.known.any(Known::SURNAME)
        && !last.known.any(DOUBT)
        && matches!(before, Some('"' | '\'' | ' ' | '>'))
        && ends
        && !credited
        && (matches!(before, Some('"' | '\'' | '>')) || segment.cue >= Cue::Strong)
}

impl Segment<'_> {
    /// The words that are a name, if some are.
    fn pick(&self) -> Option<(usize, usize)> {
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
                    || (dotted && soft)
                    || (dotted
                        && other.known.any(Known::SURNAME)
                        && !other.known.any(Known::PLACE)))
                    && (dotted || self.inside || soft)
            }
            () if g => os || og || weak_other || unknown(other),
            () if weak_given && (os || og) => {
                !(verbish(self.text, first) && og && !self.inside && !soft)
            }
            () if weak_given && (weak_other || unknown(other)) => {
                soft || (self.inside
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
        } else if surname(word) || familial(self.text, word) {
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

    /// "Smith, John": the end of the given name behind the comma.
    fn last_first(&self, name: &[Word]) -> Option<usize> {
        let only = name.last()?;
        if name.iter().any(given) {
            return None;
        }
        let rest = self.text[only.end..].strip_prefix(", ")?;
        let behind = word_at(self.text, self.text.len() - rest.len())?;
        (given(&behind) && behind.shape == only.shape).then_some(behind.end)
    }
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
