//! `audit show`: all that is on record of a sandbox.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::ExitCode;

use nemoclaw_api::audit::record::Record;

use super::files;
use crate::direct::names;
use crate::fault::Fault;
use crate::node::{Node, require_root};
use crate::printer::Printer;
use crate::verbs::logs::sentence;

/// Run it.
pub fn run(
    node: &Node,
    name: Option<&str>,
    json: bool,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    require_root("audit show")?;
    let all = files::names(node)?;
    let name = names::find(name, &all)?;
    for path in files::of(node, name)? {
        let unread = |error| Fault::new(format!("cannot read `{}`", path.display())).because(error);
        let mut reader = BufReader::new(File::open(&path).map_err(unread)?);
        let mut line = String::new();
        // A line without its end is on its way.
        while reader.read_line(&mut line).map_err(unread)? > 0 && line.ends_with('\n') {
            let text = std::mem::take(&mut line);
            let whole = text.trim_end_matches('\n');
            if json {
                printer.data(whole)?;
                continue;
            }
            match Record::parse(whole) {
                Ok(record) => {
                    if let Some(event) = record.event() {
                        printer.data(format_args!("{}  {}", event.time, sentence(&event)))?;
                    }
                }
                Err(error) => {
                    return Err(Fault::new(format!("`{}` was changed", path.display()))
                        .because(error)
                        .hint(format!("run `nemoclaw audit verify {name}`"))
                        .into());
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
