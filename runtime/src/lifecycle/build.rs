//! Building a box as it was planned: its files, its cgroup, its first process. Whatever fails, nothing is left behind.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::unistd::Pid;
use oci_spec::runtime::{Hook, Hooks, Linux, Process, Spec};

use super::context::Context;
use super::made::{Made, connect, plain};
use super::planned::{self, Planned};
use super::{hooks, teardown};
use crate::bundle;
use crate::cgroup::Cgroup;
use crate::enforce::last::{Last, Listener, handed_sockets};
use crate::enforce::report;
use crate::raise::channel::Word;
use crate::raise::hooks::Stage;
use crate::raise::init::First;
use crate::raise::namespaces::Namespaces;
use crate::raise::sources::{self, Ground};
use crate::raise::tree::Switch;
use crate::raise::{identity, net_devices, rdt, users};
use crate::state::{BoxState, Phase, ProcessId, Repeated, Status, Store, check_id};
use crate::sys::mount::{self, Reach};
use crate::sys::{ids, keyring, openat2};

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
        .and_then(|()| Ok(bundle::write(&planned.plan, &box_dir)?));
    let bundle = match written {
        Ok(bundle) => bundle,
        Err(error) => {
            bundle::remove(&box_dir)?;
            return Err(error);
        }
    };
    let lock = match locked(&box_dir) {
        Ok(lock) => lock,
        Err(error) => {
            bundle.undo()?;
            return Err(error);
        }
    };
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

/// The cgroup, the first process and its walls, then the state that says «created».
fn raise(
    context: &Context,
    store: &Store,
    request: &Request<'_>,
    planned: &mut Planned,
) -> Result<()> {
    if !(planned.state.unconfined && request.no_new_keyring) {
        keyring::join_new_session().context("cannot make a session keyring")?;
    }
    let spec = planned.plan.spec.clone();
    let (process, linux) = parts(&spec)?;
    let cgroup = Cgroup::of(&planned.state)?;
    cgroup.make()?;
    cgroup.limit(&linux.resources().clone().unwrap_or_default())?;
    if let Some(given) = linux.intel_rdt() {
        planned.state.rdt = Some(rdt::prepare(Path::new(rdt::ROOT), given, request.id)?);
        store.save(&planned.state)?;
    }
    let box_dir = store.directory(request.id)?;
    let first = first(request, planned, &spec, &cgroup, &box_dir)?;
    first.namespaces.prepare().map_err(plain)?;
    let into = cgroup.open_for_clone()?;
    let by_itself = into.is_some() || first.entry.is_some();
    let namespaces = u64::try_from(first.namespaces.new.bits()).unwrap_or_default();
    let users = first.namespaces.new.contains(CloneFlags::CLONE_NEWUSER);
    let new_network = first.namespaces.new.contains(CloneFlags::CLONE_NEWNET);
    let joined = first.namespaces.user.is_some();
    let joined_users = first
        .namespaces
        .user
        .as_ref()
        .map(OwnedFd::try_clone)
        .transpose();
    let joined_users = joined_users.context("cannot copy a descriptor")?;
    let made = Made::new(
        namespaces,
        into.as_ref().map(AsFd::as_fd),
        joined_users.as_ref(),
        |channel| first.live(channel),
    )?;
    let pid = made.pid.as_raw();
    planned.state.init =
        Some(ProcessId::of(pid).with_context(|| "the first process ended at once")?);
    if users {
        let none = Vec::new();
        let uids = linux.uid_mappings().as_ref().unwrap_or(&none);
        let gids = linux.gid_mappings().as_ref().unwrap_or(&none);
        users::map(made.pid, uids, gids).map_err(plain)?;
    }
    if users || joined {
        made.tell(&Word::Mapped)?;
    }
    if !by_itself {
        cgroup.join(made.pid)?;
    }
    limits(made.pid, process)?;
    if let Some(group) = &planned.state.rdt {
        group.join(Path::new(rdt::ROOT), pid)?;
    }
    let ready = with_hooks(&made, planned, (&spec, linux), new_network, &box_dir)?;
    remember(context, store, request, planned, (process, &ready))?;
    made.tell(&Word::Go)?;
    // It lets go of this process now, and closes its end.
    match made.channel.hear(None) {
        Ok(None) => Ok(()),
        _ => Err(made.ended()),
    }
}

