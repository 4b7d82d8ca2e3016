//! A command line that is wrong: the engine shows its user the log, so the log must say why.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::log::Format;

/// The options before the verb that take a value.
const WITH_VALUE: [&str; 5] = ["--root", "--log", "--log-format", "--policy", "--config"];

/// `--log` and `--log-format` of a command line that could not be read as a whole. Only before the verb: what follows
/// may be a program's own.
#[must_use]
pub fn log_options(arguments: &[OsString]) -> (Option<PathBuf>, Format) {
    let (mut path, mut format) = (None, Format::default());
    let mut rest = arguments.iter().skip(1);
    while let Some(word) = rest.next() {
        let text = word.to_string_lossy();
        if !text.starts_with("--") || text == "--" {
            break;
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
            None if WITH_VALUE.contains(&&*text) => (text.to_string(), rest.next().cloned()),
            None => continue,
        };
        match (name.as_str(), value) {
            ("--log", Some(value)) => path = Some(PathBuf::from(value)),
            ("--log-format", Some(value)) => {
                format = Format::from_str(&value.to_string_lossy(), false).unwrap_or(format);
            }
            _ => {}
        }
    }
    (path, format)
}

/// What is wrong, in one line.
#[must_use]
pub fn usage_sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let what: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let what = what.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    format!("{what}: see `nemoclaw-runtime --help`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> (Option<PathBuf>, Format) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        log_options(&words)
    }

    #[test]
    fn the_log_is_found_before_the_verb_only() {
        let json = (Some(PathBuf::from("/l")), Format::Json);
        assert_eq!(
            options("r --debug --root /r --log /l --log-format json create --nope"),
            json
        );
        assert_eq!(options("r --log=/l --log-format=json x"), json);
        assert_eq!(options("r --root --log exec i p --log /l").0, None);
        assert_eq!(options("r exec i p --log /l").0, None);
        assert_eq!(options("r --log").0, None);
    }
}
