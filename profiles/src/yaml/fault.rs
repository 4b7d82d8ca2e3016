//! The parser's errors, told in our words.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::read::place;
use crate::source::{Diagnostic, Location, Source};

/// Turn a parser error into a diagnostic on its line.
pub(super) fn explain(source: &Source, error: &Error) -> Box<Diagnostic> {
    let error = error.without_snippet();
    let (line, column) = error.location().map_or((1, 1), place);
    let at = Location {
        file: source.name.as_str().into(),
        line,
        column,
    };
    let (message, hint) = words(error);
    let fault = source.fault(at, message);
    match hint {
        Some(hint) => fault.with_hint(hint),
        None => fault,
    }
}

fn words(error: &Error) -> (String, Option<&'static str>) {
    const STAR: &str = "a text that begins with `*` or `&` must stand in quotes: \"*.example.com\"";
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => (
            format!("the key `{key}` stands twice in this mapping"),
            None,
        ),
        Error::DuplicateMappingKey { .. } => ("a key stands twice in this mapping".into(), None),
        Error::MultipleDocuments { .. } => (
            "a second document begins here; one file holds one document".into(),
            None,
        ),
        Error::MergeKeyNotAllowed { .. } => ("merge keys (`<<`) are not allowed".into(), None),
        Error::UnknownAnchor { .. } => ("anchors and aliases are not allowed".into(), Some(STAR)),
        Error::AliasError { error, .. } => words(error),
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. } => {
                ("anchors and aliases are not allowed".into(), Some(STAR))
            }
            BudgetBreach::Depth { .. } => ("the text is nested too deeply".into(), None),
            BudgetBreach::Documents { .. } => (
                "a second document begins here; one file holds one document".into(),
                None,
            ),
            BudgetBreach::MergeKeys { .. } => ("merge keys (`<<`) are not allowed".into(), None),
            _ => ("the text is larger than any policy may be".into(), None),
        },
        Error::Eof { .. } => ("the text is empty".into(), None),
        other => (first_line(&other.to_string()), None),
    }
}

/// The parser's own words, without the place that it adds at the end (we print it in front).
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or("not YAML");
    let line = line.split(" at line ").next().unwrap_or(line);
    let line = line.strip_prefix("error: ").unwrap_or(line);
    line.trim_end_matches('.').to_owned()
}
