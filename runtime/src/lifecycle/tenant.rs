//! `exec`: one more process in a box, behind the same walls as init.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use libcontainer::container::builder::ContainerBuilder;
use oci_spec::runtime::{LinuxCapabilities, Process, User};
use libcontainer::syscall::syscall::SyscallType;
use nix::unistd::Pid;

use super::build::failure;
use super::context::Context;
use super::rights::with_loading_right;
use super::{running, watch};
use crate::enforce::capabilities;
use crate::enforce::executor::{Confined, Parts};
use crate::enforce::report::Report;
use crate::enforce::witness::Witness;
use crate::plan;
use crate::state::{BoxState, Phase, Status, Store};
use crate::sys::keyring;
use crate::sys::pidfd::PidFd;

/// libcontainer leaves one socket per exec; older than this, nobody waits on it.
const SOCKET_AGE: Duration = Duration::from_secs(60);

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
    request: &Request<'_>,
) -> Result<Pid> {
    match state.status() {
        Status::Running => {}
        Status::Paused if request.ignore_paused => {}
        Status::Paused => bail!("cannot exec in a paused container (use --ignore-paused)"),
        other => bail!("container not running: \"{}\" is {other}", state.id),
    }
    let init = state.init.context("container not running")?;
    let _held = init.hold().context("container not running")?;
    let mut process = plan::exec_process(request.process, &state.confinement);
    let final_capabilities = final_capabilities(state, &mut process)?;
    let user_namespace = enter_later(state, init.pid, &mut process)?;
    keyring::join_new_session().context("cannot make a session keyring")?;
    let report = Report::new().context("cannot make a pipe")?;
    let witness = Witness::new().context("cannot make a pipe")?;
    let executor = Confined::new(Parts {
        confinement: state.confinement.clone(),
        filters: state.filters.clone(),
        kernel_abi: state.strength.landlock_abi,
        final_capabilities,
        user_namespace,
        preserve: request.preserve_fds,
        report: report
            .writer
            .try_clone()
            .context("cannot copy a descriptor")?,
        verb: Some(PidFd::open(Pid::this()).context("cannot take hold of this process")?),
        start: None,
    });
    let box_dir = store.directory(&state.id)?;
    sweep_processes(context, &box_dir);
    let file = box_dir.join(format!("exec-{}.json", std::process::id()));
    write_process(&file, &process).context("cannot write the process for libcontainer")?;
    if state.phase == Phase::Created {
        // A `start` that was killed after its word to init has not told libcontainer.
        running::mark(&store.libcontainer_directory(&state.id)?)?;
    }
    let watch = watch::start(&report).context("cannot start a helper process")?;
    let built = ContainerBuilder::new(state.id.clone(), SyscallType::default())
        .with_executor(executor)
        .with_console_socket(request.console_socket)
        .with_root_path(&store.root)?
        .with_preserved_fds(i32::try_from(request.preserve_fds)?)
        .as_tenant()
        .with_detach(true)
        .with_ignore_paused(request.ignore_paused)
        .with_process(Some(&file))
        .build();
    watch.end().context("cannot wait for the helper process")?;
    std::fs::remove_file(&file).context("cannot remove the process's file")?;
    sweep(context, &store.libcontainer_directory(&state.id)?);
    let cause = witness.first();
    match built {
        Ok(pid) if watch::ended_waiting(pid) => bail!(told_or_killed(&report)),
        Ok(pid) => Ok(pid),
        Err(_) if watch::any_killed() => bail!(told_or_killed(&report)),
        Err(error) => Err(failure(&report, cause, &error)),
    }
}

/// Its variables may be secrets, and whoever knows the id may pass through the directory.
fn write_process(path: &Path, process: &Process) -> std::io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&serde_json::to_vec(process)?)
}

/// What was told before the joining process was killed: by the watch, or by nobody.
fn told_or_killed(report: &Report) -> String {
    report.sentence().unwrap_or_else(|| {
        "the process was killed before its program ran: a process of the container may have done it, or a lack of memory".to_owned()
    })
}

/// Where libcontainer must be told to leave more capabilities, the sets to cut down to ourselves.
fn final_capabilities(
    state: &BoxState,
    process: &mut Process,
) -> Result<Option<LinuxCapabilities>> {
    let Some(wanted) = process.capabilities().clone() else {
        return Ok(None);
    };
    if state.user_namespace {
        process.set_capabilities(Some(capabilities::own()?));
        return Ok(Some(wanted));
    }
    if !state.confinement.no_new_privileges && !state.filters.programs.is_empty() {
        process.set_capabilities(Some(with_loading_right(&wanted)?));
        return Ok(Some(wanted));
    }
    Ok(None)
}

/// libcontainer does not join a user namespace for an exec: let it work as the host's root, and join it ourselves.
fn enter_later(
    state: &BoxState,
    init: i32,
    process: &mut Process,
) -> Result<Option<(OwnedFd, User)>> {
    if !state.user_namespace {
        return Ok(None);
    }
    let path = format!("/proc/{init}/ns/user");
    let namespace = File::open(&path).with_context(|| format!("cannot open `{path}`"))?;
    let user = process.user().clone();
    let mut root = User::default();
    root.set_umask(user.umask());
    process.set_user(root);
    Ok(Some((namespace.into(), user)))
}

/// Remove the files of execs that were killed: they hold the variables of their processes.
fn sweep_processes(context: &Context, box_dir: &Path) {
    let left = std::fs::read_dir(box_dir).into_iter().flatten().flatten();
    for entry in left {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix("exec-")?.strip_suffix(".json"));
        let dead = pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if dead && let Err(error) = std::fs::remove_file(entry.path()) {
            let path = entry.path();
            let path = path.display();
            context
                .log
                .debug(&format!("cannot remove `{path}`: {error}"));
        }
    }
}

/// Remove the sockets that earlier execs left.
fn sweep(context: &Context, directory: &Path) {
    let old = |path: &Path| {
        let age = path
            .symlink_metadata()
            .and_then(|meta| meta.modified())
            .ok();
        age.and_then(|time| SystemTime::now().duration_since(time).ok())
            .is_some_and(|age| age > SOCKET_AGE)
    };
    let left = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sockets = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("tenant-"));
    for path in sockets.map(|entry| entry.path()).filter(|path| old(path)) {
        if let Err(error) = std::fs::remove_file(&path) {
            context
                .log
                .debug(&format!("cannot remove `{}`: {error}", path.display()));
        }
    }
}
