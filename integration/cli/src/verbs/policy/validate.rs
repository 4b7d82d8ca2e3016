//! `policy validate`: the first fault, or what a person should know about a sound policy.

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_policy::Policy;
use nemoclaw_policy::policy::{Authority, Endpoint, Protocol, Tls};
use serde::Serialize;

use super::find;
use crate::args::Format;
use crate::printer::{Printer, Tone};

/// The JSON output.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    policy: &'a str,
    entries: usize,
    warnings: &'a [String],
}

/// Run it.
pub fn run(
    config: Option<&Path>,
    given: &str,
    output: Format,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let source = find::policy(config, given)?;
    let (policy, told) = find::load_as(&source, Authority::Operator)?;
    let mut warnings: Vec<String> = told.iter().map(|one| one.one_line()).collect();
    warnings.extend(unseen(&policy));
    let entries = policy.network.iter().map(|layer| layer.entries.len()).sum();
    if output == Format::Json {
        printer.json(&Document {
            version: 1,
            policy: &source.name,
            entries,
            warnings: &warnings,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    for warning in &warnings {
        printer.labelled(Tone::Warning, "warning", warning);
    }
    printer.labelled(
        Tone::Good,
        "valid",
        format_args!("policy `{given}`, {entries} network entries"),
    );
    Ok(ExitCode::SUCCESS)
}

/// Endpoints whose TLS is not opened.
fn unseen(policy: &Policy) -> Vec<String> {
    let entries = policy.network.iter().flat_map(|layer| &layer.entries);
    let blind = |endpoint: &&Endpoint| {
        endpoint.tls == Tls::Skip
            || (endpoint.protocol == Protocol::Tcp && endpoint.ports.contains(&443))
    };
    let words = |endpoint: &Endpoint| {
        format!(
            "{}: TLS to `{}` is passed through unopened: the `Host` inside cannot be seen, so every site behind the same server may be reached",
            endpoint.place(),
            endpoint.host
        )
    };
    entries
        .flat_map(|entry| &entry.endpoints)
        .filter(blind)
        .map(words)
        .collect()
}
