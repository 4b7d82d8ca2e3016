//! Putting the plan together: each part is decided in its own file, here they meet.

use std::path::Path;

use nemoclaw_policy::handover::{Egress, Handover};
use nemoclaw_policy::policy::Mode;
use oci_spec::runtime::{Linux, Mount, Process, Root, Spec};

use super::landlock::Ground;
use super::mounts::Dots;
use super::namespaces::Namespaces;
use super::paths::PathRules;
use super::places::Places;
use super::users::Users;
use super::{
    Confinement, Inputs, Plan, Refusal, ResourceLimits, SeccompPlan, Trust, added, devices, disk,
    environment, hooks, landlock, limits, masks, mounts, namespaces, pod, privileged, process,
    sources, sysctl, trust, unconfined,
};

/// The hand-over's version.
const HANDOVER_VERSION: u32 = 1;

/// Makes the plan, or says why there is none.
///
/// # Errors
/// One sentence: what the engine asked for that a sandbox cannot have, or what this machine or image lacks.
pub fn make(inputs: &Inputs<'_>) -> Result<Plan, Refusal> {
    let given = Given::of(inputs.spec)?;
    if inputs.policy.mode == Mode::Unconfined {
        return unconfined::planned(inputs, &given);
    }
    privileged::check(inputs.spec)?;
    sysctl::check(given.linux.sysctl().as_ref())?;
    hooks::check(inputs.spec.hooks().as_ref())?;
    devices::check_network(given.linux.net_devices().as_ref())?;
    limits::check_oom_score(given.process.oom_score_adj(), inputs.host)?;
    confined(inputs, &given)
}

/// The parts of a spec that every container has.
pub struct Given<'a> {
    /// `process`.
    pub process: &'a Process,
    /// `linux`.
    pub linux: &'a Linux,
    /// `root`.
    pub root: &'a Root,
    mounts: Vec<Mount>,
}

