//! Names of persons: which words of a run are one, by the lists, by how they stand together and by what stands around them.

use super::context::{Context, crediting, owned};
use super::cue::{self, Cue};
use super::lists::Known;
use super::run::inside_sentence;
use super::segment::{DOUBT, NAME, Segment, given};
use super::word::{Shape, Word};

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

/// A title, where it stands first: "Judge Vos".
fn title(word: &Word) -> bool {
    word.known.any(Known::TITLE) && !given(word)
}

/// Whether a name cannot have this word.
fn breaks(word: &Word) -> bool {
    word.shape == Shape::Mixed
        || (word.known.any(Known::NEVER) && !word.known.any(Known::GIVEN))
        || !word.known.any(NAME.and(Known::PARTICLE))
            && !word.known.is_none()
            && word.shape != Shape::Initial
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
                inside: if at == 0 {
                    inside_sentence(text, run[0].start)
                } else {
                    run[at - 1].known.any(Known::BEFORE)
                },
                next: run.get(end),
            };
            match segment.pick() {
                Some((from, to)) => {
                    let to = to.min(run.len() - at);
                    self.take(&segment, &run[at + from..at + to], context);
                    at += to;
                }
                None => {
                    self.remember(&segment);
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
    fn remember(&mut self, segment: &Segment<'_>) {
        if let [word] = segment.words
            && self.pending.len() < PENDING
            && word.shape == Shape::Title
            && segment.cue != Cue::Against
            && !word.known.any(DOUBT)
        {
            self.pending.push((word.start, word.end, word.hash));
        }
    }

    /// All that were found, with the words alone that turned out to be names.
    pub(super) fn finish(mut self, context: &mut Context<'_>) -> Vec<(usize, usize)> {
        self.seen.sort_unstable();
        for &(start, end, hash) in &self.pending {
            if self.seen.binary_search(&hash).is_ok() && !context.code(start) {
                self.found.push((start, end));
            }
        }
        self.found
    }
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
