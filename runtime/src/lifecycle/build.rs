//! Building a box as it was planned: private bundle, libcontainer, walls. Whatever fails, nothing is left behind.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;

use super::aside::Aside;
use super::context::Context;
use super::planned::{self, Planned};
use super::{hooks, teardown, words};
use crate::bundle;
use crate::cgroup::Cgroup;
use crate::enforce::executor::{Confined, Parts, sentence};
use crate::enforce::report::{self, Report};
use crate::enforce::walls;
use crate::enforce::witness::Witness;
use crate::state::{BoxState, Phase, ProcessId, Status, Store, check_id};
use crate::sys::keyring;
use crate::sys::pidfd::PidFd;

/// Where libcontainer writes init's pid as soon as it is known, in the box's directory.
const INIT_PID: &str = "init.pid";

/// What to build.
#[derive(Debug)]
pub struct Request<'a> {
    /// Container id.
    pub id: &'a str,
    /// The engine's bundle.
    pub bundle: &'a Path,
    /// The engine's pid file.
    pub pid_file: Option<&'a Path>,
    /// The engine's console socket.
    pub console_socket: Option<&'a Path>,
    /// `--no-pivot`.
    pub no_pivot: bool,
    /// `--no-new-keyring`.
    pub no_new_keyring: bool,
    /// `--preserve-fds`.
    pub preserve_fds: u32,
}

/// Build the box; its init waits for `start`.
///
/// # Errors
/// One sentence why not; then nothing of it is left.
pub fn build(context: &Context, request: &Request<'_>) -> Result<BoxState> {
    check_id(request.id)?;
    let store = context.store()?;
    clear_unfinished(context, &store, request.id)?;
    let mut planned = planned::plan(context, &store, request)?;
    let box_dir = store.claim(&planned.state)?;
    let written = Cgroup::check_free(&planned.state)
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(bundle::write(&planned.plan, &planned.bundle, &box_dir)?));
    let bundle = match written {
        Ok(bundle) => bundle,
        Err(error) => {
            bundle::remove(&box_dir)?;
            return Err(error);
        }
    };
    let lock = locked(&box_dir)?;
    match raise(context, &store, request, &mut planned) {
        Ok(()) => Ok(planned.state),
        Err(error) => {
            // Our own hold ends here; that of the forks ends with them, and the teardown waits for it.
            drop(lock);
            let undone = teardown::take_down(context, &store, &planned.state);
            let undone = undone.and(bundle.undo().map_err(Into::into));
            if let Err(left) = undone {
                context.log.warning(&format!("{left:#}"));
            }
            Err(error)
        }
    }
}

/// The lock that every fork of this process holds too.
fn locked(box_dir: &Path) -> Result<File> {
    let lock = File::create(box_dir.join(teardown::LOCK)).context("cannot make the box's lock")?;
    lock.lock().context("cannot lock the box")?;
    Ok(lock)
}

/// A `create` that was killed leaves its directory; its id must not stay taken.
fn clear_unfinished(context: &Context, store: &Store, id: &str) -> Result<()> {
    let unfinished =
        |state: &BoxState| state.phase == Phase::Creating && state.status() == Status::Stopped;
    if !store.load(id).is_ok_and(|state| unfinished(&state)) {
        return Ok(());
    }
    // Another create may be clearing it too, and have claimed the id anew meanwhile: look again under the lock.
    let _lock = store.lock_clearing().context("cannot lock the boxes")?;
    match store.load(id) {
        Ok(state) if unfinished(&state) => {
            context.log.warning(&format!(
                "removing what an interrupted create of \"{id}\" left"
            ));
            teardown::take_down(context, store, &state)
        }
        // Taken or free: `claim` says which.
        _ => Ok(()),
    }
}

