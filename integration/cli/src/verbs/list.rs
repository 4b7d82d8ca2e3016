//! `list`: every sandbox known here, of the direct engine and of others.

use std::process::ExitCode;

use nemoclaw_api::BoxStatus;
use serde::Serialize;

use crate::args::{Format, Output};
use crate::direct::boxes::{self, Sandbox, State};
use crate::node::Node;
use crate::printer::{Printer, table};
use crate::verbs::router;

/// Characters of a long container id that are shown.
const SHORT: usize = 12;

/// One line.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    engine: &'static str,
    state: String,
    pid: Option<i32>,
    exit_code: Option<u8>,
    policy: Option<String>,
    generation: Option<u64>,
    created: String,
    command: Vec<String>,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    sandboxes: Vec<Line>,
}

/// Run it.
pub fn run(node: &Node, args: &Output, printer: Printer) -> anyhow::Result<ExitCode> {
    // Without a router there are no other engines' sandboxes, and nothing is wrong with that here.
    let routed = router::boxes(node).unwrap_or_default();
    let names = boxes::names(node)?;
    let mut lines = Vec::new();
    for name in &names {
        lines.push(direct(&Sandbox::new(node, name), &routed)?);
    }
    lines.extend(
        routed
            .iter()
            .filter(|one| !names.contains(&one.sandbox))
            .map(other),
    );
    match args.output {
        Format::Json => printer.json(&Document {
            version: 1,
            sandboxes: lines,
        })?,
        Format::Text => printer.data(text(&lines))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn direct(sandbox: &Sandbox, routed: &[BoxStatus]) -> anyhow::Result<Line> {
    let state = sandbox.state()?;
    let seen = routed.iter().find(|one| one.sandbox == sandbox.name);
    // A sandbox whose making broke off has no record; it is listed so that it can be removed.
    let record = sandbox.record().ok();
    let policy = seen
        .map(|one| one.policies.join(" & "))
        .or_else(|| record.as_ref().and_then(|one| one.policy.clone()));
    Ok(Line {
        name: sandbox.name.clone(),
        engine: "direct",
        pid: if let State::Running(process) = &state {
            Some(process.pid)
        } else {
            None
        },
        exit_code: if let State::Stopped(code) = &state {
            Some(*code)
        } else {
            None
        },
        state: state.word().to_owned(),
        policy,
        generation: seen.map(|one| one.generation),
        created: record
            .as_ref()
            .map(|one| one.created.clone())
            .unwrap_or_default(),
        command: record.map(|one| one.command).unwrap_or_default(),
    })
}

fn other(one: &BoxStatus) -> Line {
    Line {
        name: one.sandbox.clone(),
        engine: "other",
        state: "running".to_owned(),
        pid: Some(one.pid),
        exit_code: None,
        policy: Some(one.policies.join(" & ")),
        generation: Some(one.generation),
        created: one.since.clone(),
        command: Vec::new(),
    }
}

fn text(lines: &[Line]) -> String {
    let header = [
        "NAME", "ENGINE", "STATE", "PID", "POLICY", "CREATED", "COMMAND",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for line in lines {
        let state = line.exit_code.map_or_else(
            || line.state.clone(),
            |code| format!("{} ({code})", line.state),
        );
        let name: String = if line.engine == "direct" {
            line.name.clone()
        } else {
            line.name.chars().take(SHORT).collect()
        };
        let command: String = line
            .command
            .join(" ")
            .replace('\n', " ")
            .chars()
            .take(40)
            .collect();
        rows.push(vec![
            name,
            line.engine.to_owned(),
            state,
            line.pid
                .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            line.policy.clone().unwrap_or_else(|| "-".to_owned()),
            line.created.clone(),
            command,
        ]);
    }
    table(&rows)
}
