//! The scanner: every detector over a text and over what the text hides in common codes.

use std::collections::BTreeMap;
use std::fmt;

use nemoclaw_policy::detector::{self, BuiltIn};
use nemoclaw_policy::policy::Privacy;
use nemoclaw_policy::{Class, Location, Policy};

use crate::decode;
use crate::detect::sweep;
use crate::finding::{Detector, Finding};
use crate::own::{Documents, List, Own, Pattern, PatternError};
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

/// Why what a policy wants looked for cannot be.
#[derive(Debug)]
pub enum Unwanted<E> {
    /// One of the node's lists or documents is not there.
    Own(E),
    /// A pattern of the policy's is none.
    Pattern(Location, PatternError),
}

impl Setup {
    /// What some layer of a policy wants looked for, what ships in the highest class that one gives it; where none says
    /// anything of privacy, what ships. `own` gives the node's lists and documents by their names.
    ///
    /// # Errors
    /// The first thing that is not there.
    pub fn of<E>(
        policy: &Policy,
        mut own: impl FnMut(&str) -> Result<Own, E>,
    ) -> Result<Setup, Unwanted<E>> {
        let mut setup = Setup::default();
        for known in detector::all() {
            let own = |privacy: &Privacy| privacy.detectors.get(known.name).copied();
            let classes = policy
                .privacy_layers()
                .map(|privacy| own(privacy).unwrap_or(Some(known.class)));
            if let Some(class) = classes.max() {
                setup.classes.insert(known.name.to_owned(), class);
            }
        }
        for privacy in policy.privacy_layers() {
            for name in &privacy.lists {
                match own(name).map_err(Unwanted::Own)? {
                    Own::List(list) => setup.lists.push(list),
                    Own::Documents(documents) => setup.documents.push(documents),
                }
            }
            for own in &privacy.patterns {
                let pattern = Pattern::new(&own.name, own.class, &own.regex);
                let pattern = pattern.map_err(|error| Unwanted::Pattern(own.at.clone(), error))?;
                setup.patterns.push(pattern);
            }
        }
        Ok(setup)
    }
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
