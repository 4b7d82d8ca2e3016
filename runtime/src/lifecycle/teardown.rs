//! Taking a box down: always every step, whatever became of the one before.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::cgroup::Cgroup;
use super::context::Context;
use super::hooks;
use crate::state::{BoxState, ProcessId, Store};

/// How long a killed init may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Steps that failed, to be told together.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn take<E: std::fmt::Display>(&mut self, result: Result<(), E>) {
        if let Err(error) = result {
            self.0.push(format!("{error:#}"));
        }
    }

    fn into_result(self, id: &str) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(anyhow!("cannot remove all of container \"{id}\": {}", self.0.join("; ")))
    }
}

/// Kill what runs, remove the cgroup, run the poststop hooks, remove both state directories.
///
/// # Errors
/// What could not be removed. A failing poststop hook is only logged.
pub fn take_down(context: &Context, store: &Store, state: &BoxState) -> Result<()> {
    let box_dir = store.directory(&state.id)?;
    let mut failures = Failures::default();
    if let Some(init) = state.init.or_else(|| init_of_unfinished(&box_dir)) {
        failures.take(kill(init));
    }
    match Cgroup::of(state) {
        Ok(cgroup) => {
            failures.take(cgroup.empty());
            failures.take(cgroup.remove());
        }
        Err(error) => failures.take::<anyhow::Error>(Err(error.into())),
    }
    hooks::poststop(context, &BoxState { init: None, ..state.clone() }, &box_dir);
    failures.take(gone(&store.libcontainer_directory(&state.id)?));
    if failures.0.is_empty() {
        // Last, and only when nothing else is left: it names what a second try must remove.
        failures.take(gone(&box_dir));
    }
    failures.into_result(&state.id)
}

/// The pid that libcontainer wrote before `create` was cut short.
fn init_of_unfinished(box_dir: &Path) -> Option<ProcessId> {
    let pid = std::fs::read_to_string(box_dir.join(super::build::INIT_PID)).ok()?.trim().parse().ok()?;
    let init = ProcessId::of(pid)?;
    // init forked from a `create` that had the box's directory already, so it is younger than the pid file's directory
    // and sits in the box's cgroup; a later owner of its pid does not wait under our name.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let ours = ["nemoclaw:init", "youki:[2:INIT]"].contains(&name.trim_end());
    ours.then_some(init)
}

fn kill(init: ProcessId) -> Result<()> {
    let held = match init.hold() {
        Ok(held) => held,
        Err(Errno::ESRCH) => {
            reap(init.pid);
            return Ok(());
        }
        Err(error) => return Err(anyhow!("cannot take hold of process {}: {}", init.pid, error.desc())),
    };
    match held.send(libc::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => return Err(anyhow!("cannot kill process {}: {}", init.pid, error.desc())),
    }
    // A frozen process dies when it is thawed, which emptying the cgroup does.
    held.wait_end(Duration::from_millis(50)).ok();
    reap(init.pid);
    Ok(())
}

/// Reap a child of ours; of any other process there is nothing to reap.
fn reap(pid: i32) {
    waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)).ok();
}

/// Wait until init has ended.
///
/// # Errors
/// It has not, in ten seconds.
pub fn wait_end(init: ProcessId) -> Result<()> {
    let ended = match init.hold() {
        Ok(held) => held.wait_end(END_LIMIT)?,
        Err(_) => true,
    };
    if ended { Ok(()) } else { Err(anyhow!("process {} did not end in {} s", init.pid, END_LIMIT.as_secs())) }
}

fn gone(directory: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
