//! Putting the plan together: each part is decided in its own file, here they meet.

use std::path::{Path, PathBuf};

use libcontainer::oci_spec::runtime::{Linux, Mount, Process, Root, Spec};
use nemoclaw_policy::handover::{CA_BUNDLE_FILE, Egress, Handover, RESOLV_CONF_FILE};
use nemoclaw_policy::policy::Mode;

use super::landlock::Ground;
use super::namespaces::Namespaces;
use super::paths::{Access, PathRules, TMP};
use super::writable::{Identity, Place};
use super::{
    Confinement, Inputs, LandlockPlan, NewDirectory, PathKind, Plan, Refusal, ResourceLimits,
    SeccompPlan, Trust, Walls, annotations, devices, environment, hooks, landlock, limits, masks,
    mounts, namespaces, privileged, process, sysctl, writable,
};

/// Where programs look for name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// The hand-over's version.
const HANDOVER_VERSION: u32 = 1;

/// Makes the plan, or says why there is none.
///
/// # Errors
/// One sentence: what the engine asked for that a sandbox cannot have, or what this machine or image lacks.
pub fn make(inputs: &Inputs<'_>) -> Result<Plan, Refusal> {
    let given = Given::of(inputs.spec)?;
    if inputs.policy.mode == Mode::Unconfined {
        return unconfined(inputs, &given);
    }
    privileged::check(inputs.spec)?;
    sysctl::check(given.linux.sysctl().as_ref())?;
    hooks::check(inputs.spec.hooks().as_ref())?;
    limits::check_oom_score(given.process.oom_score_adj(), inputs.host)?;
    confined(inputs, &given)
}

/// The parts of a spec that every container has.
struct Given<'a> {
    process: &'a Process,
    linux: &'a Linux,
    root: &'a Root,
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

    fn normalised(&self, bundle: &Path) -> Result<Vec<Mount>, Refusal> {
        self.mounts
            .iter()
            .map(|mount| mounts::normalised(mount, bundle))
            .collect()
    }
}

/// The engine's own config, only made legal for libcontainer; seccomp and no_new_privs are loaded by us.
fn unconfined(inputs: &Inputs<'_>, given: &Given<'_>) -> Result<Plan, Refusal> {
    limits::check_rlimits(
        given.process.rlimits().as_deref().unwrap_or_default(),
        inputs.host,
    )?;
    limits::check_oom_score(given.process.oom_score_adj(), inputs.host)?;
    let mut linux = given.linux.clone();
    linux.set_seccomp(None);
    linux.set_rootfs_propagation(
        given
            .linux
            .rootfs_propagation()
            .as_deref()
            .map(plain_propagation),
    );
    let mut first = given.process.clone();
    let asked = first.no_new_privileges() == Some(true);
    first.set_no_new_privileges(asked.then_some(true));
    let readonly = given.root.readonly();
    let spec = assembled(
        inputs,
        given,
        Parts {
            process: first,
            linux,
            mounts: given.normalised(inputs.bundle)?,
            readonly,
            egress: None,
        },
    );
    Ok(Plan {
        spec,
        walls: None,
        confinement: Confinement {
            seccomp: SeccompPlan {
                engine: given.linux.seccomp().clone(),
                agent: false,
            },
            no_new_privileges: asked,
            ..Confinement::default()
        },
        handover: None,
        remarks: vec![format!(
            "the policy `{}` puts up no walls: this is a plain container",
            inputs.policy.name
        )],
        limits: ResourceLimits::default(),
        directories: Vec::new(),
        trust: None,
    })
}

