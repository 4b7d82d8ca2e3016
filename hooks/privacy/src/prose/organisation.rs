//! Names of organisations: a legal form behind them, a word for a kind of organisation in them, or "works at" before them.

use super::context::Context;
use super::cue::Cue;
use super::lists::Known;
use super::run::{inside_sentence, lead};
use super::word::{Shape, Word, letter_at, word_at, word_before};

const NAME: Known = Known::GIVEN.and(Known::SURNAME);
/// Words that a name of an organisation does not begin with.
const STRIPPED: Known = Known::ARTICLE
    .and(Known::BEFORE)
    .and(Known::GREETING)
    .and(Known::WORKS)
    .and(Known::TITLE);

/// Legal forms with points, a stroke or small letters, as they stand behind a name.
const FORMS: [&str; 38] = [
    ", Inc.",
    ", Inc",
    ", LLC",
    ", Ltd.",
    ", Ltd",
    ", LLP",
    ", L.L.C.",
    ", Corp.",
    " Inc.",
    " Ltd.",
    " Corp.",
    " Co., Ltd.",
    " Co. Ltd.",
    " & Co. KG",
    " Co. KG",
    " S.A.S.",
    " S.A.",
    ", S.A.",
    " S.p.A.",
    " S.r.l.",
    " S.R.L.",
    ", S.L.",
    " S.L.",
    " B.V.",
    " N.V.",
    " e.V.",
    " s.r.o.",
    ", s.r.o.",
    " a.s.",
    ", a.s.",
    " sp. z o.o.",
    " Sp. z o.o.",
    " d.o.o.",
    " A/S",
    " plc",
    " OÜ",
    " A.Ş.",
    " Oy",
];

/// The organisation in a run, if there is one, and how much of the run it takes.
pub(super) fn judge(
    text: &str,
    run: &[Word],
    cue: impl FnOnce() -> Cue,
    context: &mut Context<'_>,
) -> Option<(usize, usize)> {
    let first = run.first()?;
    let telling = Known::LEGAL
        .and(Known::HEAD)
        .and(Known::INSTITUTION)
        .and(Known::COMPANY);
    let named = run
        .iter()
        .rposition(|word| word.shape != Shape::Initial)
        .map_or(1, |at| at + 1);
    let form = form(text, run[named - 1].end);
    let span = if let Some(form) = form {
        Some((begin(text, run, named)?, run[named - 1].end + form))
    } else if run.iter().any(|word| word.known.any(telling)) {
        legal(text, run)
            .or_else(|| institution(text, run))
            .or_else(|| headed(text, run))
            .or_else(|| company(text, run))
    } else {
        None
    };
    let span = span.or_else(|| employer(text, run, cue))?;
    (!context.code(first.start)
        || quoted(
            text,
            first.start,
            form.is_some() || legal(text, run).is_some(),
        ))
    .then_some(span)
}

/// In source code only a legal form in a string counts, and not in what says whose the code is.
fn quoted(text: &str, start: usize, legal: bool) -> bool {
    legal && text[..start].ends_with('"')
}

/// The length of a legal form that stands behind this byte.
fn form(text: &str, end: usize) -> Option<usize> {
    let rest = &text[end..];
    let at = if rest.starts_with(", ") { 2 } else { 1 };
    let (first, second) = match rest.as_bytes().get(at..at + 2) {
        Some(&[first, second]) => (first, second),
        _ => return None,
    };
    let possible = match first {
        b'e' | b'a' | b'd' => second == b'.',
        b's' => matches!(second, b'.' | b'p'),
        b'p' => second == b'l',
        b'I' | b'L' | b'C' | b'S' | b'B' | b'N' | b'A' | b'&' | b'O' => {
            !matches!(second, b'a' | b'e' | b'i' | b'u' | b'h')
        }
        _ => false,
    };
    if !possible {
        return None;
    }
    FORMS
        .iter()
        .find(|form| rest.starts_with(**form) && !letter_at(text, end + form.len()))
        .map(|form| form.len())
}

/// Where a name begins whose last word in the run is the one before `to`: words of sentences do not belong to it, words of a
/// run before, joined by `&` or `and`, do.
fn begin(text: &str, run: &[Word], to: usize) -> Option<usize> {
    let skip = run[..to]
        .iter()
        .take_while(|word| {
            word.known.any(STRIPPED) && !word.known.any(NAME) && word.shape != Shape::Upper
        })
        .count();
    let linked = run[..to]
        .iter()
        .enumerate()
        .skip(skip)
        .rposition(|(at, word)| word.known == Known::PARTICLE && other(&run[skip..at]));
    let skip = linked.map_or(skip, |at| at + skip + 1);
    let first = run[..to].get(skip)?;
    if let Some(owner) = text[..first.start]
        .strip_suffix("'s ")
        .or_else(|| text[..first.start].strip_suffix("’s "))
    {
        let owner = word_before(text, owner.len()).filter(|word| word.shape == Shape::Title)?;
        return Some(if text[..owner.start].ends_with("St. ") {
            owner.start - 4
        } else {
            owner.start
        });
    }
    if skip > 0 {
        return Some(first.start);
    }
    let joined = [" & ", " and ", " und ", " et ", " y "]
        .iter()
        .find(|sign| text[..first.start].ends_with(**sign));
    let before = joined.and_then(|sign| {
        let end = first.start - sign.len();
        word_before(text, end)
            .filter(|word| word.shape == Shape::Title && !word.known.any(STRIPPED))
    });
    Some(before.map_or(first.start, |word| word.start))
}