impl<'a> Given<'a> {
    fn of(spec: &'a Spec) -> Result<Given<'a>, Refusal> {
        Ok(Given {
            process: spec
                .process()
                .as_ref()
                .ok_or(Refusal::Incomplete("process"))?,
            linux: spec.linux().as_ref().ok_or(Refusal::Incomplete("linux"))?,
            root: spec.root().as_ref().ok_or(Refusal::Incomplete("root"))?,
            mounts: spec.mounts().clone().unwrap_or_default(),
        })
    }

    /// The engine's mounts in one form.
    pub fn normalised(&self, bundle: &Path, dots: Dots) -> Result<Vec<Mount>, Refusal> {
        self.mounts
            .iter()
            .map(|mount| mounts::normalised(mount, bundle, dots))
            .collect()
    }
}

/// A sandbox.
fn confined(inputs: &Inputs<'_>, given: &Given<'_>) -> Result<Plan, Refusal> {
    let mut remarks = Vec::new();
    let listed = given.linux.namespaces().as_deref().unwrap_or_default();
    let namespaces = namespaces::planned(listed, inputs.host)?;
    join(inputs, &namespaces, &mut remarks)?;
    if namespaces.network_of.is_none() && !inputs.host.egress_hook_present {
        return Err(Refusal::NoEgressHook(inputs.host.egress_hook.clone()));
    }
    let rules = PathRules::new(
        &inputs.policy.filesystem,
        process::cwd(given.process.cwd())?,
    );
    if let Some(cwd) = &rules.workdir_refused {
        remarks.push(format!(
            "the working directory `{}` does not become writable",
            cwd.display()
        ));
    }
    let tree = Tree::of(inputs, given, (&namespaces, &rules), &mut remarks)?;
    let confinement = confinement(inputs, given, &tree, (&namespaces, &rules), &mut remarks)?;
    let (linux, limits) = linux(inputs, given.linux, &namespaces, &mut remarks);
    let egress = namespaces
        .network_of
        .is_none()
        .then_some(inputs.host.egress_hook.as_path());
    let parts = Parts {
        process: super::exec_process(given.process, &confinement),
        linux,
        mounts: tree.mounts,
        readonly: Some(false),
    };
    let directories = tree.places.made(tree.user.on_host);
    Ok(Plan {
        spec: assembled(inputs, given, parts),
        egress: egress.map(hooks::egress),
        walls: Some(tree.places.walls),
        confinement,
        handover: egress.map(|_| handover(inputs)),
        remarks,
        limits,
        directories,
        trust: tree.trust,
    })
}

/// What joining another sandbox's network means: its policy decides on the traffic. An offline box would get a way out.
fn join(
    inputs: &Inputs<'_>,
    namespaces: &Namespaces,
    remarks: &mut Vec<String>,
) -> Result<(), Refusal> {
    let Some(guard) = &namespaces.network_of else {
        return Ok(());
    };
    let policy = &inputs.policy.name;
    if inputs.policy.mode == Mode::Offline && namespaces.online {
        return Err(Refusal::OfflineJoins {
            policy: policy.clone(),
            guard: guard.clone(),
        });
    }
    remarks.push(format!(
        "the network is that of the sandbox `{guard}`: its policy decides on traffic, not `{policy}`"
    ));
    Ok(())
}

/// The box's file tree and who lives in it.
struct Tree {
    mounts: Vec<Mount>,
    places: Places,
    user: Users,
    trust: Option<Trust>,
}

impl Tree {
    fn of(
        inputs: &Inputs<'_>,
        given: &Given<'_>,
        (namespaces, rules): (&Namespaces, &PathRules),
        remarks: &mut Vec<String>,
    ) -> Result<Tree, Refusal> {
        let mut all = mounts::confined(
            given.normalised(inputs.bundle, Dots::Refused)?,
            rules,
            inputs.host,
            remarks,
        )?;
        sources::check_policies(&all, rules, inputs.texts)?;
        let limited = disk::limit(inputs, given, &mut all, rules, remarks)?;
        let user = Users::of(inputs, given, &all, rules)?;
        let mut places = Places::of(inputs, given, &all, rules, remarks)?;
        places.keep_writable(limited);
        added::add_shared_memory(&mut all);
        if places.tmpfs {
            added::add_tmp(&mut all);
        }
        let trust = trust::planned(inputs, namespaces, &mut all)?;
        Ok(Tree {
            mounts: all,
            places,
            user,
            trust,
        })
    }
}

/// What init and every exec'ed process get.
fn confinement(
    inputs: &Inputs<'_>,
    given: &Given<'_>,
    tree: &Tree,
    (namespaces, rules): (&Namespaces, &PathRules),
    remarks: &mut Vec<String>,
) -> Result<Confinement, Refusal> {
    let nodes = devices::check(given.linux.devices().as_deref())?;
    let mut ours = if tree.trust.is_some() {
        trust::readable_files(inputs)
    } else {
        Vec::new()
    };
    ours.extend(pod::holder(inputs.spec));
    let ground = Ground {
        policy: inputs.policy,
        rules,
        host: inputs.host,
        devices: &nodes,
        ours: &ours,
        shared: namespaces.shared,
    };
    let landlock = tree.places.adjusted(landlock::planned(&ground, remarks)?);
    let may_write = |path: &Path| tree.places.may_write(path, rules);
    let nofile = inputs.policy.resources.nofile;
    let given_limits = given.process.rlimits().as_deref().unwrap_or_default();
    Ok(Confinement {
        landlock: Some(landlock),
        seccomp: SeccompPlan {
            engine: given.linux.seccomp().clone(),
            agent: true,
        },
        no_new_privileges: true,
        capabilities: Some(tree.user.capabilities.clone()),
        environment: variables(inputs, given, may_write, &tree.user, tree.trust.is_some()),
        placeholders: placeholders(inputs, given, remarks),
        user: tree.user.forced,
        rlimits: limits::rlimits(given_limits, inputs.host, nofile)?,
        nofile,
    })
}

/// Variables for init and every exec.
fn variables(
    inputs: &Inputs<'_>,
    given: &Given<'_>,
    may_write: impl Fn(&Path) -> bool,
    user: &Users,
    trusts: bool,
) -> Vec<(String, String)> {
    let env = given.process.env().as_deref().unwrap_or_default();
    let home = environment::home(env, inputs.rootfs.account(user.uid), may_write);
    let ca = if trusts {
        environment::ca_variables()
    } else {
        Vec::new()
    };
    home.into_iter().chain(ca).collect()
}

/// Placeholders of the providers that the policy binds. A value that the engine gives stays, and is told by name.
fn placeholders(
    inputs: &Inputs<'_>,
    given: &Given<'_>,
    remarks: &mut Vec<String>,
) -> Vec<(String, String)> {
    if inputs.policy.mode == Mode::Offline {
        return Vec::new();
    }
    let policies: Vec<&str> = inputs.texts.iter().map(|text| text.name.as_str()).collect();
    let all = inputs
        .providers
        .environment(inputs.id, inputs.policy, &policies);
    let env = given.process.env().as_deref().unwrap_or_default();
    for (key, _) in all.iter().filter(|(key, _)| environment::has(env, key)) {
        remarks.push(format!(
            "the engine sets the variable `{key}`: that value is in the sandbox, and no placeholder"
        ));
    }
    all
}

/// The Linux part: own namespaces, masks, limits; seccomp is ours to load; nothing propagates in or out.
fn linux(
    inputs: &Inputs<'_>,
    given: &Linux,
    namespaces: &Namespaces,
    remarks: &mut Vec<String>,
) -> (Linux, ResourceLimits) {
    let policy = &inputs.policy.resources;
    let (resources, limits) = limits::resources(given.resources().as_ref(), policy, remarks);
    let mut linux = given.clone();
    linux
        .set_namespaces(Some(namespaces.list.clone()))
        .set_resources(Some(resources))
        .set_seccomp(None)
        .set_masked_paths(Some(masks::masked(given.masked_paths().as_deref())))
        .set_readonly_paths(Some(masks::read_only(given.readonly_paths().as_deref())))
        .set_rootfs_propagation(Some("private".to_owned()));
    (linux, limits)
}

/// The decided parts of the planned configuration.
pub struct Parts {
    /// First process.
    pub process: Process,
    /// Linux part.
    pub linux: Linux,
    /// All mounts.
    pub mounts: Vec<Mount>,
    /// `root.readonly`; a sandbox's is the walls' work.
    pub readonly: Option<bool>,
}

/// The planned configuration.
pub fn assembled(inputs: &Inputs<'_>, given: &Given<'_>, parts: Parts) -> Spec {
    let mut root = given.root.clone();
    root.set_path(inputs.bundle.join(given.root.path()))
        .set_readonly(parts.readonly);
    let mut spec = inputs.spec.clone();
    spec.set_root(Some(root))
        .set_process(Some(parts.process))
        .set_linux(Some(parts.linux))
        .set_mounts(Some(parts.mounts));
    spec
}

fn handover(inputs: &Inputs<'_>) -> Handover {
    Handover {
        version: HANDOVER_VERSION,
        sandbox: inputs.id.to_owned(),
        egress: if inputs.policy.mode == Mode::Offline {
            Egress::Offline
        } else {
            Egress::Router
        },
        policies: inputs.texts.to_vec(),
        router_socket: inputs.node.router.socket.clone(),
        capture: inputs.node.capture,
        inbound: inputs.policy.ports.clone(),
    }
}
