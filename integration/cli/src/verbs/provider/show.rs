//! `provider show`: where a credential may be sent, by whom, and where it lies; and which models there are.

use std::process::ExitCode;

use nemoclaw_policy::provider::{Auth, Model, Price, SecretSource, Serving};

use super::{entries, find, hosts};
use crate::models::money;
use crate::models::servers::base_words;
use crate::node::Node;
use crate::printer::Printer;

/// Run it.
pub fn run(node: &Node, name: &str, printer: Printer) -> anyhow::Result<ExitCode> {
    let entry = find(&entries(node)?, name)?;
    let ports: Vec<String> = entry.ports.iter().map(ToString::to_string).collect();
    let paths: Vec<&str> = entry.paths.iter().map(|path| path.text.as_str()).collect();
    let mut places = match &entry.headers {
        None => vec!["any header field".to_owned()],
        Some(names) => names.clone(),
    };
    places.extend(entry.also_in.iter().map(|place| place.word().to_owned()));
    let sandboxes = entry.sandboxes.as_ref().map(|patterns| {
        let all: Vec<&str> = patterns.iter().map(|pattern| pattern.as_str()).collect();
        all.join(", ")
    });
    let all = || "all that bind it".to_owned();
    let lies = match &entry.secret {
        Some(SecretSource::File(path)) => path.display().to_string(),
        Some(SecretSource::Systemd(credential)) => format!("systemd's credential {credential}"),
        None => "none needed".to_owned(),
    };
    let mut rows = vec![
        ("name", entry.name.to_string()),
        ("type", entry.kind.name.to_owned()),
        ("hosts", hosts(&entry)),
        ("ports", ports.join(", ")),
        ("paths", paths.join(", ")),
        ("carried in", places.join(", ")),
        (
            "without TLS",
            if entry.cleartext { "yes" } else { "no" }.to_owned(),
        ),
        ("variables", entry.env.join(", ")),
        ("sandboxes", sandboxes.unwrap_or_else(all)),
        (
            "policies",
            entry
                .policies
                .as_ref()
                .map_or_else(all, |names| names.join(", ")),
        ),
        ("credential", lies),
        ("written at", entry.at.to_string()),
    ];
    rows.extend(entry.serving.iter().flat_map(served));
    for (label, value) in rows {
        printer.data(format_args!("{label:<12} {value}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a model server has beside.
fn served(serving: &Serving) -> Vec<(&'static str, String)> {
    let models: Vec<String> = serving.models.iter().map(model).collect();
    let auth = match &serving.auth {
        Auth::Bearer => "authorization",
        Auth::Field(name) => name,
    };
    let mut rows = vec![
        ("API at", base_words(&serving.base)),
        ("protocol", serving.dialect.word().to_owned()),
        (
            "models",
            if models.is_empty() {
                "any".to_owned()
            } else {
                models.join(", ")
            },
        ),
        ("clearance", serving.clearance.to_string()),
        (
            "residency",
            serving.residency.clone().unwrap_or("not said".to_owned()),
        ),
        ("local", if serving.local { "yes" } else { "no" }.to_owned()),
        ("key goes in", auth.to_owned()),
    ];
    if let Some(most) = serving.concurrent {
        rows.push(("at once", most.to_string()));
    }
    rows
}

fn model(model: &Model) -> String {
    if model.price == Price::default() {
        return model.name.to_string();
    }
    format!(
        "{} ({} in, {} out by the million)",
        model.name,
        money::words(model.price.input),
        money::words(model.price.output)
    )
}
