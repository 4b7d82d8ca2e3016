//! What an engine has merged itself before it called us: Docker 26 and containerd apply CDI files too.
//!
//! Their word is the operator's as far as the policy does not speak of devices. If it does, what it lists is the most
//! that a box may have: a device node of no listed device, or a mount or hook of another CDI device, is a refusal. The
//! node's list of hooks holds in any case, since they run as root on the host.

use std::path::Path;

use nemoclaw_policy::device::DeviceName;
use nemoclaw_policy::node::CdiConfig;
use nemoclaw_policy::policy::{Mode, Policy};
use oci_spec::runtime as oci;

use super::edits::{HookPlace, unfit_to_run};
use super::node::{HostNode, same_type};
use super::registry::{Described, Registry};
use super::spec::{ContainerEdits, DeviceNode, Hook};
use super::{CdiError, apply};

/// Nodes that engines list for every container: path and numbers.
const USUAL: [(&str, i64, i64); 8] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
    ("/dev/console", 5, 1),
    ("/dev/ptmx", 5, 2),
];

/// Whether `spec` may hold what an engine merged, so that the CDI files must be read.
pub fn to_be_checked(spec: &oci::Spec, policy: &Policy) -> bool {
    if policy.mode == Mode::Unconfined {
        return false;
    }
    policy.devices.ceiling().is_some()
        || unusual_nodes(spec).next().is_some()
        || hooks(spec).next().is_some()
}

/// Refuses what the policy or the node does not let an engine merge.
///
/// # Errors
/// The first thing beyond, by name.
pub fn check(
    spec: &oci::Spec,
    registry: &Registry,
    node: &CdiConfig,
    policy: &Policy,
) -> Result<(), CdiError> {
    let all = Merged {
        devices: registry.devices(),
        registry,
        policy,
    };
    if policy.devices.ceiling().is_some() {
        for device in unusual_nodes(spec) {
            let shown = format!("the device node `{}`", device.path().display());
            all.check(&shown, Stray::Refused, |edits| brings_node(edits, device))?;
        }
        for mount in spec.mounts().iter().flatten() {
            let shown = format!("the mount on `{}`", mount.destination().display());
            all.check(&shown, Stray::Kept, |edits| brings_mount(edits, mount))?;
        }
    }
    for (place, hook) in hooks(spec) {
        all.check_hook(place, hook, node)?;
    }
    Ok(())
}

/// What becomes of a thing that no CDI device brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stray {
    /// It is an engine's or a user's own.
    Kept,
    /// There must be a device for it.
    Refused,
}

struct Merged<'a> {
    devices: Vec<(DeviceName, Described<'a>)>,
    registry: &'a Registry,
    policy: &'a Policy,
}

impl Merged<'_> {
    /// The devices that bring something.
    fn owners(&self, brings: impl Fn(&ContainerEdits) -> bool) -> Vec<&DeviceName> {
        let has = |described: &Described<'_>| {
            brings(&described.file.spec.container_edits)
                || brings(&described.device.container_edits)
        };
        let owned = self.devices.iter().filter(|(_, described)| has(described));
        owned.map(|(name, _)| name).collect()
    }

    fn check(
        &self,
        shown: &str,
        stray: Stray,
        brings: impl Fn(&ContainerEdits) -> bool,
    ) -> Result<(), CdiError> {
        let owners = self.owners(brings);
        let listed = owners.iter().any(|name| self.policy.devices.allow(name));
        if listed || (owners.is_empty() && stray == Stray::Kept) {
            return Ok(());
        }
        Err(CdiError::Merged {
            what: shown.to_owned(),
            owner: owners.first().map(|name| (*name).clone()),
            policy: self.policy.name.clone(),
            faults: self
                .registry
                .faults
                .iter()
                .map(ToString::to_string)
                .collect(),
        })
    }

    fn check_hook(&self, place: Place, hook: &oci::Hook, node: &CdiConfig) -> Result<(), CdiError> {
        let path = hook.path().as_path();
        let shown = format!("the {} hook `{}`", place.word(), path.display());
        let same = |edits: &ContainerEdits| edits.hooks.iter().any(|own| brings_hook(own, hook));
        self.check(&shown, Stray::Kept, same)?;
        let owners = self.owners(same);
        // Where vendors' hooks run and engines' own do not.
        let vendors = place == Place::Cdi(HookPlace::CreateContainer)
            && self.policy.devices.ceiling().is_some();
        if owners.is_empty() && !vendors {
            return Ok(());
        }
        let why = if !matches!(place, Place::Cdi(_)) {
            Some(
                "only createRuntime, createContainer and poststop hooks may prepare a device"
                    .to_owned(),
            )
        } else if !node.hooks.iter().any(|listed| listed == path) {
            Some("it would run as root on this host: list it under `cdi_hooks` in the node's configuration if you trust it".to_owned())
        } else {
            unfit_to_run(path).map(|why| format!("it cannot be run: {why}"))
        };
        match why {
            Some(why) => Err(CdiError::MergedHook { what: shown, why }),
            None => Ok(()),
        }
    }
}

