//! The one way to the terminal: data on stdout, talk on stderr.

use std::io::{IsTerminal, Write};

use serde::Serialize;

/// Colours of talk; meaning never hangs on them.
#[derive(Debug, Clone, Copy)]
pub enum Tone {
    /// Done.
    Good,
    /// A warning.
    Warning,
    /// An error.
    Bad,
    /// A hint or a path.
    Hint,
}

/// Where output goes.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    colour: bool,
}

impl Printer {
    /// Colours only on a terminal, and never with `NO_COLOR`.
    pub fn new() -> Self {
        Self {
            colour: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// A line of data.
    pub fn data(self, line: impl std::fmt::Display) -> std::io::Result<()> {
        writeln!(std::io::stdout().lock(), "{line}")
    }

    /// A value as data.
    pub fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        Ok(self.data(text)?)
    }

    /// Bytes as data, unchanged.
    pub fn bytes(self, bytes: &[u8]) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Bytes as talk, unchanged.
    pub fn talk_bytes(self, bytes: &[u8]) -> std::io::Result<()> {
        std::io::stderr().lock().write_all(bytes)
    }

    /// A line of talk.
    pub fn note(self, line: impl std::fmt::Display) {
        // Nobody can be told that stderr is closed.
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// A labelled line of talk: `warning: …`.
    pub fn labelled(self, tone: Tone, label: &str, line: impl std::fmt::Display) {
        self.note(format_args!("{}: {line}", self.paint(tone, label)));
    }

    /// Coloured text, or the text.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Warning => 33,
            Tone::Bad => 31,
            Tone::Hint => 36,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A text that others chose, without anything that a terminal would obey.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Columns wide enough for their cells, two spaces between, no padding at the end of a line.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["NAME".to_owned(), "STATE".to_owned()],
            vec!["worker".to_owned(), "up".to_owned()],
        ];
        assert_eq!(table(&rows), "NAME    STATE\nworker  up");
    }
}
