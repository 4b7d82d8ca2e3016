//! What devices add to a container, as a value: numbers looked up, hooks checked, nothing applied yet.

use std::path::{Path, PathBuf};

use oci_spec::runtime as oci;

use super::CdiError;
use super::file::{CdiFile, open_trusted};
use super::node::HostNode;
use super::registry::Described;
use super::spec::{ContainerEdits, DeviceNode, Hook, IntelRdt, Mount};

/// Everything to add, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Mounts.
    pub mounts: Vec<oci::Mount>,
    /// Hooks.
    pub hooks: Vec<(HookPlace, oci::Hook)>,
    /// Groups.
    pub gids: Vec<u32>,
    /// Classes of cache and memory bandwidth; the last device's.
    pub rdt: Option<oci::LinuxIntelRdt>,
}

/// What edits depend on beside the files.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The programs that the node lets hooks run.
    pub hooks: &'a [PathBuf],
    /// The box has a user namespace.
    pub user_namespace: bool,
    /// This host can put processes into classes of cache and memory bandwidth.
    pub resource_control: bool,
}

/// A device node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The node.
    pub device: oci::LinuxDevice,
    /// What the device filter lets it be used for; `None` = no rule.
    pub access: Option<String>,
}

/// The hooks that a CDI file may have: those that run outside the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookPlace {
    /// After the namespaces.
    CreateRuntime,
    /// In the box's mount namespace, before its root is.
    CreateContainer,
    /// At the end.
    Poststop,
}

/// The edits of `devices`: a file's own once, before those of its first device.
///
/// # Errors
/// An edit that a box cannot have.
pub fn resolved(devices: &[Described<'_>], ground: Ground<'_>) -> Result<Edits, CdiError> {
    let mut edits = Edits::default();
    let mut seen: Vec<&Path> = Vec::new();
    for described in devices {
        let file = described.file;
        let mut part = Part {
            file,
            ground,
            edits: &mut edits,
        };
        if !seen.contains(&file.path.as_path()) {
            seen.push(&file.path);
            part.add(&file.spec.container_edits)?;
        }
        part.add(&described.device.container_edits)?;
    }
    Ok(edits)
}

/// One file's contribution.
struct Part<'a> {
    file: &'a CdiFile,
    ground: Ground<'a>,
    edits: &'a mut Edits,
}

