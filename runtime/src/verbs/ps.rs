//! `ps`: who runs in a box.

use std::ffi::OsStr;
use std::io;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use procfs::process::Process;

use super::printer;
use crate::cgroup::Cgroup;
use crate::cli::{Ps, Shape};
use crate::lifecycle::context::Context;

/// The host's program whose columns the table has, as with runc.
const PROGRAM: &str = "ps";
/// What it is called with where the caller names nothing.
const DEFAULT: &str = "-ef";
/// The column by which a box's lines are found.
const PID: &str = "PID";

/// Run the verb.
pub fn run(context: &Context, args: &Ps) -> Result<()> {
    let state = context.store()?.load(&args.id)?;
    let mut pids: Vec<i32> = Cgroup::of(&state)?
        .pids()
        .into_iter()
        .map(nix::unistd::Pid::as_raw)
        .collect();
    pids.sort_unstable();
    match args.format {
        Shape::Json => printer::text(&serde_json::to_string(&pids)?),
        Shape::Table => table(&pids, &args.options),
    }
}

/// The host's own lines of these processes; our own where the host has no such program and nothing was asked of it.
fn table(pids: &[i32], options: &[String]) -> Result<()> {
    let mut command = Command::new(PROGRAM);
    match options {
        [] => command.arg(DEFAULT),
        _ => command.args(options.iter().map(OsStr::new)),
    };
    let output = match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound && options.is_empty() => {
            return own_table(pids);
        }
        other => other.context("cannot run the host's `ps`")?,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("the host's `ps` refused: {}", said.trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = lines_of(&text, pids)
        .context("the host's `ps` printed no column PID: ask it for that column too")?;
    lines.into_iter().try_for_each(printer::text)
}

/// The head and the lines of these processes; nothing without a column for the pid.
fn lines_of<'a>(text: &'a str, pids: &[i32]) -> Option<Vec<&'a str>> {
    let mut lines = text.lines();
    let head = lines.next()?;
    let column = head.split_whitespace().position(|name| name == PID)?;
    let ours = |line: &&str| {
        let pid = line.split_whitespace().nth(column);
        pid.and_then(|pid| pid.parse().ok())
            .is_some_and(|pid: i32| pids.contains(&pid))
    };
    Some(std::iter::once(head).chain(lines.filter(ours)).collect())
}

fn own_table(pids: &[i32]) -> Result<()> {
    let head = ["UID", PID, "PPID", "CMD"].map(str::to_owned).to_vec();
    // A process that ended meanwhile is left out.
    let rows = pids.iter().filter_map(|pid| row(*pid));
    printer::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn row(pid: i32) -> Option<Vec<String>> {
    let process = Process::new(pid).ok()?;
    let stat = process.stat().ok()?;
    let command = process
        .cmdline()
        .ok()
        .filter(|words| !words.is_empty())
        .map(|words| words.join(" "));
    let command = command.unwrap_or_else(|| format!("[{}]", stat.comm));
    Some(vec![
        process.uid().ok()?.to_string(),
        pid.to_string(),
        stat.ppid.to_string(),
        command,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "UID   PID PPID CMD\nroot    7    1 sleep 12\nroot   12    1 sleep 7\n";

    #[test]
    fn a_line_belongs_to_the_process_in_its_column_of_pids() {
        let lines = lines_of(TEXT, &[12, 99]).unwrap();
        assert_eq!(lines, ["UID   PID PPID CMD", "root   12    1 sleep 7"]);
        assert_eq!(lines_of("CMD\nsleep\n", &[12]), None);
    }
}
