//! The log that engines read: one line an event, and exactly one `error` line, a whole sentence, for a failed command.
//!
//! containerd shows its user the `msg` of the last `error` line of this file, so nothing else may write to it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::Serialize;

/// Shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// `time="…" level=error msg="…"`
    #[default]
    Text,
    /// `{"level":"error","msg":"…","time":"…"}`
    Json,
}

/// The log of one command.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<File>,
    format: Format,
    debug: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

#[derive(Serialize)]
struct Line<'a> {
    level: Level,
    msg: &'a str,
    time: String,
}

impl Log {
    /// Open the log; without a path only standard error is written.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(path: Option<&Path>, format: Format, debug: bool) -> std::io::Result<Log> {
        let file = path
            .map(|path| OpenOptions::new().append(true).create(true).open(path))
            .transpose()?;
        Ok(Log {
            file,
            format,
            debug,
        })
    }

    /// The one sentence of a failed command: to the log, which the engine shows to its user, or, without one, to
    /// standard error. Never to both: with an engine that shows both, its user would read it twice.
    pub fn error(&self, sentence: &str) {
        if self.file.is_some() {
            self.write(Level::Error, sentence);
            return;
        }
        say(sentence);
    }

    /// The same to standard error beside the log: of a failed `update` engines show that, and do not look into the log.
    pub fn aloud(&self, sentence: &str) {
        if self.file.is_some() {
            say(sentence);
        }
    }

    /// Something a person should know, that did not stop the command.
    pub fn warning(&self, sentence: &str) {
        self.write(Level::Warning, sentence);
    }

    /// A decision worth keeping: which policy, which relaxation.
    pub fn info(&self, sentence: &str) {
        self.write(Level::Info, sentence);
    }

    /// Only with `--debug`.
    pub fn debug(&self, sentence: &str) {
        if self.debug {
            self.write(Level::Debug, sentence);
        }
    }

    fn write(&self, level: Level, message: &str) {
        let Some(mut file) = self.file.as_ref() else {
            return;
        };
        let line = line(self.format, level, message, &now());
        // A full disk must not turn a good command into a failed one.
        file.write_all(line.as_bytes()).ok();
    }
}

/// The time as RFC 3339.
#[must_use]
pub fn now() -> String {
    jiff::Timestamp::now().to_string()
}

fn line(format: Format, level: Level, message: &str, time: &str) -> String {
    let line = Line {
        level,
        msg: message,
        time: time.to_owned(),
    };
    match format {
        Format::Json => serde_json::to_string(&line).unwrap_or_default() + "\n",
        Format::Text => {
            let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
            let level = format!("{level:?}").to_lowercase();
            format!(
                "time={} level={level} msg={}\n",
                quoted(time),
                quoted(message)
            )
        }
    }
}

fn say(sentence: &str) {
    // There is nobody left to tell when standard error is closed.
    writeln!(std::io::stderr(), "nemoclaw-runtime: {sentence}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-01-02T03:04:05Z";

    #[test]
    fn a_json_line_has_exactly_the_keys_that_containerd_reads() {
        let text = line(Format::Json, Level::Error, "no \"such\" policy", TIME);
        assert_eq!(
            text,
            "{\"level\":\"error\",\"msg\":\"no \\\"such\\\" policy\",\"time\":\"2026-01-02T03:04:05Z\"}\n"
        );
    }

    #[test]
    fn a_text_line_has_the_usual_shape() {
        let text = line(Format::Text, Level::Warning, "one line\nonly", TIME);
        assert_eq!(
            text,
            "time=\"2026-01-02T03:04:05Z\" level=warning msg=\"one line\\nonly\"\n"
        );
    }
}
