//! Where a policy's text came from, and how a fault in it is shown: file, line, column and a caret.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest text that is read, in bytes: far above any real policy, far below what could hurt.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// The longest source line that a diagnostic shows, in characters; longer ones are cut around the caret.
const MAX_SHOWN: usize = 160;

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

impl Source {
    /// A text that came from no file.
    pub fn text(name: impl Into<String>, text: &str) -> Source {
        Source {
            name: name.into(),
            path: None,
            text: text.into(),
        }
    }

    /// An embedded policy.
    pub fn builtin(name: &str, text: &str) -> Source {
        Source::text(format!("{BUILTIN_PREFIX}{name}"), text)
    }

    /// Read a file of at most [`MAX_TEXT_BYTES`]. Nothing about its owner is checked here.
    ///
    /// # Errors
    /// The file cannot be read, is too long, or is not UTF-8.
    pub fn read(path: &Path) -> std::io::Result<Source> {
        Self::read_from(path, std::fs::File::open(path)?)
    }

    /// As [`Source::read`], from a file that is already open (and whose owner was looked at).
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_from(path: &Path, file: std::fs::File) -> std::io::Result<Source> {
        let mut bytes = Vec::new();
        file.take(MAX_TEXT_BYTES as u64 + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() > MAX_TEXT_BYTES {
            return Err(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the file is longer than 1 MiB",
            ));
        }
        let text = String::from_utf8(bytes).map_err(|_| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "the file is not UTF-8 text",
            )
        })?;
        Ok(Source {
            name: path.display().to_string(),
            path: Some(path.to_owned()),
            text: text.into(),
        })
    }

    /// A fault at `at`, with the source line for the caret.
    pub(crate) fn fault(&self, at: Location, message: impl Into<String>) -> Box<Diagnostic> {
        let line_text = self
            .text
            .lines()
            .nth((at.line as usize).saturating_sub(1))
            .unwrap_or_default()
            .to_owned();
        Box::new(Diagnostic {
            at,
            message: message.into(),
            line_text,
            hint: None,
        })
    }
}

/// What the names of embedded sources begin with.
pub const BUILTIN_PREFIX: &str = "builtin:";

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

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

impl Diagnostic {
    /// The same fault with a hint.
    #[must_use]
    pub fn with_hint(mut self: Box<Self>, hint: impl Into<String>) -> Box<Self> {
        self.hint = Some(hint.into());
        self
    }

    /// The fault on one line: `file:line:col: message (hint)`, for places that show one line only.
    pub fn one_line(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}: {} ({hint})", self.at, self.message),
            None => format!("{}: {}", self.at, self.message),
        }
    }

    /// The shown part of the line and the caret's offset in it; control characters become `?`.
    fn window(&self) -> (String, usize) {
        let column = (self.at.column as usize).saturating_sub(1);
        let start = if column >= MAX_SHOWN {
            column - MAX_SHOWN / 2
        } else {
            0
        };
        let shown: String = self
            .line_text
            .chars()
            .skip(start)
            .take(MAX_SHOWN)
            .map(|c| {
                if c == '\t' {
                    ' '
                } else if c.is_control() {
                    '?'
                } else {
                    c
                }
            })
            .collect();
        (shown, column - start)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shown, caret) = self.window();
        let number = self.at.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{}: {}", self.at, self.message)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {shown}")?;
        write!(f, "{gutter} | {}^", " ".repeat(caret))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n{gutter} = hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_its_line_and_a_caret() {
        let source = Source::text("p.yaml", "version: 1\nlandlok: {}\n");
        let at = Location {
            file: "p.yaml".into(),
            line: 2,
            column: 1,
        };
        let fault = source
            .fault(at, "unknown key `landlok`")
            .with_hint("did you mean `landlock`?");
        assert_eq!(
            fault.to_string(),
            "p.yaml:2:1: unknown key `landlok`\n  |\n2 | landlok: {}\n  | ^\n  = hint: did you mean `landlock`?"
        );
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_caret() {
        let source = Source::text("p.yaml", &"x".repeat(5000));
        let at = Location {
            file: "p.yaml".into(),
            line: 1,
            column: 4000,
        };
        let shown = source.fault(at, "m").to_string();
        assert!(shown.lines().all(|line| line.len() < 200));
        assert!(shown.ends_with('^'));
    }
}