/// libcontainer, then the walls, then the state that says «created».
fn raise(
    context: &Context,
    store: &Store,
    request: &Request<'_>,
    planned: &mut Planned,
) -> Result<()> {
    if !(planned.state.unconfined && request.no_new_keyring) {
        keyring::join_new_session().context("cannot make a session keyring")?;
    }
    std::fs::create_dir_all(&store.root)
        .with_context(|| format!("cannot make `{}`", store.root.display()))?;
    let pid = first_process(context, store, request, planned)?;
    const ENDED: &str = "the first process ended before it was started";
    let init = ProcessId::of(pid).context(ENDED)?;
    planned.state.init = Some(init);
    let held: PidFd = init.hold().context(ENDED)?;
    let walls = planned.plan.walls.as_ref();
    let landlock = planned.state.confinement.landlock.as_mut();
    let rules = landlock.map(|plan| plan.rules.as_mut_slice());
    if walls.is_some() || rules.is_some() {
        walls::build(&held, walls, rules.unwrap_or_default())?;
    }
    planned.state.phase = Phase::Created;
    store.save(&planned.state)?;
    write_pid(request.pid_file, pid)
}

/// Have libcontainer make the box and its init, which then waits; its pid.
fn first_process(
    context: &Context,
    store: &Store,
    request: &Request<'_>,
    planned: &Planned,
) -> Result<i32> {
    let box_dir = store.directory(request.id)?;
    let report = Report::new().context("cannot make a pipe")?;
    let witness = Witness::new().context("cannot make a pipe")?;
    let executor = Confined::new(Parts {
        confinement: planned.state.confinement.clone(),
        filters: planned.state.filters.clone(),
        kernel_abi: planned.state.strength.landlock_abi,
        final_capabilities: planned.state.final_capabilities.clone(),
        user_namespace: None,
        preserve: request.preserve_fds,
        report: report
            .writer
            .try_clone()
            .context("cannot copy a descriptor")?,
        verb: None,
        start: Some(report::listen(&box_dir).context("cannot make the start socket")?),
    });
    // With a terminal init takes that as its standard error, and must not keep the caller's, which waits for its end.
    let aside = match request.console_socket {
        Some(_) => None,
        None => Some(Aside::new(&box_dir).context("cannot set standard error aside")?),
    };
    let mut builder = ContainerBuilder::new(request.id.to_owned(), SyscallType::default())
        .with_executor(executor);
    if let Some(aside) = &aside {
        builder = builder.with_stderr(aside.own().context("cannot copy a descriptor")?);
    }
    let built = builder
        .with_pid_file(Some(box_dir.join(INIT_PID)))?
        .with_console_socket(request.console_socket)
        .with_root_path(&store.root)?
        .with_preserved_fds(i32::try_from(request.preserve_fds)?)
        .as_init(bundle::config_dir(&box_dir))
        .with_systemd(context.global.systemd_cgroup)
        .with_detach(true)
        .with_no_pivot(request.no_pivot)
        .build();
    drop(aside);
    let container = built.map_err(|error| {
        let cause = witness.first();
        match hooks::sentence(cause.as_deref(), &planned.plan.spec, &box_dir) {
            Some(told) => anyhow!(told),
            None => failure(&report, cause, &error),
        }
    })?;
    let pid = container.pid();
    Ok(pid.context("libcontainer names no first process")?.as_raw())
}

/// What init said, else what libcontainer said first, else how it ended.
pub fn failure(
    report: &Report,
    cause: Option<String>,
    error: &dyn std::error::Error,
) -> anyhow::Error {
    match report.sentence() {
        Some(told) => anyhow!(told),
        None => {
            let cause = words::plain(&cause.unwrap_or_else(|| sentence(error)));
            anyhow!("cannot build the container: {cause}")
        }
    }
}

/// The engine's pid file: digits, no newline, whole at once.
///
/// # Errors
/// It cannot be written.
pub fn write_pid(path: Option<&Path>, pid: i32) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    std::fs::write(&draft, pid.to_string())
        .and_then(|()| std::fs::rename(&draft, path))
        .with_context(|| format!("cannot write the pid file `{}`", path.display()))
}
