//! The scanner: every detector over a text and over what the text hides in common codes.

use std::collections::BTreeMap;
use std::fmt;

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::{self, BuiltIn};

use crate::decode;
use crate::detect::sweep;
use crate::finding::{Detector, Finding};
use crate::own::{Documents, List, Pattern};
use crate::prose::Prose;

mod merge;

/// What an operator says about detectors.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// By the name of a detector that ships: another class, or none to leave it out.
    pub classes: BTreeMap<String, Option<Class>>,
    /// His lists of words.
    pub lists: Vec<List>,
    /// His patterns.
    pub patterns: Vec<Pattern>,
    /// His documents.
    pub documents: Vec<Documents>,
}

/// Why no scanner could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// No detector has this name.
    #[error("there is no detector `{name}`: the detectors are {}", names())]
    UnknownDetector {
        /// The name.
        name: String,
    },
}

fn names() -> String {
    let names: Vec<&str> = detector::all().iter().map(|known| known.name).collect();
    names.join(", ")
}

/// Finds what is sensitive in texts.
pub struct Scanner {
    /// The class of each detector that ships, in their order; none is off.
    classes: Vec<Option<Class>>,
    prose: Prose,
    lists: Vec<List>,
    patterns: Vec<Pattern>,
    documents: Vec<Documents>,
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

impl Scanner {
    /// A scanner of the detectors that ship, changed by `setup`.
    ///
    /// # Errors
    /// A name that no detector has.
    pub fn new(setup: &Setup) -> Result<Self, SetupError> {
        let mut classes: Vec<Option<Class>> = detector::all()
            .iter()
            .map(|known| Some(known.class))
            .collect();
        for (name, class) in &setup.classes {
            let known = detector::named(name)
                .ok_or_else(|| SetupError::UnknownDetector { name: name.clone() })?;
            classes[position(known)] = *class;
        }
        sweep::prepare();
        let on = |known: &BuiltIn| classes[position(known)].is_some();
        Ok(Self {
            prose: Prose::of(on),
            classes,
            lists: setup.lists.clone(),
            patterns: setup.patterns.clone(),
            documents: setup.documents.clone(),
        })
    }

    /// What is sensitive in `text`: by their first byte, none over another, on boundaries of characters.
    #[must_use]
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        self.look(text, Vec::new(), Class::Public)
    }

    /// The same with what somebody else has `found` in the text.
    #[must_use]
    pub fn scan_with(&self, text: &str, found: Vec<Finding>) -> Vec<Finding> {
        self.look(text, found, Class::Public)
    }

    /// The same of what is of `class` at least: what is below it joins nothing.
    #[must_use]
    pub fn scan_from(&self, text: &str, class: Class) -> Vec<Finding> {
        self.look(text, Vec::new(), class)
    }

    fn look(&self, text: &str, mut found: Vec<Finding>, class: Class) -> Vec<Finding> {
        let traces = self.plain(text, &mut found);
        decode::each_view(text, &traces, |view| {
            let mut inside = Vec::new();
            self.plain(view.text(), &mut inside);
            found.extend(inside.into_iter().map(|finding| view.back(finding)));
        });
        found.retain(|finding| finding.class >= class);
        merge::merge(&mut found);
        found
    }

    /// Every detector on one text as it stands; what it may hide comes back.
    fn plain(&self, text: &str, found: &mut Vec<Finding>) -> sweep::Traces {
        let first = found.len();
        let traces = sweep::find(text, found);
        self.prose.find(text, found);
        self.lists.iter().for_each(|list| list.find(text, found));
        self.patterns
            .iter()
            .for_each(|pattern| pattern.find(text, found));
        self.documents
            .iter()
            .for_each(|documents| documents.find(text, found));
        self.weigh(found, first);
        traces
    }

    /// Gives what was found from `first` on the operator's classes, and drops what he switched off.
    fn weigh(&self, found: &mut Vec<Finding>, first: usize) {
        let mut kept = first;
        for at in first..found.len() {
            let class = match found[at].detector {
                Detector::BuiltIn(known) => self.classes[position(known)],
                Detector::Own(_) => Some(found[at].class),
            };
            if let Some(class) = class {
                found[at].class = class;
                found.swap(kept, at);
                kept += 1;
            }
        }
        found.truncate(kept);
    }
}

/// The place of a detector among those that ship.
fn position(known: &BuiltIn) -> usize {
    detector::all()
        .iter()
        .position(|other| std::ptr::eq(other, known))
        .unwrap_or_default()
}
