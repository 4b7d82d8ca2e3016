//! Taking a box down: always every step, whatever became of the one before.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::context::Context;
use super::hooks;
use crate::bundle;
use crate::cgroup::Cgroup;
use crate::state::{BoxState, Phase, ProcessId, Store};

/// How long a killed init is waited for before the rest is killed: a frozen one ends only when it is thawed.
const END_LIMIT: Duration = Duration::from_millis(50);

/// Locked by `create` and so by all that it forks, until they exec or end.
pub const LOCK: &str = "lock";
/// How long the forks of an unfinished create may take to end.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);
/// How often they are looked for.
const SETTLE_STEP: Duration = Duration::from_millis(2);

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
        Err(anyhow!(
            "cannot remove all of container \"{id}\": {}",
            self.0.join("; ")
        ))
    }
}

/// Kill what runs, remove the cgroup, run the poststop hooks, remove the state directory.
///
/// # Errors
/// What could not be removed. A failing poststop hook is only logged.
pub fn take_down(context: &Context, store: &Store, state: &BoxState) -> Result<()> {
    let box_dir = store.directory(&state.id)?;
    let mut failures = Failures::default();
    // The init of a `create` that was cut short is not recorded; it is in the cgroup, which is emptied next.
    if let Some(init) = state.init {
        failures.take(kill(init));
    }
    match Cgroup::of(state) {
        Ok(cgroup) => {
            if state.phase == Phase::Creating {
                failures.take(settle(&box_dir, &cgroup));
            }
            failures.take(cgroup.empty());
            failures.take(cgroup.remove());
        }
        Err(error) => failures.take::<anyhow::Error>(Err(error.into())),
    }
    if let Some(group) = &state.rdt {
        failures.take(group.remove());
    }
    hooks::poststop(
        context,
        &BoxState {
            init: None,
            ..state.clone()
        },
        &box_dir,
    );
    if failures.0.is_empty() {
        // Last, and only when nothing else is left: it names what a second try must remove.
        failures.take(bundle::remove(&box_dir));
    }
    failures.into_result(&state.id)
}

/// Wait until no process that an unfinished `create` forked is left: one of them may still be making the cgroup.
fn settle(box_dir: &Path, cgroup: &Cgroup) -> Result<()> {
    let lock = match File::open(box_dir.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let deadline = Instant::now() + SETTLE_LIMIT;
    while lock.try_lock().is_err() {
        if Instant::now() > deadline {
            return Err(anyhow!("a process of its unfinished create does not end"));
        }
        cgroup.empty()?;
        std::thread::sleep(SETTLE_STEP);
    }
    Ok(())
}

fn kill(init: ProcessId) -> Result<()> {
    let held = match init.hold() {
        Ok(held) => held,
        Err(Errno::ESRCH) => {
            reap(init.pid);
            return Ok(());
        }
        Err(error) => {
            return Err(anyhow!(
                "cannot take hold of process {}: {}",
                init.pid,
                error.desc()
            ));
        }
    };
    match held.send(libc::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => {
            return Err(anyhow!(
                "cannot kill process {}: {}",
                init.pid,
                error.desc()
            ));
        }
    }
    // Whether it ended in that time or not, the cgroup is emptied next, which also thaws it.
    held.wait_end(END_LIMIT).ok();
    reap(init.pid);
    Ok(())
}

/// Reap a child of ours; of any other process there is nothing to reap.
fn reap(pid: i32) {
    waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)).ok();
}