fn parts(spec: &Spec) -> Result<(&Process, &Linux)> {
    let process = spec.process().as_ref();
    let linux = spec.linux().as_ref();
    Ok((
        process.context("the configuration names no process")?,
        linux.context("the configuration has no `linux` part")?,
    ))
}

/// All that the first process needs, opened here.
fn first<'a>(
    request: &Request<'_>,
    planned: &'a Planned,
    spec: &'a Spec,
    cgroup: &Cgroup,
    box_dir: &Path,
) -> Result<First<'a>> {
    let (process, linux) = parts(spec)?;
    let walls = planned.plan.walls.as_ref();
    let ground = Ground {
        linux,
        cgroup,
        checked_except: walls.map(|_| box_dir),
    };
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    let terminal = process.terminal() == Some(true);
    let console = match request.console_socket {
        Some(_) if !terminal => bail!(
            "cannot use --console-socket: the configuration asks for no terminal (`process.terminal`)"
        ),
        Some(path) => Some(connect(path, "console socket")?),
        None if terminal => bail!("cannot give the process a terminal without --console-socket"),
        None => None,
    };
    let root = openat2::open_host(&planned.state.rootfs, OFlag::O_PATH | OFlag::O_DIRECTORY)
        .and_then(|root| mount::clone_tree(root.as_fd(), Reach::Tree))
        .with_context(|| {
            format!(
                "cannot open the root file system `{}`",
                planned.state.rootfs.display()
            )
        })?;
    let landlock = planned.repeated.confinement.landlock.as_ref();
    Ok(First {
        spec,
        process,
        linux,
        root,
        root_path: planned.state.rootfs.clone(),
        switch: if request.no_pivot {
            Switch::Chroot
        } else {
            Switch::Pivot
        },
        sources: sources::open(mounts, &ground).map_err(plain)?,
        null: sources::null().map_err(plain)?,
        namespaces: Namespaces::of(linux).map_err(plain)?,
        entry: match cgroup.open_for_clone()? {
            Some(_) => None,
            None => cgroup.entry()?,
        },
        walls,
        rules: landlock
            .map(|plan| plan.rules.as_slice())
            .unwrap_or_default(),
        last: Last {
            confinement: &planned.repeated.confinement,
            filters: &planned.repeated.filters,
            no_new_privileges: planned.repeated.confinement.no_new_privileges,
            kernel_abi: planned.state.strength.landlock_abi,
            sets: Some(identity::sets(process)),
            kept: kept(request.preserve_fds),
            home: None,
            pid: None,
            listener: listener(&planned.repeated, &planned.state, Stage::Created)?,
        },
        console,
        start: report::listen(box_dir).context("cannot make the start socket")?,
        view: hooks::view(&planned.state),
    })
}

/// Whoever listens to the profile's notifications, connected.
///
/// # Errors
/// Nobody listens there.
pub fn listener(repeated: &Repeated, state: &BoxState, stage: Stage) -> Result<Option<Listener>> {
    let Some(agent) = repeated
        .agent
        .as_ref()
        .filter(|_| repeated.filters.listens())
    else {
        return Ok(None);
    };
    Ok(Some(Listener {
        socket: connect(&agent.path, "seccomp listener")?,
        view: hooks::view(state),
        stage,
        metadata: agent.metadata.clone(),
    }))
}

/// Limits that a process cannot set itself, or only before it loses the right to.
///
/// # Errors
/// The value that the kernel refuses, and what would help.
pub fn limits(pid: Pid, process: &Process) -> Result<()> {
    for given in process.rlimits().iter().flatten() {
        let resource = crate::plan::resource_number(given.typ());
        ids::limit(pid, resource, given.soft(), given.hard()).with_context(|| {
            format!(
                "cannot set the limit {} to {}:{}{}",
                given.typ(),
                given.soft(),
                given.hard(),
                lacking_right()
            )
        })?;
    }
    if let Some(adjustment) = process.oom_score_adj() {
        std::fs::write(format!("/proc/{pid}/oom_score_adj"), adjustment.to_string()).with_context(
            || {
                format!(
                    "cannot set the OOM score to {adjustment}{}",
                    lacking_right()
                )
            },
        )?;
    }
    Ok(())
}

