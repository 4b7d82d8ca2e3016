//! Texts in a body: which there are, where they stand, and what they are for.

pub(crate) mod image;
mod vocabulary;
mod walk;
mod words;

use std::fmt;

pub(crate) use vocabulary::known_otherwise_spelt;
pub(crate) use walk::Walk;

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// What the operator of the agent says: system, developer, instructions.
    Instruction,
    /// What the user says: also prompts and texts to embed.
    User,
    /// What a model said or says.
    Assistant,
    /// What a model thought.
    Reasoning,
    /// A tool's answer.
    ToolResult,
    /// A value in a tool call's arguments, decoded.
    ToolCall,
    /// Names, descriptions and schemas of tools, and of wanted answers.
    Tool,
    /// An address of something that the server is to fetch.
    Url,
    /// A file's bytes: base64, or a `data:` URL of anything but an image.
    File,
    /// A name that a server or a client made up: ids, signatures, encrypted reasoning. Replacing it breaks the call. Also a
    /// number of seven digits or more where an interface defines one: that cannot be replaced.
    Handle,
    /// A key of an object that no interface defines. It cannot be replaced: an answer to it is not used.
    Key,
    /// A number of seven digits or more that no interface defines. What takes its place becomes a text, unless it is a number.
    Number,
    /// Anything else: metadata, stop words, members that no interface defines.
    Other,
}

impl Kind {
    /// Whether nothing can take a text's place: who reads it would not know what is meant.
    #[must_use]
    pub fn is_fixed(self) -> bool {
        matches!(self, Self::Key | Self::Handle)
    }
}

/// A text that a visitor is shown.
#[derive(Debug, Clone, Copy)]
pub struct Leaf<'a> {
    /// What it is for.
    pub kind: Kind,
    /// The name it goes by: the nearest key above it. It may be the user's own word.
    pub name: &'a str,
    /// Where it stands.
    pub place: Place<'a>,
}

/// Where something stands in a body, as a path. Keys that no interface defines are printed as `*`: they are the user's.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Top,
    Key(&'a str),
    Index(usize),
}

impl<'a> Place<'a> {
    pub(crate) const TOP: Place<'static> = Place {
        above: None,
        step: Step::Top,
    };

    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Place {
            above: Some(self),
            step: Step::Key(key),
        }
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Place {
            above: Some(self),
            step: Step::Index(index),
        }
    }

    /// Whether it is this member of the body itself.
    fn is_top(&self, key: &str) -> bool {
        matches!((self.step, self.above), (Step::Key(name), Some(above)) if name == key && above.above.is_none())
    }

    fn name(&self) -> &'a str {
        match (self.step, self.above) {
            (Step::Key(key), _) => key,
            (_, Some(above)) => above.name(),
            (_, None) => "",
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(above) = self.above {
            above.fmt(f)?;
        }
        let dot = if self.above.is_some_and(|above| above.above.is_some()) {
            "."
        } else {
            ""
        };
        match self.step {
            Step::Top => Ok(()),
            Step::Key(key) if vocabulary::is_known(key) => write!(f, "{dot}{key}"),
            Step::Key(_) => write!(f, "{dot}*"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
