//! Names of persons, postal addresses and organisations in prose, by lists, shapes and cues: one pass over the words that
//! begin with a capital.

mod address;
mod context;
mod cue;
mod fold;
mod lists;
mod lower;
mod organisation;
mod person;
mod run;
mod segment;
#[cfg(test)]
mod tests;
mod word;

use nemoclaw_policy::detector::BuiltIn;

use self::lists::Known;
use self::word::Word;
use crate::finding::{Detector, Finding};

/// Which of the three are looked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prose {
    person: Option<&'static BuiltIn>,
    address: Option<&'static BuiltIn>,
    organisation: Option<&'static BuiltIn>,
}

impl Prose {
    /// Those that are on; the lists are loaded now, so that the first text does not wait for them.
    pub(crate) fn of(on: impl Fn(&BuiltIn) -> bool) -> Prose {
        let named = |name| nemoclaw_policy::detector::named(name).filter(|known| on(known));
        let prose = Prose {
            person: named("person_name"),
            address: named("postal_address"),
            organisation: named("organisation"),
        };
        if prose.any() {
            lists::Lists::get();
        }
        prose
    }

    fn any(&self) -> bool {
        self.person.is_some() || self.address.is_some() || self.organisation.is_some()
    }

    /// Adds what is found in a text.
    pub(crate) fn find(&self, text: &str, found: &mut Vec<Finding>) {
        if !self.any() {
            return;
        }
        let mut persons = person::Persons::default();
        let mut addresses: Vec<(usize, usize)> = Vec::new();
        let mut organisations: Vec<(usize, usize)> = Vec::new();
        let mut context = context::Context::new(text);
        let mut runs = run::Runs::new(text);
        while let Some(run) = runs.next() {
            let Some(first) = run.first().copied() else {
                continue;
            };
            if opens_sentence(text, run) {
                continue;
            }
            if let Some(address) = address::judge(text, run)
                && !context.credited(address.start)
                && (address.postal || !context.code(first.start))
            {
                addresses.push((address.start, address.end));
                runs.skip_to(address.end);
                continue;
            }
            if let Some(span) =
                organisation::judge(text, run, || cue::before(text, first.start), &mut context)
                && !context.credited(span.0)
            {
                organisations.push(span);
            }
            persons.judge(text, run, &mut context);
        }
        let mut names = persons.finish(&mut context);
        lower::find(text, &mut context, &mut names);
        let mut taken = addresses.clone();
        taken.extend_from_slice(&organisations);
        taken.sort_unstable();
        names.retain(|&(start, end)| {
            let at = taken.partition_point(|other| other.1 <= start);
            taken.get(at).is_none_or(|other| other.0 >= end)
        });
        add(self.address, addresses, found);
        add(self.organisation, organisations, found);
        add(self.person, names, found);
    }
}

/// Whether a run is one common word at the beginning of a sentence, as most are: nothing of it can be a name.
fn opens_sentence(text: &str, run: &[Word]) -> bool {
    const MORE: Known = Known::GIVEN
        .and(Known::SURNAME)
        .and(Known::STREET)
        .and(Known::WAY)
        .and(Known::INSTITUTION)
        .and(Known::COMPANY);
    let [only] = run else { return false };
    let bytes = text.as_bytes();
    let before = |back: usize| only.start.checked_sub(back).map_or(b'\n', |at| bytes[at]);
    let starts =
        before(1) == b'\n' || (before(1) == b' ' && matches!(before(2), b'.' | b'!' | b'?'));
    let goes_on = bytes.get(only.end) == Some(&b' ')
        && bytes.get(only.end + 1).is_some_and(u8::is_ascii_lowercase);
    starts && goes_on && only.known.any(Known::COMMON) && !only.known.any(MORE)
}

/// Adds spans as findings of one detector, the widest where they overlap.
fn add(
    detector: Option<&'static BuiltIn>,
    mut spans: Vec<(usize, usize)>,
    found: &mut Vec<Finding>,
) {
    let Some(detector) = detector else { return };
    spans.sort_unstable_by_key(|&(start, end)| (start, std::cmp::Reverse(end)));
    let mut last = 0;
    for (start, end) in spans {
        if start < last || end <= start {
            continue;
        }
        last = end;
        found.push(Finding {
            class: detector.class,
            detector: Detector::BuiltIn(detector),
            start,
            end,
        });
    }
}
