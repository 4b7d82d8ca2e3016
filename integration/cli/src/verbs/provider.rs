//! `provider set|list|show|rm|test`: credentials that stay outside. None of them ever prints a secret.

use std::fs::File;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context as _;
use nemoclaw_policy::provider::{
    self, Provider, Providers, SecretSource, check_secret, is_name, kinds, line_of, read_secret,
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::args::{self, Format, Set};
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::{Printer, Tone, table};
use crate::providers::{self, Disk, write_secret};
use crate::verbs::router;

/// Run it.
pub fn run(node: &Node, verb: &args::Provider, printer: Printer) -> anyhow::Result<ExitCode> {
    let disk = Disk {
        entries: node.config.providers.clone(),
    };
    match verb {
        args::Provider::Set(wish) => set(node, &disk, wish, printer),
        args::Provider::List { output } => list(node, *output, printer),
        args::Provider::Show { name } => show(node, name, printer),
        args::Provider::Rm { name } => rm(node, &disk, name, printer),
        args::Provider::Test { name } => test(node, name, printer),
    }
}

fn entries(node: &Node) -> anyhow::Result<Providers> {
    Ok(provider::load(&node.config.providers)?.1)
}

fn find(providers: &Providers, name: &str) -> anyhow::Result<Provider> {
    providers.named(name).cloned().ok_or_else(|| {
        Fault::new(format!("there is no provider `{name}`"))
            .hint("run `nemoclaw provider list`")
            .into()
    })
}

fn set(node: &Node, disk: &Disk, wish: &Set, printer: Printer) -> anyhow::Result<ExitCode> {
    if wish.secret.is_some() || !wish.rest.is_empty() {
        return Err(Fault::new("a credential on the command line can be read by every user of this machine, and stays in the shell's history")
            .hint("give it by --stdin, --from-file or --from-env, and replace this one: it has been seen")
            .exit(2)
            .into());
    }
    if !is_name(&wish.name) {
        return Err(Fault::new(format!(
            "`{}` is no provider's name: letters, digits, `-` and `_`, at most 64",
            wish.name
        ))
        .into());
    }
    let _lock = disk.lock()?;
    let known = entries(node)?.named(&wish.name).cloned();
    let new = describe(disk, wish, known.as_ref())?;
    let secret = secret(wish)?;
    let place = place(disk, wish, known.as_ref())?;
    if let (Some(secret), Some(place)) = (&secret, &place) {
        write_secret(place, secret)
            .with_context(|| format!("cannot write `{}`", place.display()))?;
    }
    if let Some(text) = new {
        disk.write(&text)
            .with_context(|| format!("cannot write `{}`", disk.entries.display()))?;
    }
    let entry = find(&entries(node)?, &wish.name)?;
    printer.labelled(
        Tone::Good,
        "set",
        format_args!(
            "provider `{}`: {} for {}",
            entry.name,
            entry.env.join(", "),
            hosts(&entry)
        ),
    );
    Ok(ExitCode::SUCCESS)
}

/// The new text of the entries; `None` where only the credential changes.
fn describe(disk: &Disk, wish: &Set, known: Option<&Provider>) -> anyhow::Result<Option<String>> {
    if known.is_some() && !wish.describes() {
        return Ok(None);
    }
    let Some(kind) = &wish.kind else {
        let all: Vec<&str> = kinds().iter().map(|kind| kind.name).collect();
        return Err(Fault::new(format!("what is the type of `{}`?", wish.name))
            .hint(format!("give --type, one of: {}", all.join(", ")))
            .into());
    };
    let text = disk
        .text()
        .with_context(|| format!("cannot read `{}`", disk.entries.display()))?;
    let block = block(disk, wish, kind)?;
    Ok(Some(providers::set(&text, &wish.name, &block)?))
}

/// The entry as lines. JSON's strings are YAML's.
fn block(disk: &Disk, wish: &Set, kind: &str) -> anyhow::Result<String> {
    let mut lines = vec![
        format!("{}:", wish.name),
        format!("  type: {}", serde_json::to_string(kind)?),
    ];
    for (key, values) in [
        ("hosts", &wish.hosts),
        ("paths", &wish.paths),
        ("env", &wish.env),
        ("sandboxes", &wish.sandboxes),
        ("policies", &wish.policies),
    ] {
        if !values.is_empty() {
            lines.push(format!("  {key}: {}", serde_json::to_string(values)?));
        }
    }
    if !wish.ports.is_empty() {
        lines.push(format!("  ports: {}", serde_json::to_string(&wish.ports)?));
    }
    lines.push(match &wish.systemd {
        Some(name) => format!("  systemd: {}", serde_json::to_string(name)?),
        None => format!(
            "  file: {}",
            serde_json::to_string(&disk.own_secret(&wish.name))?
        ),
    });
    Ok(lines.join("\n"))
}

/// Where the credential goes; `None` where systemd has it.
fn place(
    disk: &Disk,
    wish: &Set,
    known: Option<&Provider>,
) -> anyhow::Result<Option<std::path::PathBuf>> {
    if wish.systemd.is_some() {
        return Ok(None);
    }
    match known
        .filter(|_| !wish.describes())
        .and_then(|entry| entry.secret.as_ref())
    {
        None => Ok(Some(disk.own_secret(&wish.name))),
        Some(SecretSource::File(path)) => Ok(Some(path.clone())),
        Some(SecretSource::Systemd(credential)) => Err(Fault::new(format!(
            "the credential of `{}` is systemd's `{credential}`: change it there",
            wish.name
        ))
        .into()),
    }
}

fn secret(wish: &Set) -> anyhow::Result<Option<Zeroizing<String>>> {
    if wish.systemd.is_some() {
        return Ok(None);
    }
    let no = |why: &dyn std::fmt::Display| Fault::new(format!("that is no credential: {why}"));
    if let Some(name) = &wish.from_env {
        let text = std::env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| Fault::new(format!("the variable `{name}` is not set, or is no text")))?;
        check_secret(&text).map_err(|why| no(&why))?;
        return Ok(Some(text));
    }
    if let Some(path) = &wish.from_file {
        let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        return Ok(Some(line_of(file).map_err(|why| no(&why))?));
    }
    let stdin = std::io::stdin();
    if !wish.stdin || stdin.is_terminal() {
        return Err(Fault::new("where is the credential?")
            .hint(format!(
                "run `pass show {name} | nemoclaw provider set {name} … --stdin`, or give --from-file or --from-env",
                name = wish.name
            ))
            .exit(2)
            .into());
    }
    Ok(Some(line_of(stdin.lock()).map_err(|why| no(&why))?))
}

