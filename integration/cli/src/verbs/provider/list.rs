//! `provider list`: whose credentials there are, and which models.

use std::process::ExitCode;

use nemoclaw_policy::provider::{Provider, Serving};
use serde::Serialize;

use super::entries;
use crate::args::Format;
use crate::models::servers::base_words;
use crate::node::Node;
use crate::printer::{Printer, Tone, plain, table};
use crate::verbs::router;

/// Names of models in a cell.
const SHOWN: usize = 3;

/// One provider for programs.
#[derive(Serialize)]
struct Row {
    name: String,
    r#type: String,
    hosts: Vec<String>,
    env: Vec<String>,
    /// Whether the router holds its credential; `null` where it does not run, or there is none.
    held: Option<bool>,
    /// Whether it has one.
    credential: bool,
    /// What it serves; `null` where it is no model server.
    serving: Option<Served>,
}

#[derive(Serialize)]
struct Served {
    base_url: String,
    protocol: &'static str,
    models: Vec<String>,
    clearance: &'static str,
    residency: Option<String>,
    local: bool,
}

impl Served {
    fn of(serving: &Serving) -> Served {
        Served {
            base_url: base_words(&serving.base),
            protocol: serving.dialect.word(),
            models: serving
                .models
                .iter()
                .map(|model| model.name.to_string())
                .collect(),
            clearance: serving.clearance.word(),
            residency: serving.residency.clone(),
            local: serving.local,
        }
    }
}

#[derive(Serialize)]
struct Listing {
    version: u32,
    providers: Vec<Row>,
    fault: Option<String>,
}

/// Run it.
pub fn run(node: &Node, output: Format, printer: Printer) -> anyhow::Result<ExitCode> {
    let status = router::status(node).ok();
    let held = status.as_ref().map(|status| status.providers.as_slice());
    let rows: Vec<Row> = entries(node)?
        .entries
        .iter()
        .map(|entry| row(entry, held))
        .collect();
    let fault = status.and_then(|status| status.providers_fault);
    if output == Format::Json {
        printer.json(&Listing {
            version: 1,
            providers: rows,
            fault,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        printer.note("no providers; `nemoclaw provider set` makes one");
    } else {
        printer.data(text(&rows))?;
    }
    if let Some(fault) = fault {
        printer.labelled(Tone::Warning, "warning", fault);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &Provider, held: Option<&[String]>) -> Row {
    let credential = entry.secret.is_some();
    Row {
        name: entry.name.to_string(),
        r#type: entry.kind.name.to_owned(),
        hosts: entry.hosts.iter().map(ToString::to_string).collect(),
        env: entry.env.clone(),
        held: held
            .filter(|_| credential)
            .map(|names| names.iter().any(|name| **name == *entry.name)),
        credential,
        serving: entry.serving.as_ref().map(Served::of),
    }
}

/// A table; the columns of model servers are there when there is one.
fn text(rows: &[Row]) -> String {
    let serve = rows.iter().any(|row| row.serving.is_some());
    let mut head = vec!["NAME", "TYPE", "HOSTS", "ENV"];
    if serve {
        head.extend(["PROTOCOL", "MODELS", "CLEARANCE", "WHERE"]);
    }
    head.push("CREDENTIAL");
    let mut cells = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    cells.extend(rows.iter().map(|row| {
        let mut line = vec![
            row.name.clone(),
            row.r#type.clone(),
            row.hosts.join(","),
            or_dash(row.env.join(",")),
        ];
        if serve {
            line.extend(served(row.serving.as_ref()));
        }
        let held = match (row.credential, row.held) {
            (false, _) => "none needed",
            (true, Some(true)) => "in the router",
            (true, Some(false)) => "missing",
            (true, None) => "router is down",
        };
        line.push(held.to_owned());
        line
    }));
    table(&cells)
}

fn or_dash(text: String) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

fn served(served: Option<&Served>) -> [String; 4] {
    let Some(served) = served else {
        return ["-", "-", "-", "-"].map(str::to_owned);
    };
    let mut models = served.models[..served.models.len().min(SHOWN)].join(",");
    if served.models.len() > SHOWN {
        models.push_str(&format!(",… ({})", served.models.len()));
    }
    let place = match (&served.residency, served.local) {
        (None, true) => "local".to_owned(),
        (None, false) => "cloud".to_owned(),
        (Some(place), true) => format!("local, {place}"),
        (Some(place), false) => place.clone(),
    };
    [
        served.protocol.to_owned(),
        if served.models.is_empty() {
            "any".to_owned()
        } else {
            plain(&models)
        },
        served.clearance.to_owned(),
        place,
    ]
}
