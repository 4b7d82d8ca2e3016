//! Planning a box: what the engine asks for, the policy, this machine, and the state that a box begins with.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use nemoclaw_policy::handover::{self, Egress, Handover};
use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::policy::{Mode, Policy};
use nemoclaw_policy::provider::{self, Providers};
use nemoclaw_policy::resolve::{Resolved, resolve};
use oci_spec::runtime::{Hook, Hooks, Spec};

use super::build::Request;
use super::context::Context;
use crate::cgroup::CgroupPlace;
use crate::enforce::{landlock, seccomp};
use crate::plan::{self, HostFacts, Inputs, Plan, host};
use crate::raise::labels;
use crate::state::{Agent, BoxState, LaterHooks, Phase, ProcessId, Repeated, Store, Strength};
use crate::sys::{landlock as kernel, seal};
use crate::{bundle, cdi, input};

/// What the version of a configuration begins with.
const OCI_MAJOR: &str = "1.";
/// The cgroup's parent where the engine names none.
const CGROUP_PARENT: &str = "/nemoclaw";
/// A descriptor is held for each, and a process has 1024 where nobody raised that.
const MOST_MOUNTS: usize = 900;

/// A planned box that nothing was done for yet.
pub struct Planned {
    /// What to do.
    pub plan: Plan,
    /// The box's first state.
    pub state: BoxState,
    /// What exec repeats, without identities yet.
    pub repeated: Repeated,
}

/// Plan the box. Everything is only looked at.
///
/// # Errors
/// One sentence: what is missing, or what a sandbox cannot have.
pub fn plan(context: &Context, store: &Store, request: &Request<'_>) -> Result<Planned> {
    let bundle = std::fs::canonicalize(request.bundle)
        .with_context(|| format!("cannot find the bundle `{}`", request.bundle.display()))?;
    let node = context.node()?;
    let spec = given_spec(&bundle)?;
    let resolved = resolve(&plan::policy_request(&spec, context.handler.clone()), &node)?;
    log_all(context, &resolved.remarks);
    let (spec, variables) = with_devices(context, spec, &node, &resolved.policy)?;
    let host = host_facts(store, &node, &spec, &bundle)?;
    let root = spec.root().as_ref();
    let rootfs = root
        .map(|root| bundle.join(root.path()))
        .context("the config.json names no root")?;
    let paths = plan::paths_of_interest(&spec, &resolved.policy);
    let mut plan = plan::make(&Inputs {
        id: request.id,
        spec: &spec,
        policy: &resolved.policy,
        texts: &resolved.texts,
        node: &node,
        providers: &providers(context, &node, &resolved.policy),
        host: &host,
        rootfs: &bundle::rootfs::probe(&rootfs, &paths)?,
        bundle: &bundle,
        box_dir: &store.directory(request.id)?,
    })?;
    plan.confinement.environment.extend(variables);
    log_all(context, &plan.remarks);
    let chosen = Chosen {
        context,
        id: request.id,
        spec: &spec,
        resolved: &resolved,
        abi: host.landlock_abi,
        keeps_keyring: request.no_new_keyring,
        root: store.root.clone(),
        bundle,
        rootfs,
    };
    if let Some(process) = plan.spec.process() {
        labels::check(process)?;
    }
    let repeated = repeated(&spec, &plan)?;
    let state = first_state(chosen, &mut plan)?;
    Ok(Planned {
        plan,
        state,
        repeated,
    })
}

fn log_all(context: &Context, remarks: &[String]) {
    remarks.iter().for_each(|remark| context.log.info(remark));
}

/// The node's providers, where the policy binds any. A faulty file costs the placeholders, not the box: the router goes
/// on with the providers of before, and says what the fault is.
fn providers(context: &Context, node: &NodeConfig, policy: &Policy) -> Providers {
    if provider::bound(policy).is_empty() {
        return Providers::default();
    }
    match provider::load(&node.providers) {
        Ok((_, providers)) => providers,
        Err(error) => {
            context.log.warning(&format!(
                "no placeholders of credentials: {:#}",
                anyhow::Error::new(error)
            ));
            Providers::default()
        }
    }
}

/// This machine, as far as a plan depends on it.
fn host_facts(store: &Store, node: &NodeConfig, spec: &Spec, bundle: &Path) -> Result<HostFacts> {
    let binary = seal::binary().context("cannot find this program's own file")?;
    let guards = guards(store, spec)?;
    let known = host::Known {
        landlock_abi: kernel::kernel_abi(),
        runtime_binary: &binary,
        guards: &guards,
        node,
    };
    Ok(host::probe(spec, bundle, &known)?)
}

/// The engine's spec.
fn given_spec(bundle: &Path) -> Result<Spec> {
    let config = bundle.join("config.json");
    let spec: Spec = input::file(&config, input::LONGEST_CONFIG)
        .and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
        .with_context(|| format!("cannot read `{}`", config.display()))?;
    if !spec.version().starts_with(OCI_MAJOR) {
        bail!(
            "`{}` has the `ociVersion` \"{}\", and this runtime knows {OCI_MAJOR}x: have the engine write it",
            config.display(),
            spec.version()
        );
    }
    let mounts = spec.mounts().as_ref().map_or(0, Vec::len);
    if mounts > MOST_MOUNTS {
        bail!(
            "`{}` has {mounts} mounts: a container can have {MOST_MOUNTS}",
            config.display()
        );
    }
    Ok(spec)
}

