//! One thing that was found in a text.

use std::fmt;
use std::sync::Arc;

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::BuiltIn;

/// Who found it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Detector {
    /// One that ships.
    BuiltIn(&'static BuiltIn),
    /// An operator's list, documents or pattern, by its name.
    Own(Arc<str>),
}

impl Detector {
    /// Its word in policies and answers.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Detector::BuiltIn(known) => known.name,
            Detector::Own(name) => name,
        }
    }
}

impl fmt::Display for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A finding: bytes `start..end` of the text, on boundaries of characters. It never holds the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it could harm.
    pub class: Class,
    /// Who found it.
    pub detector: Detector,
    /// The first byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
}
