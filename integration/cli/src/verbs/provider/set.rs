//! `provider set`: an entry, and its credential in a file of root's alone.

use std::fs::File;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context as _;
use nemoclaw_policy::provider::{Provider, SecretSource, check_secret, is_name, kinds, line_of};
use zeroize::Zeroizing;

use super::{entries, find, hosts};
use crate::args::Set;
use crate::fault::Fault;
use crate::models::http::authority;
use crate::node::Node;
use crate::printer::{Printer, Tone};
use crate::providers::{self, Disk, entry, write_secret};

/// Run it.
pub fn run(node: &Node, disk: &Disk, wish: &Set, printer: Printer) -> anyhow::Result<ExitCode> {
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
    if new.as_ref().is_none_or(|new| new.secret) {
        keep(disk, wish, known.as_ref())?;
    }
    if let Some(new) = &new {
        disk.write(&new.text)
            .with_context(|| format!("cannot write `{}`", disk.entries.display()))?;
    }
    let entry = find(&entries(node)?, &wish.name)?;
    printer.labelled(Tone::Good, "set", sentence(&entry));
    if let (None, Some(SecretSource::File(path))) =
        (&entry.secret, known.and_then(|known| known.secret))
    {
        printer.labelled(
            Tone::Hint,
            "hint",
            format_args!("its former credential stays in {}", path.display()),
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn sentence(entry: &Provider) -> String {
    match &entry.serving {
        Some(serving) => format!(
            "provider `{}`: models at {}, for what is {} at most",
            entry.name,
            authority(&serving.base),
            serving.clearance
        ),
        None => format!(
            "provider `{}`: {} for {}",
            entry.name,
            entry.env.join(", "),
            hosts(entry)
        ),
    }
}

/// Entries to be written.
struct New {
    text: String,
    /// Whether the entry has a credential.
    secret: bool,
}

/// The new text of the entries; `None` where only the credential changes. A model server of the operator's own may do
/// without a credential, and does where none is given.
fn describe(disk: &Disk, wish: &Set, known: Option<&Provider>) -> anyhow::Result<Option<New>> {
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
    let mut lines = entry::lines(wish, kind)?;
    if !wish.brings_secret()
        && let Ok(text) = providers::set(&text, &wish.name, &lines.join("\n"))
    {
        return Ok(Some(New {
            text,
            secret: false,
        }));
    }
    lines.push(match &wish.systemd {
        Some(name) => format!("  systemd: {}", serde_json::to_string(name)?),
        None => format!(
            "  file: {}",
            serde_json::to_string(&disk.own_secret(&wish.name))?
        ),
    });
    Ok(Some(New {
        text: providers::set(&text, &wish.name, &lines.join("\n"))?,
        secret: true,
    }))
}

/// Write the credential where it belongs.
fn keep(disk: &Disk, wish: &Set, known: Option<&Provider>) -> anyhow::Result<()> {
    let secret = secret(wish)?;
    let place = place(disk, wish, known)?;
    if let (Some(secret), Some(place)) = (&secret, &place) {
        write_secret(place, secret)
            .with_context(|| format!("cannot write `{}`", place.display()))?;
    }
    Ok(())
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
