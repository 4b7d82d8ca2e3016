//! `doctor`: what this machine has of what sandboxes need, each with the command that helps.

mod checks;
mod devices;
mod wsl;

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use crate::args::{Format, Output};
use crate::node::Node;
use crate::printer::{Printer, Tone};

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Sandboxes run, with something less.
    Warning,
    /// Sandboxes do not run.
    Failed,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// A stable key.
    pub name: &'static str,
    /// How it went.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// The command or change that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            level: Level::Ok,
            found: found.into(),
            help: None,
        }
    }

    fn warning(name: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            name,
            level: Level::Warning,
            found: found.into(),
            help: Some(help.into()),
        }
    }

    fn failed(name: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            name,
            level: Level::Failed,
            found: found.into(),
            help: Some(help.into()),
        }
    }
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document {
    version: u32,
    ok: bool,
    checks: Vec<Check>,
    /// What the node's CDI files offer; absent where the runtime does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<devices::Survey>,
}

/// Run it.
pub fn run(config: Option<&Path>, args: &Output, printer: Printer) -> anyhow::Result<ExitCode> {
    let mut checks = checks::all(config);
    let mut devices = None;
    // A fault in the configuration is told by a check of its own.
    if let Ok(node) = Node::load(config) {
        let survey = devices::survey(&node);
        checks.extend(devices::checks(&survey));
        devices = survey.ok();
    }
    let ok = checks.iter().all(|check| check.level != Level::Failed);
    match args.output {
        Format::Json => printer.json(&Document {
            version: 1,
            ok,
            checks,
            devices,
        })?,
        Format::Text => {
            for check in &checks {
                let (tone, word) = match check.level {
                    Level::Ok => (Tone::Good, "ok"),
                    Level::Warning => (Tone::Warning, "warning"),
                    Level::Failed => (Tone::Bad, "failed"),
                };
                let word = printer.paint(tone, &format!("{word:<8}"));
                printer.data(format_args!("{word} {:<11} {}", check.name, check.found))?;
                if let Some(help) = &check.help {
                    printer.data(format_args!(
                        "{:<21}{}",
                        "",
                        printer.paint(Tone::Hint, help)
                    ))?;
                }
            }
        }
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