/// When a hook of an engine's spec runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// As a CDI file's may.
    Cdi(HookPlace),
    /// At another time.
    Other(&'static str),
}

impl Place {
    fn word(self) -> &'static str {
        match self {
            Place::Cdi(HookPlace::CreateRuntime) => "createRuntime",
            Place::Cdi(HookPlace::CreateContainer) => "createContainer",
            Place::Cdi(HookPlace::Poststop) => "poststop",
            Place::Other(word) => word,
        }
    }
}

/// All hooks but the one by which Docker learns of a network namespace.
#[allow(deprecated)] // prestart is what Docker uses
fn hooks(spec: &oci::Spec) -> impl Iterator<Item = (Place, &oci::Hook)> {
    let lists = spec.hooks().iter().flat_map(|hooks| {
        [
            (Place::Other("prestart"), hooks.prestart()),
            (Place::Cdi(HookPlace::CreateRuntime), hooks.create_runtime()),
            (
                Place::Cdi(HookPlace::CreateContainer),
                hooks.create_container(),
            ),
            (Place::Other("startContainer"), hooks.start_container()),
            (Place::Other("poststart"), hooks.poststart()),
            (Place::Cdi(HookPlace::Poststop), hooks.poststop()),
        ]
    });
    lists
        .flat_map(|(place, list)| list.iter().flatten().map(move |hook| (place, hook)))
        .filter(|(_, hook)| !is_dockers(hook))
}

fn is_dockers(hook: &oci::Hook) -> bool {
    let name = hook.args().iter().flatten().next();
    hook.path().starts_with("/proc") && name.is_some_and(|name| name == "libnetwork-setkey")
}

fn unusual_nodes(spec: &oci::Spec) -> impl Iterator<Item = &oci::LinuxDevice> {
    let linux = spec.linux().iter();
    let nodes = linux.flat_map(|linux| linux.devices().iter().flatten());
    nodes.filter(|node| {
        !USUAL.iter().any(|(path, major, minor)| {
            node.path() == Path::new(path)
                && same_type(node.typ(), oci::LinuxDeviceType::C)
                && (node.major(), node.minor()) == (*major, *minor)
        })
    })
}

fn brings_node(edits: &ContainerEdits, device: &oci::LinuxDevice) -> bool {
    let same = |given: &DeviceNode| {
        Path::new(&given.path) == device.path()
            && HostNode::of(given).is_ok_and(|node| node.is_device(device))
    };
    edits.device_nodes.iter().any(same)
}

fn brings_mount(edits: &ContainerEdits, mount: &oci::Mount) -> bool {
    let source = mount.source().as_deref();
    edits.mounts.iter().any(|given| {
        Path::new(&given.container_path) == mount.destination()
            && source == Some(Path::new(&given.host_path))
    })
}

fn brings_hook(given: &Hook, hook: &oci::Hook) -> bool {
    Path::new(&given.path) == hook.path()
        && apply::same_words(Some(&given.args), hook.args().as_ref())
}
