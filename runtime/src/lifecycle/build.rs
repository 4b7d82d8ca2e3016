//! Building a box: policy, plan, private bundle, libcontainer, walls. Whatever fails, nothing is left behind.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::runtime::{LinuxNamespaceType, Spec};
use libcontainer::syscall::syscall::SyscallType;
use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::policy::Mode;
use nemoclaw_policy::resolve::{Resolved, resolve};

use super::aside::Aside;
use super::cgroup::Cgroup;
use super::context::Context;
use super::{hooks, rights, teardown};
use crate::enforce::executor::{Confined, Parts, sentence};
use crate::enforce::report::{self, Report};
use crate::enforce::witness::Witness;
use crate::enforce::{landlock, seccomp, walls};
use crate::plan::{self, Inputs, Plan, host};
use crate::state::{BoxState, CgroupPlace, Phase, ProcessId, Status, Store, Strength, check_id};
use crate::sys::pidfd::PidFd;
use crate::sys::{keyring, landlock as kernel, seal};
use crate::{bundle, cdi};

/// Where libcontainer writes init's pid as soon as it is known, in the box's directory.
const INIT_PID: &str = "init.pid";
/// The cgroup's parent where the engine names none.
const CGROUP_PARENT: &str = "/nemoclaw";

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

/// A planned box that nothing was done for yet.
struct Planned {
    plan: Plan,
    state: BoxState,
    bundle: PathBuf,
}

/// Build the box; its init waits for `start`.
///
/// # Errors
/// One sentence why not; then nothing of it is left.
pub fn build(context: &Context, request: &Request<'_>) -> Result<BoxState> {
    check_id(request.id)?;
    let store = context.store()?;
    clear_unfinished(context, &store, request.id)?;
    let mut planned = planned(context, &store, request)?;
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

fn planned(context: &Context, store: &Store, request: &Request<'_>) -> Result<Planned> {
    let bundle = std::fs::canonicalize(request.bundle)
        .with_context(|| format!("cannot find the bundle `{}`", request.bundle.display()))?;
    let node = context.node()?;
    let spec = given_spec(context, &bundle, &node)?;
    let resolved = resolve(&plan::policy_request(&spec, context.handler.clone()), &node)?;
    resolved
        .remarks
        .iter()
        .for_each(|remark| context.log.info(remark));
    let abi = kernel::kernel_abi();
    let binary = seal::binary().context("cannot find this program's own file")?;
    let guards = guards(store)?;
    let known = host::Known {
        landlock_abi: abi,
        runtime_binary: &binary,
        guards: &guards,
        node: &node,
    };
    let facts = host::probe(&spec, &bundle, &known)?;
    let root = spec
        .root()
        .as_ref()
        .map(|root| bundle.join(root.path()))
        .context("the config.json names no root")?;
    let rootfs = bundle::rootfs::probe(&root, &plan::paths_of_interest(&spec, &resolved.policy))?;
    let box_dir = store.directory(request.id)?;
    let mut plan = plan::make(&Inputs {
        id: request.id,
        spec: &spec,
        policy: &resolved.policy,
        texts: &resolved.texts,
        node: &node,
        host: &facts,
        rootfs: &rootfs,
        bundle: &bundle,
        box_dir: &box_dir,
    })?;
    plan.remarks
        .iter()
        .for_each(|remark| context.log.info(remark));
    let cgroup = place_in_cgroup(&mut plan.spec, request.id, context.global.systemd_cgroup);
    let state = first_state(
        Chosen {
            context,
            request,
            spec: &spec,
            resolved: &resolved,
            abi,
            root: store.root.clone(),
        },
        &mut plan,
        cgroup,
    )?;
    Ok(Planned {
        plan,
        state: BoxState {
            bundle: bundle.clone(),
            rootfs: root,
            ..state
        },
        bundle,
    })
}

/// The engine's spec, with the devices that it asks for.
fn given_spec(context: &Context, bundle: &Path, node: &NodeConfig) -> Result<Spec> {
    let config = bundle.join("config.json");
    let spec =
        Spec::load(&config).with_context(|| format!("cannot read `{}`", config.display()))?;
    let injected = cdi::inject(spec, &node.cdi)?;
    injected
        .remarks
        .iter()
        .for_each(|remark| context.log.info(remark));
    injected
        .faults
        .iter()
        .for_each(|fault| context.log.warning(fault));
    Ok(injected.spec)
}

/// Living boxes, whose network namespaces are guarded.
fn guards(store: &Store) -> Result<Vec<host::Guard>> {
    let all = store.list().context("cannot list the boxes")?;
    let living = all
        .iter()
        .filter(|state| !state.unconfined && state.pid() != 0);
    Ok(living
        .map(|state| host::Guard {
            sandbox: state.id.clone(),
            pid: state.pid(),
        })
        .collect())
}

/// The cgroup of the spec, which gets a path of ours where the engine gives none: libcontainer's own default is not one.
fn place_in_cgroup(spec: &mut Spec, id: &str, systemd: bool) -> CgroupPlace {
    let given = spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.cgroups_path().clone());
    let path = given
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or_else(|| match systemd {
            true => PathBuf::from(format!("system.slice:nemoclaw:{id}")),
            false => Path::new(CGROUP_PARENT).join(id),
        });
    if let Some(linux) = spec.linux_mut() {
        linux.set_cgroups_path(Some(path.clone()));
    }
    CgroupPlace { path, systemd }
}