fn lacking_right() -> &'static str {
    match caps::has_cap(
        None,
        caps::CapSet::Effective,
        caps::Capability::CAP_SYS_RESOURCE,
    ) {
        Ok(true) => "",
        _ => " (the runtime's caller has no CAP_SYS_RESOURCE)",
    }
}

/// Descriptors after the third that the program gets.
pub fn kept(preserve: u32) -> u32 {
    preserve.saturating_add(handed_sockets().unwrap_or(0))
}

/// Wait for the tree, run the hooks of the host, the egress hook last, and wait for the rest; what the process found out.
#[allow(deprecated)] // prestart is what Docker uses
fn with_hooks(
    made: &Made,
    planned: &Planned,
    (spec, linux): (&Spec, &Linux),
    new_network: bool,
    box_dir: &Path,
) -> Result<Vec<u8>> {
    let given = spec.hooks().as_ref();
    let list = |of: &dyn Fn(&Hooks) -> Option<Vec<Hook>>| given.and_then(of).unwrap_or_default();
    let prestart = list(&|all| all.prestart().clone());
    let create_runtime = list(&|all| all.create_runtime().clone());
    let (state, pid) = (&planned.state, made.pid.as_raw());
    let egress = planned.plan.egress.as_ref().map(|egress| &egress.create);
    let begin = |hook| hooks::begin_fence(hook, state, pid, box_dir);
    // A namespace that the clone made is there already, and where no hook of the engine comes first the fence can be
    // built while the tree is. One that is joined is not the process's own yet.
    let beside = new_network && prestart.is_empty() && create_runtime.is_empty();
    let mut fencing = egress.filter(|_| beside).map(begin).transpose()?;
    match made.hear(None)? {
        Word::Tree => {}
        _ => bail!("the first process said something unexpected"),
    }
    if let Some(devices) = linux.net_devices().as_ref().filter(|all| !all.is_empty()) {
        let namespace = File::open(format!("/proc/{pid}/ns/net"))
            .context("cannot open the container's network namespace")?;
        net_devices::move_all(devices, namespace.as_fd())?;
    }
    hooks::creating(state, &[&prestart, &create_runtime], pid)?;
    if fencing.is_none() {
        fencing = egress.map(begin).transpose()?;
    }
    fencing.map_or(Ok(()), hooks::Fencing::end)?;
    made.tell(&Word::Go)?;
    match made.hear(None)? {
        Word::Ready(found) => Ok(found),
        _ => bail!("the first process said something unexpected"),
    }
}

/// Write what later verbs need, then that the box is created.
fn remember(
    context: &Context,
    store: &Store,
    request: &Request<'_>,
    planned: &mut Planned,
    (process, found): (&Process, &[u8]),
) -> Result<()> {
    let identities: Vec<Option<(u64, u64)>> =
        serde_json::from_slice(found).context("the first process's answer cannot be read")?;
    if let Some(landlock) = planned.repeated.confinement.landlock.as_mut() {
        for (rule, identity) in landlock.rules.iter_mut().zip(identities) {
            rule.identity = identity;
        }
    }
    planned.repeated.process = Some(process.clone());
    store.save_repeated(&planned.state.id, &planned.repeated)?;
    planned.state.phase = Phase::Created;
    store.save(&planned.state)?;
    context
        .log
        .debug(&format!("created \"{}\"", planned.state.id));
    write_pid(
        request.pid_file,
        planned.state.init.map_or(0, |init| init.pid),
    )
}

/// The engine's pid file: digits, no newline, whole at once.
///
/// # Errors
/// It cannot be written.
pub fn write_pid(path: Option<&Path>, pid: i32) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let written =
        std::fs::write(&draft, pid.to_string()).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        std::fs::remove_file(&draft).ok();
    }
    written.with_context(|| format!("cannot write the pid file `{}`", path.display()))
}