/// Whether the words before a small word are a person, or words of the sentence, and not the beginning of the name: "Ornella
/// Bevilacqua di Generali", "Rechnung der Krüger", but "Universidad de Granada".
fn other(words: &[Word]) -> bool {
    let part = words
        .iter()
        .any(|word| word.known.any(Known::INSTITUTION.and(Known::HEAD)));
    let person = words
        .first()
        .is_some_and(|word| word.known.any(Known::GIVEN) && !word.known.any(Known::COMMON))
        && words.len() > 1;
    !part && (person || words.iter().all(|word| word.known.any(Known::COMMON)))
}

/// "Acme Widgets GmbH".
fn legal(text: &str, run: &[Word]) -> Option<(usize, usize)> {
    let at = run.iter().rposition(|word| {
        word.known.any(Known::LEGAL)
            && (word.end - word.start > 2 || word.shape == Shape::Upper)
            && !(word.known.any(NAME)
                && word.shape == Shape::Title
                && !word.known.any(Known::COMMON))
    })?;
    let sound = at > 0 && run[..at].iter().any(|word| !word.known.any(STRIPPED));
    let word = &run[at];
    let end = word.end
        + usize::from(
            text[word.end..].starts_with('.')
                && word.shape == Shape::Title
                && word.end - word.start <= 4,
        );
    sound
        .then(|| begin(text, run, at).map(|start| (start, end)))
        .flatten()
}

/// "University of Leeds", "Universidad de Granada", "Bank of America".
fn institution(text: &str, run: &[Word]) -> Option<(usize, usize)> {
    let at = run
        .iter()
        .position(|word| word.known.any(Known::INSTITUTION))?;
    let word = &run[at];
    let start = begin(text, run, at + 1).filter(|&start| start <= word.start)?;
    let last = run.last()?;
    let rest = &text[last.end..];
    let linked = [" of the ", " of ", " for ", " für ", " and "]
        .iter()
        .find(|link| rest.starts_with(**link));
    if let Some(link) = linked.filter(|_| at + 1 == run.len()) {
        let mut end = last.end + link.len();
        let behind = word_at(text, end).filter(|word| word.shape == Shape::Title)?;
        end = behind.end;
        while text[end..].starts_with(' ')
            && let Some(more) =
                word_at(text, end + 1).filter(|word| matches!(word.shape, Shape::Title))
        {
            end = more.end;
        }
        return Some((start, end));
    }
    (at + 1 < run.len()
        && run[at + 1..]
            .iter()
            .any(|word| word.known == Known::PARTICLE)
        || (at == 0 && run.len() > 1 && inside_sentence(text, word.start)))
    .then_some((start, last.end))
}

/// "Northwind Logistics", "Massachusetts General Hospital".
fn headed(text: &str, run: &[Word]) -> Option<(usize, usize)> {
    let at = run.iter().rposition(|word| word.known.any(Known::HEAD))?;
    let start = begin(text, run, at)?;
    let before: Vec<&Word> = run[..at]
        .iter()
        .filter(|word| word.start >= start)
        .collect();
    let proper = before.iter().any(|word| {
        (word.known.is_none() && word.shape != Shape::Initial)
            || word.known.any(Known::PLACE.and(Known::COMPANY))
            || (word.known.any(NAME) && !word.known.any(Known::COMMON))
    });
    let strong = run[at].known.any(Known::INSTITUTION) && before.len() > 1;
    (proper || strong).then_some((start, run[at].end))
}

/// Companies that everybody knows.
fn company(text: &str, run: &[Word]) -> Option<(usize, usize)> {
    let word = run.iter().find(|word| word.known.any(Known::COMPANY))?;
    let alone = run.len() == 1 || !run.iter().any(|word| word.known.any(Known::GIVEN));
    let plain = !word.known.any(
        Known::COMMON
            .and(Known::PLACE)
            .and(Known::GIVEN)
            .and(Known::LABEL),
    ) && (word.shape == Shape::Upper || word.end - word.start > 3);
    (alone
        && plain
        && (inside_sentence(text, run[0].start)
            || run.len() > 1
            || word.shape == Shape::Upper
            || text[word.end..].starts_with("'s")))
    .then_some((word.start, word.end))
}

/// "works at Blue Harbor", "Employer: Blue Harbor".
fn employer(text: &str, run: &[Word], cue: impl FnOnce() -> Cue) -> Option<(usize, usize)> {
    const NOWHERE: Known = Known::PLACE.and(Known::NEVER).and(Known::ARTICLE);
    let first = run.first()?;
    let person = first.known.any(Known::GIVEN) && !first.known.any(Known::COMMON);
    if person || run.iter().all(|word| word.known.any(NOWHERE)) {
        return None;
    }
    let working = working(text, first.start);
    if !(working || labelled(text, first.start)) || (working && cue() == Cue::Strong) {
        return None;
    }
    let end = run.iter().rposition(|word| word.known != Known::PARTICLE)?;
    Some((first.start, run[end].end))
}

/// Whether the words before say that somebody works here: "works at", "joined".
fn working(text: &str, start: usize) -> bool {
    let Some(before) = lead(text, start).filter(|word| word.known.any(Known::WORKS)) else {
        return false;
    };
    let joined = matches!(&text[before.start..before.end], "joined" | "joining");
    joined || lead(text, before.start).is_some_and(|verb| verb.known.any(Known::WORKING))
}

/// Whether a label of a company stands before: `Employer: `, `"company": "`.
fn labelled(text: &str, start: usize) -> bool {
    let before = text[..start].trim_end_matches([' ', '"', '\'', '*']);
    before
        .strip_suffix([':', '='])
        .map(|key| key.trim_end_matches(['"', '\'', '*']))
        .and_then(|key| word_before(text, key.len()))
        .is_some_and(|word| word.known.any(Known::FIRM))
}