/// One provider for programs.
#[derive(Serialize)]
struct Row {
    name: String,
    r#type: String,
    hosts: Vec<String>,
    env: Vec<String>,
    /// Whether the router holds its credential; `null` where it does not run.
    held: Option<bool>,
}

#[derive(Serialize)]
struct Listing {
    version: u32,
    providers: Vec<Row>,
    fault: Option<String>,
}

fn list(node: &Node, output: Format, printer: Printer) -> anyhow::Result<ExitCode> {
    let status = router::status(node).ok();
    let rows: Vec<Row> = entries(node)?
        .entries
        .iter()
        .map(|entry| Row {
            name: entry.name.to_string(),
            r#type: entry.kind.name.to_owned(),
            hosts: entry.hosts.iter().map(ToString::to_string).collect(),
            env: entry.env.clone(),
            held: status
                .as_ref()
                .map(|status| status.providers.iter().any(|name| **name == *entry.name)),
        })
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
        let head = ["NAME", "TYPE", "HOSTS", "ENV", "CREDENTIAL"].map(str::to_owned);
        let mut cells = vec![head.to_vec()];
        cells.extend(rows.iter().map(|row| {
            let held = match row.held {
                Some(true) => "in the router",
                Some(false) => "missing",
                None => "router is down",
            };
            vec![
                row.name.clone(),
                row.r#type.clone(),
                row.hosts.join(","),
                row.env.join(","),
                held.to_owned(),
            ]
        }));
        printer.data(table(&cells))?;
    }
    if let Some(fault) = fault {
        printer.labelled(Tone::Warning, "warning", fault);
    }
    Ok(ExitCode::SUCCESS)
}

fn hosts(entry: &Provider) -> String {
    let hosts: Vec<String> = entry.hosts.iter().map(ToString::to_string).collect();
    hosts.join(", ")
}

fn show(node: &Node, name: &str, printer: Printer) -> anyhow::Result<ExitCode> {
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
        None => "none".to_owned(),
    };
    for (label, value) in [
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
    ] {
        printer.data(format_args!("{label:<12} {value}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rm(node: &Node, disk: &Disk, name: &str, printer: Printer) -> anyhow::Result<ExitCode> {
    let _lock = disk.lock()?;
    let entry = find(&entries(node)?, name)?;
    let text = providers::remove(&disk.text()?, name)?;
    disk.write(&text)
        .with_context(|| format!("cannot write `{}`", disk.entries.display()))?;
    let own = disk.own_secret(name);
    let left = match &entry.secret {
        None => None,
        Some(SecretSource::File(path)) if *path == own => {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("cannot remove `{}`", path.display()));
                }
                _ => {}
            }
            None
        }
        Some(SecretSource::File(path)) => Some(path.display().to_string()),
        Some(SecretSource::Systemd(credential)) => Some(format!("systemd's {credential}")),
    };
    printer.labelled(Tone::Good, "removed", format_args!("provider `{name}`"));
    if let Some(left) = left {
        printer.labelled(
            Tone::Hint,
            "hint",
            format_args!("its credential stays where it is: {left}"),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn test(node: &Node, name: &str, printer: Printer) -> anyhow::Result<ExitCode> {
    let entry = find(&entries(node)?, name)?;
    if let Some(SecretSource::File(path)) = &entry.secret {
        read_secret(path)?;
    }
    let status = router::status(node)?;
    if !status.providers.iter().any(|held| held == name) {
        let mut fault = Fault::new(format!(
            "the router does not hold the credential of `{name}`"
        ));
        if let Some(why) = status.providers_fault {
            fault = fault.hint(why);
        }
        return Err(fault.into());
    }
    printer.labelled(
        Tone::Good,
        "held",
        format_args!("the credential of `{name}`, for {}", hosts(&entry)),
    );
    Ok(ExitCode::SUCCESS)
}