/// What was found out before the state is made.
struct Chosen<'a> {
    context: &'a Context,
    request: &'a Request<'a>,
    spec: &'a Spec,
    resolved: &'a Resolved,
    abi: u32,
    root: PathBuf,
}

fn first_state(chosen: Chosen<'_>, plan: &mut Plan, cgroup: CgroupPlace) -> Result<BoxState> {
    let degraded = match &plan.confinement.landlock {
        Some(rules) => landlock::strength(rules, chosen.abi)?,
        None => Vec::new(),
    };
    for missing in &degraded {
        chosen.context.log.warning(&format!(
            "this kernel does not enforce {missing}; the policy allows that"
        ));
    }
    let agent = plan
        .confinement
        .seccomp
        .agent
        .then(nemoclaw_policy::seccomp::agent);
    let filters = seccomp::compile(plan.confinement.seccomp.engine.as_ref(), agent.as_ref())?;
    let mut final_capabilities = None;
    if !plan.confinement.no_new_privileges && !filters.programs.is_empty() {
        final_capabilities = rights::keep_loading_right(&mut plan.spec)?;
    }
    let namespaces = plan
        .spec
        .linux()
        .as_ref()
        .and_then(|linux| linux.namespaces().as_deref())
        .unwrap_or_default();
    let user_namespace = namespaces
        .iter()
        .any(|namespace| namespace.typ() == LinuxNamespaceType::User);
    let creator = ProcessId::of(i32::try_from(std::process::id())?)
        .context("cannot read this process's start time")?;
    Ok(BoxState {
        id: chosen.request.id.to_owned(),
        root: chosen.root,
        bundle: PathBuf::new(),
        rootfs: PathBuf::new(),
        policy: chosen.resolved.policy.name.clone(),
        unconfined: chosen.resolved.policy.mode == Mode::Unconfined,
        strength: Strength {
            landlock_abi: chosen.abi,
            degraded,
        },
        confinement: plan.confinement.clone(),
        filters,
        final_capabilities,
        limits: plan.limits,
        cgroup,
        user_namespace,
        phase: Phase::Creating,
        paused: false,
        creator,
        init: None,
        created: crate::log::now(),
        owner: nix::unistd::geteuid().as_raw(),
        annotations: plan::engine_annotations(chosen.spec.annotations().as_ref())
            .into_iter()
            .collect(),
    })
}

/// libcontainer, then the walls, then the state that says «created».
fn raise(
    context: &Context,
    store: &Store,
    request: &Request<'_>,
    planned: &mut Planned,
) -> Result<()> {
    let box_dir = store.directory(request.id)?;
    if !(planned.state.unconfined && request.no_new_keyring) {
        keyring::join_new_session().context("cannot make a session keyring")?;
    }
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
        start: Some(report::listen(&box_dir).context("cannot make the start socket")?),
    });
    std::fs::create_dir_all(&store.root)
        .with_context(|| format!("cannot make `{}`", store.root.display()))?;
    let aside = Aside::new(&box_dir).context("cannot set standard error aside")?;
    let built = ContainerBuilder::new(request.id.to_owned(), SyscallType::default())
        .with_executor(executor)
        .with_stderr(aside.own().context("cannot copy a descriptor")?)
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
    let pid = container
        .pid()
        .context("libcontainer names no first process")?;
    let init =
        ProcessId::of(pid.as_raw()).context("the first process ended before it was started")?;
    planned.state.init = Some(init);
    let held: PidFd = init
        .hold()
        .context("the first process ended before it was started")?;
    let rules = planned
        .state
        .confinement
        .landlock
        .as_mut()
        .map(|plan| plan.rules.as_mut_slice());
    if planned.plan.walls.is_some() || rules.is_some() {
        walls::build(
            &held,
            planned.plan.walls.as_ref(),
            rules.unwrap_or_default(),
        )?;
    }
    planned.state.phase = Phase::Created;
    store.save(&planned.state)?;
    write_pid(request.pid_file, pid.as_raw())
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
            let cause = cause.unwrap_or_else(|| plain(&sentence(error)));
            anyhow!("cannot build the container: {cause}")
        }
    }
}

/// libcontainer's words without its own frames.
fn plain(text: &str) -> String {
    const FRAMES: [&str; 3] = [
        "failed to create container: ",
        "exec process failed with error ",
        "intermediate process error ",
    ];
    let mut rest = text.trim_end_matches('\0');
    while let Some(inner) = FRAMES.iter().find_map(|frame| rest.strip_prefix(frame)) {
        rest = inner;
    }
    rest.to_owned()
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
