//! `policy learn`: from what was refused to the narrowest policy that would let it pass. It is printed, never applied.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

use jiff::{SignedDuration, Timestamp};
use nemoclaw_api::audit::record::Record;
use nemoclaw_api::audit::{DENY, Event};
use nemoclaw_policy::Policy;

use super::draft::Draft;
use super::find;
use crate::direct::names;
use crate::fault::Fault;
use crate::node::{Node, require_root};
use crate::printer::{Printer, Tone};
use crate::verbs::audit;

/// Run it.
pub fn run(
    config: Option<&Path>,
    sandbox: &str,
    since: Option<&str>,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    require_root("policy learn")?;
    let node = Node::load(config)?;
    let since = since.map(|text| time(text, Timestamp::now())).transpose()?;
    let known = audit::names(&node)?;
    let name = names::find(Some(sandbox), &known)?;
    let policy = in_force(&node, name, printer)?;
    let mut draft = Draft::new(name);
    for path in audit::of(&node, name)? {
        read(&path, name, &mut |event| {
            if is_after(&event, since) {
                draft.refused(&event);
            }
        })?;
    }
    let text = draft.text(policy.as_ref())?;
    printer.bytes(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// What holds now; nothing is known of a sandbox that has ended.
fn in_force(node: &Node, name: &str, printer: Printer) -> anyhow::Result<Option<Policy>> {
    if find::sandboxes(node)?.iter().any(|one| one == name) {
        return Ok(find::met(&find::held(node, name)?.layers()?));
    }
    printer.labelled(
        Tone::Warning,
        "warning",
        format_args!(
            "sandbox `{name}` has ended, and its policies are not known: a deny rule may have refused what is drafted here"
        ),
    );
    Ok(None)
}

/// A point in time, or how long before `now`.
fn time(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let ago = text
        .parse::<SignedDuration>()
        .ok()
        .filter(|ago| ago.is_positive())
        .and_then(|ago| now.checked_sub(ago).ok());
    match text.parse::<Timestamp>().ok().or(ago) {
        Some(time) => Ok(time),
        None => Err(Fault::new(format!("`{text}` is no time"))
            .hint("write `--since 2h` or `--since 2026-01-31T12:00:00Z`")
            .into()),
    }
}

fn is_after(event: &Event, since: Option<Timestamp>) -> bool {
    match (since, event.time.parse::<Timestamp>()) {
        (Some(since), Ok(time)) => time >= since,
        _ => true,
    }
}

/// Every refusal in an audit file.
fn read(path: &Path, name: &str, each: &mut impl FnMut(Event)) -> anyhow::Result<()> {
    let unread = |error| Fault::new(format!("cannot read `{}`", path.display())).because(error);
    for line in BufReader::new(File::open(path).map_err(unread)?).lines() {
        let record = Record::parse(&line.map_err(unread)?).map_err(|error| {
            Fault::new(format!("`{}` was changed", path.display()))
                .because(error)
                .hint(format!("run `nemoclaw audit verify {name}`"))
        })?;
        if let Some(event) = record.event().filter(|event| event.verdict == DENY) {
            each(event);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_point_or_so_long_ago() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        let two: Timestamp = "2026-01-31T10:00:00Z".parse().unwrap();
        assert_eq!(time("2h", now).unwrap(), two);
        assert_eq!(time("2026-01-31T10:00:00Z", now).unwrap(), two);
        for wrong in ["", "soon", "-2h"] {
            assert!(time(wrong, now).is_err(), "{wrong}");
        }
    }
}
