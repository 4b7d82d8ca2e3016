//! `policy list`: the policies and presets there are.

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::{Source, builtin};
use serde::Serialize;

use crate::args::Format;
use crate::node::Node;
use crate::printer::{Printer, plain, table};

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    /// `policy` or `preset`.
    kind: &'static str,
    /// The file, or `embedded`.
    from: String,
    /// Its first comment.
    about: String,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    policies: Vec<Line>,
}

/// Run it.
pub fn run(config: Option<&Path>, output: Format, printer: Printer) -> anyhow::Result<ExitCode> {
    let node = Node::load(config)?;
    let mut lines = files(&node.config.policy_dir);
    let embedded =
        |kind, names: &'static [&'static str], text: fn(&str) -> Option<&'static str>| {
            names.iter().map(move |name| Line {
                name: (*name).to_owned(),
                kind,
                from: "embedded".to_owned(),
                about: about(text(name).unwrap_or_default(), name),
            })
        };
    // A file of the same name stands before an embedded policy.
    let own: Vec<String> = lines.iter().map(|line| line.name.clone()).collect();
    lines.extend(
        embedded("policy", builtin::policy_names(), builtin::policy)
            .filter(|line| !own.contains(&line.name)),
    );
    lines.extend(embedded("preset", builtin::preset_names(), builtin::preset));
    if output == Format::Json {
        printer.json(&Document {
            version: 1,
            policies: lines,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![
        ["NAME", "KIND", "FROM", "ABOUT"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for line in lines {
        rows.push(vec![
            plain(&line.name),
            line.kind.to_owned(),
            plain(&line.from),
            plain(&line.about),
        ]);
    }
    printer.data(table(&rows))?;
    Ok(ExitCode::SUCCESS)
}

/// The node's own policies. A directory that is not there has none.
fn files(directory: &Path) -> Vec<Line> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut lines: Vec<Line> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let name = entry.file_name().into_string().ok()?;
            let name = name.strip_suffix(".yaml")?.to_owned();
            let text = Source::read(&path).map(|source| about(&source.text, &name));
            Some(Line {
                about: text.unwrap_or_else(|error| format!("cannot be read: {error}")),
                name,
                kind: "policy",
                from: path.display().to_string(),
            })
        })
        .collect();
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines
}

/// The first comment that is no editor's mark, without the policy's own name before it.
fn about(text: &str, name: &str) -> String {
    let comments = text.lines().filter_map(|line| line.strip_prefix('#'));
    let first = comments
        .map(str::trim)
        .find(|comment| !comment.is_empty() && !comment.starts_with("yaml-language-server"))
        .unwrap_or_default();
    let own = first
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix(':'));
    own.unwrap_or(first).trim().to_owned()
}