/// A sandbox.
fn confined(inputs: &Inputs<'_>, given: &Given<'_>) -> Result<Plan, Refusal> {
    let mut remarks = Vec::new();
    let namespaces = namespaces::planned(
        given.linux.namespaces().as_deref().unwrap_or_default(),
        inputs.host,
    )?;
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
    let mut box_mounts = mounts::confined(
        given.normalised(inputs.bundle)?,
        &rules,
        inputs.host,
        &mut remarks,
    )?;
    let user = Users::of(inputs, given, &box_mounts, &rules)?;
    let places = Places::of(inputs, given, &box_mounts, &rules, &mut remarks)?;
    mounts::add_shared_memory(&mut box_mounts);
    if places.tmpfs {
        mounts::add_tmp(&mut box_mounts);
    }
    let trust = trust(inputs, &namespaces, &mut box_mounts);
    let ours: Vec<PathBuf> = trust.iter().flat_map(|_| readable_files(inputs)).collect();
    let nodes = devices::check(given.linux.devices().as_deref())?;
    let ground = Ground {
        policy: inputs.policy,
        rules: &rules,
        host: inputs.host,
        devices: &nodes,
        ours: &ours,
        shared: namespaces.shared,
    };
    let landlock = places.adjusted(landlock::planned(&ground, &mut remarks)?);
    let environment = variables(inputs, given, &rules, &user, trust.is_some());
    let rlimits = limits::rlimits(
        given.process.rlimits().as_deref().unwrap_or_default(),
        inputs.host,
    )?;
    let confinement = Confinement {
        landlock: Some(landlock),
        seccomp: SeccompPlan {
            engine: given.linux.seccomp().clone(),
            agent: true,
        },
        no_new_privileges: true,
        capabilities: Some(user.capabilities.clone()),
        environment,
        user: user.forced,
        rlimits,
    };
    let (linux, limits) = linux(given.linux, &namespaces);
    let process = super::exec_process(given.process, &confinement);
    let egress = namespaces
        .network_of
        .is_none()
        .then_some(inputs.host.egress_hook.as_path());
    let parts = Parts {
        process,
        linux,
        mounts: box_mounts,
        readonly: Some(false),
        egress,
    };
    let directories = places.made(user.on_host);
    Ok(Plan {
        spec: assembled(inputs, given, parts),
        walls: Some(places.walls),
        confinement,
        handover: egress.map(|_| handover(inputs)),
        remarks,
        limits,
        directories,
        trust,
    })
}

/// Who runs in the box and with which capabilities.
struct Users {
    forced: Option<(u32, u32)>,
    uid: u32,
    capabilities: Vec<String>,
    on_host: Option<(u32, u32)>,
}

impl Users {
    fn of(
        inputs: &Inputs<'_>,
        given: &Given<'_>,
        box_mounts: &[Mount],
        rules: &PathRules,
    ) -> Result<Users, Refusal> {
        let capabilities =
            process::capabilities(inputs.policy, given.process.capabilities().as_ref())?;
        let forced = process::forced_user(inputs.policy, given.process.user(), inputs.rootfs)?;
        let user = process::with_forced(given.process.user(), forced);
        let identity = Identity {
            user: &user,
            uids: given.linux.uid_mappings().as_deref(),
            gids: given.linux.gid_mappings().as_deref(),
            overrides: capabilities.iter().any(|name| name == "CAP_DAC_OVERRIDE"),
        };
        identity.check_volumes(box_mounts, rules, inputs.host)?;
        Ok(Users {
            forced,
            uid: user.uid(),
            on_host: identity.on_host(),
            capabilities,
        })
    }
}

/// What becomes of every path of the policy.
#[derive(Default)]
struct Places {
    walls: Walls,
    /// Directories to make; true = owned by the process's user, false = by root.
    make: Vec<(PathBuf, bool)>,
    absent: Vec<PathBuf>,
    tmpfs: bool,
}

impl Places {
    fn of(
        inputs: &Inputs<'_>,
        given: &Given<'_>,
        box_mounts: &[Mount],
        rules: &PathRules,
        remarks: &mut Vec<String>,
    ) -> Result<Places, Refusal> {
        let readonly_root = given.root.readonly().unwrap_or(false);
        let mut places = Places {
            walls: Walls {
                kept: mounts::KEPT.iter().map(PathBuf::from).collect(),
                readonly_root,
                writable_root: rules.writable_root() && !readonly_root,
                ..Walls::default()
            },
            ..Places::default()
        };
        for path in rules
            .read_write
            .iter()
            .filter(|path| is_files(path) && rules.access(path) == Access::Write)
        {
            let place = writable::place(path, box_mounts, inputs.rootfs, readonly_root)?;
            match place {
                Place::There => {}
                Place::Make => places.make.push((path.clone(), true)),
                Place::Tmpfs => places.tmpfs = true,
                Place::Absent => {
                    remarks.push(format!(
                        "`{}` is not in the image as a real directory: skipped",
                        path.display()
                    ));
                    places.absent.push(path.clone());
                    continue;
                }
            }
            places.walls.writable.push(path.clone());
        }
        for path in rules
            .nested_read_only()
            .into_iter()
            .filter(|path| is_files(path))
        {
            places.add_read_only(path, inputs, box_mounts);
        }
        Ok(places)
    }

    /// A read-only path below a writable one must be there from the start, or the agent could make it.
    fn add_read_only(&mut self, path: PathBuf, inputs: &Inputs<'_>, box_mounts: &[Mount]) {
        let under_mount = box_mounts
            .iter()
            .any(|mount| path.starts_with(mount.destination()));
        let missing = inputs.rootfs.kind(&path) == PathKind::Missing;
        if missing
            && !under_mount
            && !self.walls.readonly_root
            && !(self.tmpfs && path.starts_with(TMP))
        {
            self.make.push((path.clone(), false));
        }
        self.walls.readonly.push(path);
    }

