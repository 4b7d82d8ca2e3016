//! `policy show`: what is in force for sandboxes, or a policy's text.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nemoclaw_api::BoxStatus;
use nemoclaw_policy::handover::PolicyText;
use serde::Serialize;

use super::find::{self, Held, Subject};
use crate::args::Format;
use crate::node::{Node, require_root};
use crate::printer::{Printer, Tone, plain, table};
use crate::verbs::router;

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    sandboxes: Vec<Shown>,
}

/// The JSON output of one policy.
#[derive(Debug, Serialize)]
struct One<'a> {
    version: u32,
    policy: &'a str,
    text: &'a str,
}

/// One sandbox.
#[derive(Debug, Serialize)]
struct Shown {
    name: String,
    /// `null` where the router does not answer.
    generation: Option<u64>,
    /// Why the last change was refused.
    fault: Option<String>,
    policies: Vec<InForce>,
}

/// One of its policies.
#[derive(Debug, Serialize)]
struct InForce {
    name: String,
    path: Option<PathBuf>,
    /// Whether the file on disk is another.
    differs: bool,
    text: String,
}

/// Run it.
pub fn run(
    config: Option<&Path>,
    given: Option<&str>,
    output: Format,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let Some(given) = given else {
        return all(&Node::load(config)?, output, printer);
    };
    match Subject::find(config, given)? {
        Subject::Policy(source) if output == Format::Json => printer.json(&One {
            version: 1,
            policy: &source.name,
            text: &source.text,
        })?,
        Subject::Policy(source) => printer.bytes(source.text.as_bytes())?,
        Subject::Sandbox(held) => {
            let node = Node::load(config)?;
            let shown = look(held, &router::boxes(&node).unwrap_or_default());
            match output {
                Format::Json => printer.json(&Document {
                    version: 1,
                    sandboxes: vec![shown],
                })?,
                Format::Text => texts(&shown, printer)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Every sandbox.
fn all(node: &Node, output: Format, printer: Printer) -> anyhow::Result<ExitCode> {
    require_root("policy show")?;
    let asked = router::boxes(node);
    if let Err(error) = &asked {
        printer.labelled(Tone::Warning, "warning", error);
    }
    let boxes = asked.unwrap_or_default();
    let sandboxes = find::sandboxes(node)?
        .iter()
        .map(|name| Ok(look(find::held(node, name)?, &boxes)))
        .collect::<anyhow::Result<Vec<Shown>>>()?;
    match output {
        Format::Json => printer.json(&Document {
            version: 1,
            sandboxes,
        })?,
        Format::Text if sandboxes.is_empty() => printer.note("there is no sandbox"),
        Format::Text => printer.data(summary(&sandboxes))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn look(held: Held, boxes: &[BoxStatus]) -> Shown {
    let status = boxes.iter().find(|one| one.sandbox == held.name);
    Shown {
        generation: status.map(|one| one.generation),
        fault: status.and_then(|one| one.fault.clone()),
        policies: held.texts.into_iter().map(in_force).collect(),
        name: held.name,
    }
}

fn in_force(text: PolicyText) -> InForce {
    let on_disk = |path: &PathBuf| find::read(path).map(|source| source.text);
    InForce {
        differs: text
            .path
            .as_ref()
            .is_some_and(|path| on_disk(path).map_or(true, |disk| *disk != *text.text)),
        name: text.name,
        path: text.path,
        text: text.text,
    }
}

fn summary(sandboxes: &[Shown]) -> String {
    let header = ["SANDBOX", "GENERATION", "POLICY", "STATE"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for one in sandboxes {
        let names: Vec<String> = one
            .policies
            .iter()
            .map(|policy| plain(&policy.name))
            .collect();
        let state = match &one.fault {
            Some(fault) => plain(fault.lines().next().unwrap_or_default()),
            None if one.policies.iter().any(|policy| policy.differs) => {
                "differs from disk".to_owned()
            }
            None => "as on disk".to_owned(),
        };
        rows.push(vec![
            plain(&one.name),
            one.generation
                .map_or_else(|| "-".to_owned(), |number| number.to_string()),
            names.join(" & "),
            state,
        ]);
    }
    table(&rows)
}

fn texts(shown: &Shown, printer: Printer) -> anyhow::Result<()> {
    for policy in &shown.policies {
        let path = policy.path.as_ref();
        let place = path.map_or_else(
            || "embedded".to_owned(),
            |path| plain(&path.display().to_string()),
        );
        let generation = shown
            .generation
            .map(|number| format!(", generation {number}"))
            .unwrap_or_default();
        let differs = if policy.differs {
            " (differs from disk)"
        } else {
            ""
        };
        printer.data(format_args!(
            "# ==> {}: {place}{generation}{differs}",
            plain(&policy.name)
        ))?;
        printer.data(policy.text.trim_end_matches('\n'))?;
    }
    if let Some(fault) = &shown.fault {
        printer.labelled(Tone::Warning, "warning", "the last change was refused:");
        for line in fault.lines() {
            printer.note(plain(line));
        }
    }
    Ok(())
}
