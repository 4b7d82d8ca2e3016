//! `ps`: who runs in a box.

use anyhow::Result;
use procfs::process::Process;

use super::printer;
use crate::cli::{Ps, Shape};
use crate::lifecycle::cgroup::Cgroup;
use crate::lifecycle::context::Context;

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
        Shape::Table => {
            let head = ["UID", "PID", "PPID", "CMD"].map(str::to_owned).to_vec();
            // A process that ended meanwhile is left out.
            let rows = pids.into_iter().filter_map(row);
            printer::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
        }
    }
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
