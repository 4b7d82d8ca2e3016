//! Where a policy's text came from, and how a fault in it is shown: file, line, column and a caret.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A YAML text with the name people know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What messages print: a path, or `builtin:NAME`.
    pub name: String,
    /// The file it was read from; `None` for embedded text.
    pub path: Option<PathBuf>,
    /// The whole text.
    pub text: Arc<str>,
}

/// A place in a [`Source`]. Lines and columns count from 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The source's name.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// One fault in a source. `Display` prints `file:line:col: message`, then the line and a caret below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub at: Location,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// The source line, for the caret.
    pub line_text: String,
    /// A command or change that helps, where there is one.
    pub hint: Option<String>,
}