impl Part<'_> {
    fn refused(&self, why: String) -> CdiError {
        CdiError::Edit {
            file: self.file.path.clone(),
            why,
        }
    }

    fn add(&mut self, given: &ContainerEdits) -> Result<(), CdiError> {
        if let Some(device) = given.net_devices.first() {
            return Err(self.refused(format!(
                "it moves the host's network device `{}`, and a sandbox's only way out is the router",
                device.host_interface_name
            )));
        }
        if let Some(rdt) = &given.intel_rdt {
            if !self.ground.resource_control {
                return Err(self.refused(
                    "it has `intelRdt`, and this host has no resource control: run `mount -t resctrl resctrl /sys/fs/resctrl` where the processor knows it".to_owned(),
                ));
            }
            self.edits.rdt = Some(classes(rdt));
        }
        for entry in &given.env {
            let variable = entry.split_once('=').filter(|(name, _)| !name.is_empty());
            let (name, value) = variable.ok_or_else(|| {
                self.refused(format!("the variable `{entry}` is no `NAME=value`"))
            })?;
            self.edits.env.push((name.to_owned(), value.to_owned()));
        }
        for node in &given.device_nodes {
            let node = self.node(node)?;
            self.edits.nodes.push(node);
        }
        for mount in &given.mounts {
            let mount = self.mount(mount)?;
            self.edits.mounts.push(mount);
        }
        for hook in &given.hooks {
            let hook = self.hook(hook)?;
            self.edits.hooks.push(hook);
        }
        // Group 0 would be root's.
        let groups = given.additional_gids.iter().copied();
        self.edits.gids.extend(groups.filter(|gid| *gid != 0));
        Ok(())
    }

    fn node(&self, given: &DeviceNode) -> Result<Node, CdiError> {
        let on_host = self.absolute(given.on_host())?;
        let host = self.host_node(given, &on_host)?;
        let mut device = oci::LinuxDevice::default();
        device
            .set_path(self.absolute(&given.path)?)
            .set_typ(host.typ)
            .set_major(host.major)
            .set_minor(host.minor)
            .set_file_mode(Some(given.file_mode.unwrap_or(host.mode) & 0o777))
            .set_uid(given.uid)
            .set_gid(given.gid);
        let access = self.access(given.permissions.as_deref(), host.typ)?;
        Ok(Node { device, access })
    }

    fn host_node(&self, given: &DeviceNode, on_host: &Path) -> Result<HostNode, CdiError> {
        let shown = format!("the device node `{}`", on_host.display());
        let host = HostNode::of(given).map_err(|why| self.refused(format!("{shown} {why}")))?;
        // In a user namespace a node cannot be made: the host's own is mounted, found by the path that it has inside.
        let as_inside = || {
            HostNode::at(on_host).is_ok_and(|found| found.is(&host))
                && on_host == Path::new(&given.path)
        };
        if self.ground.user_namespace && !as_inside() {
            return Err(self.refused(format!(
                "{shown} is not on this host as it would be in the box, which a user namespace does not let"
            )));
        }
        Ok(host)
    }

    fn access(
        &self,
        permissions: Option<&str>,
        typ: oci::LinuxDeviceType,
    ) -> Result<Option<String>, CdiError> {
        let wanted = permissions.filter(|text| !text.is_empty()).unwrap_or("rwm");
        if wanted == "none" || typ == oci::LinuxDeviceType::P {
            return Ok(None);
        }
        if !wanted.bytes().all(|letter| b"rwm".contains(&letter)) {
            return Err(self.refused(format!("the permissions `{wanted}` are not of `rwm`")));
        }
        Ok(Some(wanted.to_owned()))
    }

    fn mount(&self, given: &Mount) -> Result<oci::Mount, CdiError> {
        let typ = given
            .typ
            .as_deref()
            .filter(|typ| !typ.is_empty())
            .unwrap_or("bind");
        let mut options = given.options.clone();
        let source = if typ == "bind" {
            if !options
                .iter()
                .any(|option| matches!(option.as_str(), "bind" | "rbind"))
            {
                options.insert(0, "rbind".to_owned());
            }
            self.absolute(&given.host_path)?
        } else {
            PathBuf::from(&given.host_path)
        };
        let mut mount = oci::Mount::default();
        mount
            .set_destination(self.absolute(&given.container_path)?)
            .set_typ(Some(typ.to_owned()))
            .set_source(Some(source))
            .set_options(Some(options))
            .set_uid_mappings(None)
            .set_gid_mappings(None);
        Ok(mount)
    }

    fn hook(&self, given: &Hook) -> Result<(HookPlace, oci::Hook), CdiError> {
        let place = match given.hook_name.as_str() {
            "createRuntime" => HookPlace::CreateRuntime,
            "createContainer" => HookPlace::CreateContainer,
            "poststop" => HookPlace::Poststop,
            "prestart" | "startContainer" | "poststart" => {
                return Err(self.refused(format!(
                    "it has a {} hook, and only createRuntime, createContainer and poststop hooks may prepare a device",
                    given.hook_name
                )));
            }
            other => return Err(self.refused(format!("`{other}` is no hook"))),
        };
        let path = self.absolute(&given.path)?;
        if !self.ground.hooks.contains(&path) {
            return Err(self.refused(format!(
                "its hook `{}` would run as root on this host: list it under `cdi_hooks` in the node's configuration if you trust it",
                given.path
            )));
        }
        if let Some(why) = unfit_to_run(&path) {
            return Err(self.refused(format!("its hook `{}` cannot be run: {why}", given.path)));
        }
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        let mut hook = oci::Hook::default();
        hook.set_path(path)
            .set_args(some(&given.args))
            .set_env(some(&given.env))
            .set_timeout(given.timeout.filter(|seconds| *seconds > 0));
        Ok((place, hook))
    }

    fn absolute(&self, path: &str) -> Result<PathBuf, CdiError> {
        if path.starts_with('/') && !path.split('/').any(|part| part == "..") {
            return Ok(PathBuf::from(path));
        }
        Err(self.refused(format!("`{path}` is no absolute path without `..`")))
    }
}

/// Why the program of a hook cannot be run, if it cannot.
pub fn unfit_to_run(path: &Path) -> Option<String> {
    match open_trusted(path) {
        Ok(Ok(_)) => None,
        Ok(Err(why)) => Some(why),
        Err(error) => Some(error.to_string()),
    }
}

#[allow(deprecated)] // Files before 1.1.0 say `enableCMT` and `enableMBM`.
fn classes(given: &IntelRdt) -> oci::LinuxIntelRdt {
    let mut rdt = oci::LinuxIntelRdt::default();
    rdt.set_clos_id(given.clos_id.clone())
        .set_l3_cache_schema(given.l3_cache_schema.clone())
        .set_mem_bw_schema(given.mem_bw_schema.clone())
        .set_schemata((!given.schemata.is_empty()).then(|| given.schemata.clone()))
        .set_enable_cmt(given.enable_cmt.then_some(true))
        .set_enable_mbm(given.enable_mbm.then_some(true))
        .set_enable_monitoring(given.enable_monitoring.then_some(true));
    rdt
}
