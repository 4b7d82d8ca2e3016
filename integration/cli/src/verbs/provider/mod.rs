//! `provider set|list|show|rm|test|detect`: credentials that stay outside, and model servers. None of them ever prints a
//! secret.

mod detect;
mod list;
mod set;
mod show;
mod test;

use std::process::ExitCode;

use anyhow::Context as _;
use nemoclaw_policy::provider::{self, Provider, Providers, SecretSource};

use crate::args;
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::{Printer, Tone};
use crate::providers::{self, Disk};

/// Run it.
pub fn run(node: &Node, verb: &args::Provider, printer: Printer) -> anyhow::Result<ExitCode> {
    let disk = Disk {
        entries: node.config.providers.clone(),
    };
    match verb {
        args::Provider::Set(wish) => set::run(node, &disk, wish, printer),
        args::Provider::List { output } => list::run(node, *output, printer),
        args::Provider::Show { name } => show::run(node, name, printer),
        args::Provider::Rm { name } => rm(node, &disk, name, printer),
        args::Provider::Test { name } => test::run(node, name, printer),
        args::Provider::Detect(detect) => detect::run(node, detect, printer),
    }
}

/// The node's entries.
pub fn entries(node: &Node) -> anyhow::Result<Providers> {
    Ok(provider::load(&node.config.providers)?.1)
}

/// Drive a conversation with a server to its end.
fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work))
}

fn find(providers: &Providers, name: &str) -> anyhow::Result<Provider> {
    providers.named(name).cloned().ok_or_else(|| {
        Fault::new(format!("there is no provider `{name}`"))
            .hint("run `nemoclaw provider list`")
            .into()
    })
}

fn hosts(entry: &Provider) -> String {
    let hosts: Vec<String> = entry.hosts.iter().map(ToString::to_string).collect();
    hosts.join(", ")
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
