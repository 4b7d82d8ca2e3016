//! Why a file cannot be edited: always with the place, where there is one.

use std::ops::Range;
use std::path::PathBuf;

/// Why a file cannot be edited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Not the language of the file.
    #[error("{message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        message: String,
    },
    /// The right language, and not what the engine reads.
    #[error("`{key}` is no {expected}")]
    Shape {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A layout of a later engine.
    #[error("`version = {version}` is newer than this command knows (it knows 1, 2 and 3)")]
    Version {
        /// Where.
        place: Place,
        /// The version.
        version: i64,
    },
    /// The engine would not start.
    #[error("`{key}` is `{name}`, and the engine would not start without it")]
    IsDefault {
        /// The key.
        key: &'static str,
        /// The runtime.
        name: String,
    },
    /// Somebody else's runtime has the name.
    #[error("there is a runtime `{name}` already, with the program `{}`", program.display())]
    Foreign {
        /// The name.
        name: String,
        /// Its program.
        program: PathBuf,
    },
    /// A path that is no text.
    #[error("the path `{}` is not UTF-8, and the file cannot hold it", .0.display())]
    Path(PathBuf),
}

impl EditError {
    /// Where in the file, if it is about a place.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Syntax { place, .. }
            | Self::Shape { place, .. }
            | Self::Version { place, .. } => Some(*place),
            Self::IsDefault { .. } | Self::Foreign { .. } | Self::Path(_) => None,
        }
    }
}

/// Line and column, both from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    line: usize,
    column: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Place {
    /// The place of a byte of `text`.
    pub fn of(text: &str, byte: usize) -> Self {
        let mut end = byte.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The place where a span begins; the file's beginning without one.
    pub fn of_span(text: &str, span: Option<Range<usize>>) -> Self {
        Self::of(text, span.map_or(0, |span| span.start))
    }

    /// A parser's own count.
    pub fn at(line: usize, column: usize) -> Self {
        Self { line, column }
    }
}