    /// Rules of paths that are not there cannot be required.
    fn adjusted(&self, mut plan: LandlockPlan) -> LandlockPlan {
        for rule in plan
            .rules
            .iter_mut()
            .filter(|rule| self.absent.contains(&rule.path))
        {
            rule.required = false;
        }
        plan
    }

    fn made(&self, user: Option<(u32, u32)>) -> Vec<NewDirectory> {
        let owner = |users: bool| {
            if users {
                user.unwrap_or((0, 0))
            } else {
                (0, 0)
            }
        };
        let directory = |(path, users): &(PathBuf, bool)| {
            let (uid, gid) = owner(*users);
            NewDirectory {
                path: path.clone(),
                uid,
                gid,
            }
        };
        self.make.iter().map(directory).collect()
    }
}

/// Whether the walls have to do with `path`: the kernel's file systems keep their own flags, `/` is the root layer.
fn is_files(path: &Path) -> bool {
    path != Path::new("/")
        && !["/proc", "/sys", "/dev"]
            .iter()
            .any(|kernel| path.starts_with(kernel))
}

/// Mounts the CA bundle and `resolv.conf`, unless nothing answers in this box.
fn trust(
    inputs: &Inputs<'_>,
    namespaces: &Namespaces,
    box_mounts: &mut Vec<Mount>,
) -> Option<Trust> {
    if inputs.policy.mode == Mode::Offline {
        return None;
    }
    for path in environment::bundle_mounts(inputs.rootfs) {
        mounts::replace_with_file(box_mounts, &path, inputs.box_dir.join(CA_BUNDLE_FILE));
    }
    mounts::replace_with_file(
        box_mounts,
        Path::new(RESOLV_CONF),
        inputs.box_dir.join(RESOLV_CONF_FILE),
    );
    let boxes = inputs.box_dir.parent();
    let joined_box = namespaces
        .network_of
        .as_ref()
        .and_then(|guard| Some(boxes?.join(guard)));
    Some(Trust {
        image_bundle: environment::image_bundle(inputs.rootfs),
        joined_box,
    })
}

/// Our files in the box, readable whatever the policy lists.
fn readable_files(inputs: &Inputs<'_>) -> Vec<PathBuf> {
    environment::bundle_mounts(inputs.rootfs)
        .into_iter()
        .chain([PathBuf::from(RESOLV_CONF)])
        .collect()
}

/// Variables for init and every exec.
fn variables(
    inputs: &Inputs<'_>,
    given: &Given<'_>,
    rules: &PathRules,
    user: &Users,
    trusts: bool,
) -> Vec<(String, String)> {
    let env = given.process.env().as_deref().unwrap_or_default();
    let mut all: Vec<(String, String)> = environment::home(env, user.uid, rules, inputs.rootfs)
        .into_iter()
        .collect();
    if trusts {
        all.extend(environment::ca_variables());
    }
    all
}

/// The Linux part: own namespaces, masks, limits; seccomp is ours to load; nothing propagates in or out.
fn linux(given: &Linux, namespaces: &Namespaces) -> (Linux, ResourceLimits) {
    let (resources, limits) = limits::resources(given.resources().as_ref());
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

/// libcontainer knows each propagation only without the `r`, and applies it recursively anyway.
fn plain_propagation(given: &str) -> String {
    match given {
        "rprivate" => "private",
        "rslave" => "slave",
        "rshared" => "shared",
        "runbindable" => "unbindable",
        other => other,
    }
    .to_owned()
}

/// The decided parts of the private bundle's spec.
struct Parts<'a> {
    process: Process,
    linux: Linux,
    mounts: Vec<Mount>,
    readonly: Option<bool>,
    egress: Option<&'a Path>,
}

fn assembled(inputs: &Inputs<'_>, given: &Given<'_>, parts: Parts<'_>) -> Spec {
    let mut root = given.root.clone();
    root.set_path(inputs.bundle.join(given.root.path()))
        .set_readonly(parts.readonly);
    let mut spec = inputs.spec.clone();
    let engine_hooks = inputs.spec.hooks().as_ref();
    spec.set_root(Some(root))
        .set_process(Some(parts.process))
        .set_linux(Some(parts.linux))
        .set_mounts(Some(parts.mounts))
        .set_hooks(Some(hooks::planned(
            engine_hooks,
            &inputs.host.runtime_binary,
            parts.egress,
        )))
        .set_annotations(Some(annotations::planned(
            inputs.spec.annotations().as_ref(),
            inputs.bundle,
            inputs.box_dir,
        )));
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
        inbound: None,
    }
}
