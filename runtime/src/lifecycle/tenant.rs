//! `exec`: one more process in a box, behind the same walls as init.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;
use oci_spec::runtime::{Linux, Process};

use super::build::{kept, limits, listener};
use super::context::Context;
use super::made::{Made, connect};
use crate::cgroup::Cgroup;
use crate::enforce::last::Last;
use crate::plan;
use crate::raise::channel::Word;
use crate::raise::hooks::Stage;
use crate::raise::tenant::{Tenant, foreign_namespaces, has_own_time};
use crate::raise::{identity, namespaces, rdt};
use crate::state::{BoxState, Repeated, Status, Store};
use crate::sys::keyring;
use crate::sys::pidfd::PidFd;

/// How long a process may take from the clone to its program: a process of the box may stop it.
const JOIN_LIMIT: Duration = Duration::from_secs(10);

/// What to run.
#[derive(Debug)]
pub struct Request<'a> {
    /// The process as asked for.
    pub process: &'a Process,
    /// The console socket.
    pub console_socket: Option<&'a Path>,
    /// `--preserve-fds`.
    pub preserve_fds: u32,
    /// `--ignore-paused`.
    pub ignore_paused: bool,
}

/// Start the process; its pid on the host.
///
/// # Errors
/// The box does not run, or one sentence why the process could not be started.
pub fn start(
    context: &Context,
    store: &Store,
    state: &BoxState,
    repeated: &Repeated,
    request: &Request<'_>,
) -> Result<Pid> {
    match state.status() {
        Status::Running => {}
        Status::Paused if request.ignore_paused => {}
        Status::Paused => bail!("cannot exec in a paused container (use --ignore-paused)"),
        other => bail!("container not running: \"{}\" is {other}", state.id),
    }
    let init = state.init.context("container not running")?;
    let held = init.hold().context("container not running")?;
    let process = plan::exec_process(request.process, &repeated.confinement);
    if !(state.unconfined && state.keeps_keyring) {
        keyring::join_new_session().context("cannot make a session keyring")?;
    }
    let cgroup = Cgroup::of(state)?;
    let mut linux = Linux::default();
    linux.set_personality(repeated.personality.clone());
    let tenant = tenant(
        (state, repeated),
        &held,
        (&process, &linux),
        &cgroup,
        request,
    )?;
    enter_first(&held, init.pid)?;
    let into = cgroup.open_for_clone()?;
    let by_itself = into.is_some() || tenant.entry.is_some();
    let made = Made::new(0, into.as_ref().map(AsFd::as_fd), None, |channel| {
        tenant.live(&channel)
    })?;
    let joined =
        share_cache(state, made.pid).and_then(|()| join(&made, &cgroup, by_itself, &process));
    if joined.is_err() {
        // It may have ended itself, or be one that a process of the box has stopped.
        if let Ok(left) = PidFd::open(made.pid) {
            left.send(libc::SIGKILL).ok();
        }
        // It is this process's child and is dead by now.
        nix::sys::wait::waitpid(made.pid, None).ok();
    }
    context.log.debug(&format!(
        "exec in \"{}\" of {}",
        state.id,
        store.root.display()
    ));
    joined.map(|()| made.pid)
}

/// Give the process the box's share of cache and memory bandwidth.
fn share_cache(state: &BoxState, pid: Pid) -> Result<()> {
    match &state.rdt {
        Some(group) => Ok(group.join(Path::new(rdt::ROOT), pid.as_raw())?),
        None => Ok(()),
    }
}

fn join(made: &Made, cgroup: &Cgroup, by_itself: bool, process: &Process) -> Result<()> {
    if !by_itself {
        cgroup.join(made.pid)?;
    }
    limits(made.pid, process)?;
    made.tell(&Word::Go)?;
    let late = || {
        format!(
            "the process did not reach its program within {} s and was killed: a process of the container may have stopped it",
            JOIN_LIMIT.as_secs()
        )
    };
    let hear = || match made.channel.hear(Some(JOIN_LIMIT)) {
        Err(nix::errno::Errno::ETIMEDOUT) => bail!(late()),
        other => Ok(other?),
    };
    match hear()? {
        Some(Word::Ready(_)) => {}
        Some(Word::Failed(sentence)) => bail!(sentence),
        Some(_) => bail!("the process said something unexpected"),
        None => return Err(made.ended()),
    }
    match hear()? {
        None => Ok(()),
        Some(Word::Failed(sentence)) => bail!(sentence),
        Some(_) => bail!("the process said something unexpected"),
    }
}

fn tenant<'a>(
    (state, repeated): (&BoxState, &'a Repeated),
    init: &'a PidFd,
    (process, linux): (&'a Process, &'a Linux),
    cgroup: &Cgroup,
    request: &Request<'_>,
) -> Result<Tenant<'a>> {
    let pid = state.pid();
    Ok(Tenant {
        process,
        linux,
        init,
        namespaces: foreign_namespaces(pid).context("cannot read the container's namespaces")?,
        entry: match cgroup.open_for_clone()? {
            Some(_) => None,
            None => cgroup.entry()?,
        },
        last: Last {
            confinement: &repeated.confinement,
            filters: &repeated.filters,
            no_new_privileges: repeated.confinement.no_new_privileges
                || process.no_new_privileges() == Some(true),
            kernel_abi: state.strength.landlock_abi,
            sets: Some(identity::sets(process)),
            kept: kept(request.preserve_fds),
            home: None,
            pid: None,
            listener: listener(repeated, state, Stage::Running)?,
        },
        console: match request.console_socket {
            Some(_) if process.terminal() != Some(true) => {
                bail!("cannot use --console-socket for a process without a terminal")
            }
            Some(path) => Some(connect(path, "console socket")?),
            None => None,
        },
    })
}

/// Namespaces that only a child enters: its process ids, and its clock.
fn enter_first(init: &PidFd, pid: i32) -> Result<()> {
    let own_time = has_own_time(pid).context("cannot read the container's namespaces")?;
    namespaces::enter_ids_of(init).context("cannot enter the container's process-id namespace")?;
    if own_time {
        setns(init, CloneFlags::from_bits_retain(libc::CLONE_NEWTIME))
            .context("cannot enter the container's time namespace")?;
    }
    Ok(())
}
