//! One entry of `providers.yaml` written, replaced or taken out. All other lines stay as they are, comments too.
//!
//! The text is cut by lines at the places that the strict reader tells, and what comes of it is read again: where
//! anything but the one entry has changed, nothing is written.

use nemoclaw_policy::Source;
use nemoclaw_policy::provider::{Provider, Providers};

/// What a file begins with.
const HEAD: &str = "# The node's providers: whose credentials there are and where each may be sent. The secrets lie elsewhere.\nversion: 1\n";

/// Why a text is not edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It is faulty already, or the entry is.
    #[error("{0}")]
    Fault(String),
    /// It is written in a form that lines cannot be cut of.
    #[error(
        "the providers are written in a form that this command cannot edit: each entry must begin on a line of its own below `providers:`"
    )]
    Form,
}

/// `text` with the entry `name` as `block` says: lines without indentation, the first being `NAME:`.
///
/// # Errors
/// The text or the block is faulty, or it is written in another form.
pub fn set(text: &str, name: &str, block: &str) -> Result<String, EditError> {
    let text = if text.trim().is_empty() { HEAD } else { text };
    let before = read(text)?;
    let new = match before.named(name) {
        Some(entry) => {
            let (start, end) = lines_of(text, entry)?;
            let indent = (entry.at.column as usize).saturating_sub(1);
            spliced(text, start, end, &indented(block, indent))
        }
        None => appended(text, &before, block)?,
    };
    checked(new, &before, name)
}

/// `text` without the entry `name`.
///
/// # Errors
/// The text is faulty, or written in another form.
pub fn remove(text: &str, name: &str) -> Result<String, EditError> {
    let before = read(text)?;
    let Some(entry) = before.named(name) else {
        return Ok(text.to_owned());
    };
    let (start, end) = lines_of(text, entry)?;
    let mut new = spliced(text, start, end, "");
    if before.entries.len() == 1 {
        // A key without a value is no mapping.
        let line = providers_line(&new).ok_or(EditError::Form)?;
        new = spliced(&new, line, line + 1, "");
    }
    checked(new, &before, name)
}

fn read(text: &str) -> Result<Providers, EditError> {
    Providers::parse(&Source::text("providers.yaml", text))
        .map_err(|fault| EditError::Fault(fault.to_string()))
}

/// Only `name` may differ.
fn checked(new: String, before: &Providers, name: &str) -> Result<String, EditError> {
    let after = read(&new)?;
    let others = |providers: &Providers| -> Vec<Provider> {
        let others = providers
            .entries
            .iter()
            .filter(|entry| &*entry.name != name);
        others.cloned().collect()
    };
    if others(&after) == others(before) {
        Ok(new)
    } else {
        Err(EditError::Form)
    }
}

/// The entry's lines, from 0: its key's, and those below it that stand deeper.
fn lines_of(text: &str, entry: &Provider) -> Result<(usize, usize), EditError> {
    let start = (entry.at.line as usize).saturating_sub(1);
    let column = (entry.at.column as usize).saturating_sub(1);
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.get(start).ok_or(EditError::Form)?;
    if first.len() - first.trim_start().len() != column {
        return Err(EditError::Form);
    }
    let mut end = start + 1;
    for (index, line) in lines.iter().enumerate().skip(start + 1) {
        let bare = line.trim_start();
        let deeper = line.len() - bare.len() > column;
        if deeper && !bare.is_empty() {
            end = index + 1;
        } else if !bare.is_empty() {
            break;
        }
    }
    Ok((start, end))
}

fn appended(text: &str, before: &Providers, block: &str) -> Result<String, EditError> {
    if let Some(last) = before.entries.last() {
        let (_, end) = lines_of(text, last)?;
        let indent = (last.at.column as usize).saturating_sub(1);
        return Ok(spliced(text, end, end, &indented(block, indent)));
    }
    let added = format!("providers:\n{}", indented(block, 2));
    Ok(match providers_line(text) {
        Some(line) => spliced(text, line, line + 1, &added),
        None => spliced(text, usize::MAX, usize::MAX, &added),
    })
}

/// The line of a `providers` that holds nothing.
fn providers_line(text: &str) -> Option<usize> {
    text.lines().position(|line| {
        line.strip_prefix("providers:").is_some_and(|rest| {
            let rest = rest.split(" #").next().unwrap_or_default().trim();
            matches!(rest, "" | "{}")
        })
    })
}

/// The lines from `start` to `end` replaced.
fn spliced(text: &str, start: usize, end: usize, new: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (start, end) = (start.min(lines.len()), end.min(lines.len()));
    let mut out: String = lines[..start].concat();
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(new);
    out.extend(lines[end..].iter().copied());
    out
}

fn indented(block: &str, indent: usize) -> String {
    let pad = " ".repeat(indent);
    block.lines().map(|line| format!("{pad}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "b:\n  type: gitlab\n  file: /b\n";
    const TEXT: &str = "# mine\nversion: 1\nproviders:   # all of them\n    # the first\n    a: { type: github, file: /a }   # kept\n\n    c:\n        # inside c\n        type: huggingface\n        file: /c   # here\n    # the end\n";

    #[test]
    fn an_entry_is_added_and_taken_out_and_every_byte_comes_back() {
        let added = set(TEXT, "b", BLOCK).expect("added");
        assert!(added.contains("        file: /c   # here\n    b:\n      type: gitlab\n      file: /b\n    # the end\n"), "{added}");
        assert_eq!(remove(&added, "b").expect("removed"), TEXT);
        assert_eq!(remove(TEXT, "none").expect("nothing"), TEXT);
    }

    #[test]
    fn an_entry_is_replaced_and_the_others_keep_their_comments() {
        let new = set(TEXT, "c", "c:\n  type: gitlab\n  file: /d\n").expect("replaced");
        assert!(new.contains("# the first\n    a: { type: github, file: /a }   # kept\n\n    c:\n      type: gitlab\n"), "{new}");
        assert!(new.ends_with("      file: /d\n    # the end\n"), "{new}");
        let new = remove(TEXT, "a").expect("removed");
        assert!(new.contains("# the first\n\n    c:\n"), "{new}");
    }

    #[test]
    fn an_empty_file_is_begun_and_an_empty_list_is_left() {
        for text in [
            "",
            "version: 1\n",
            "version: 1\nproviders: {}\n",
            "version: 1\nproviders: {} # none",
        ] {
            let added = set(text, "b", BLOCK).expect(text);
            assert_eq!(read(&added).expect("read").entries.len(), 1, "{added}");
            let removed = remove(&added, "b").expect("removed");
            assert!(
                read(&removed).expect("read").entries.is_empty(),
                "{removed}"
            );
        }
    }

    #[test]
    fn what_cannot_be_cut_or_is_faulty_is_not_written() {
        let flow = "version: 1\nproviders: { a: { type: github, file: /a } }\n";
        assert!(matches!(set(flow, "b", BLOCK), Err(EditError::Form)));
        assert!(matches!(remove(flow, "a"), Err(EditError::Form)));
        assert!(matches!(
            set("version: 2\n", "b", BLOCK),
            Err(EditError::Fault(_))
        ));
        assert!(matches!(
            set(TEXT, "b", "b:\n  type: nothing\n"),
            Err(EditError::Fault(_))
        ));
        assert!(
            matches!(
                set(TEXT, "b", "b:\n  type: github\n  file: /b\n"),
                Err(EditError::Fault(_))
            ),
            "the same variable"
        );
    }
}