/// The spec with the devices that the box gets, and their variables. The policy was chosen before: no CDI file has a say
/// in it.
fn with_devices(
    context: &Context,
    spec: Spec,
    node: &NodeConfig,
    policy: &Policy,
) -> Result<(Spec, Vec<(String, String)>)> {
    let injected = cdi::inject(spec, &node.cdi, policy)?;
    injected
        .remarks
        .iter()
        .for_each(|remark| context.log.info(remark));
    injected
        .faults
        .iter()
        .for_each(|fault| context.log.warning(fault));
    Ok((injected.spec, injected.variables))
}

/// Living boxes, whose namespaces may be joined. Asked only by a box that joins one: it reads all of them.
fn guards(store: &Store, spec: &Spec) -> Result<Vec<host::Guard>> {
    let namespaces = spec.linux().iter().flat_map(|linux| linux.namespaces());
    if !namespaces.flatten().any(|each| each.path().is_some()) {
        return Ok(Vec::new());
    }
    let all = store.list().context("cannot list the boxes")?;
    // One that is being made may yet fail, and its fence with it.
    let living = all
        .iter()
        .filter(|state| !state.unconfined && state.phase != Phase::Creating && state.pid() != 0);
    living
        .map(|state| {
            Ok(host::Guard {
                sandbox: state.id.clone(),
                pid: state.pid(),
                egress: egress(&store.directory(&state.id)?)?,
            })
        })
        .collect()
}

/// How the box of a directory gets out; `None` where it has no fence of its own.
fn egress(directory: &Path) -> Result<Option<Egress>> {
    let path = directory.join(handover::FILE);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let told: Handover = serde_json::from_slice(&bytes)
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            Ok(Some(told.egress))
        }
        // A box that ended meanwhile has none either.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// The cgroup of the spec, which gets a path of ours where the engine gives none.
fn place_in_cgroup(spec: &mut Spec, id: &str, systemd: bool) -> Result<CgroupPlace> {
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
    CgroupPlace::new(path, systemd).context("cannot find this process's cgroups")
}

/// What was found out before the state is made.
struct Chosen<'a> {
    context: &'a Context,
    id: &'a str,
    spec: &'a Spec,
    resolved: &'a Resolved,
    abi: u32,
    keeps_keyring: bool,
    root: PathBuf,
    bundle: PathBuf,
    rootfs: PathBuf,
}

fn first_state(chosen: Chosen<'_>, plan: &mut Plan) -> Result<BoxState> {
    let systemd = chosen.context.global.systemd_cgroup;
    let cgroup = place_in_cgroup(&mut plan.spec, chosen.id, systemd)?;
    let degraded = weaknesses(&chosen, plan)?;
    let given = chosen.spec.hooks().as_ref();
    let later = |of: &dyn Fn(&Hooks) -> Option<Vec<Hook>>| given.and_then(of).unwrap_or_default();
    let creator = ProcessId::of(i32::try_from(std::process::id())?)
        .context("cannot read this process's start time")?;
    Ok(BoxState {
        id: chosen.id.to_owned(),
        root: chosen.root,
        bundle: chosen.bundle,
        rootfs: chosen.rootfs,
        policy: chosen.resolved.policy.name.clone(),
        unconfined: chosen.resolved.policy.mode == Mode::Unconfined,
        strength: Strength {
            landlock_abi: chosen.abi,
            degraded,
        },
        limits: plan.limits,
        cgroup,
        keeps_keyring: chosen.keeps_keyring,
        rdt: None,
        hooks: LaterHooks {
            poststart: later(&|all| all.poststart().clone()),
            poststop: later(&|all| all.poststop().clone()),
            release: plan.egress.as_ref().map(|egress| egress.release.clone()),
        },
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

/// The filters compiled, beside the plan's values.
fn repeated(spec: &Spec, plan: &Plan) -> Result<Repeated> {
    let wanted = &plan.confinement.seccomp;
    let agent = wanted.agent.then(nemoclaw_policy::seccomp::agent);
    let filters = seccomp::compile(wanted.engine.as_ref(), agent.as_ref())?;
    let linux = spec.linux().as_ref();
    let profile = linux.and_then(|linux| linux.seccomp().as_ref());
    let agent = profile.and_then(|profile| {
        Some(Agent {
            path: profile.listener_path().clone()?,
            metadata: profile.listener_metadata().clone(),
        })
    });
    let mut confinement = plan.confinement.clone();
    // It is compiled; the profile itself is long and nobody needs it again.
    confinement.seccomp.engine = None;
    Ok(Repeated {
        confinement,
        filters,
        agent,
        process: None,
        personality: linux.and_then(|linux| linux.personality().clone()),
    })
}

/// What the policy wants and this kernel lacks; logged, and refused unless the policy allows it.
fn weaknesses(chosen: &Chosen<'_>, plan: &Plan) -> Result<Vec<String>> {
    let degraded = match &plan.confinement.landlock {
        Some(rules) => landlock::strength(rules, chosen.abi)?,
        None => Vec::new(),
    };
    for missing in &degraded {
        chosen.context.log.warning(&format!(
            "this kernel does not enforce {missing}; the policy allows that"
        ));
    }
    Ok(degraded)
}
