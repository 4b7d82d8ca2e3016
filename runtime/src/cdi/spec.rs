//! A CDI file's content: its fields, and which version of the format brought them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::names;

/// The versions that are read.
const VERSIONS: [&str; 8] = [
    "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0",
];

/// One file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CdiSpec {
    /// Version of the format.
    pub cdi_version: String,
    /// `vendor.com/class`.
    pub kind: String,
    /// Notes.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Devices.
    pub devices: Vec<Device>,
    /// For every device of the file.
    #[serde(default)]
    pub container_edits: ContainerEdits,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Device {
    /// Name, unique in the file.
    pub name: String,
    /// Notes.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What it needs.
    pub container_edits: ContainerEdits,
}

/// What to add to a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ContainerEdits {
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Nodes below `/dev`.
    pub device_nodes: Vec<DeviceNode>,
    /// Network interfaces of the host.
    pub net_devices: Vec<NetDevice>,
    /// Programs of the host.
    pub hooks: Vec<Hook>,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// Cache and memory bandwidth classes.
    pub intel_rdt: Option<IntelRdt>,
    /// Groups.
    #[serde(rename = "additionalGids")]
    pub additional_gids: Vec<u32>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DeviceNode {
    /// In the container.
    pub path: String,
    /// On the host, where it differs.
    pub host_path: Option<String>,
    /// `c`, `u`, `b` or `p`.
    #[serde(rename = "type")]
    pub typ: Option<String>,
    /// Major number.
    pub major: Option<i64>,
    /// Minor number.
    pub minor: Option<i64>,
    /// Permission bits.
    pub file_mode: Option<u32>,
    /// `rwm` for the device filter, or `none`.
    pub permissions: Option<String>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetDevice {
    /// On the host.
    pub host_interface_name: String,
    /// In the container.
    pub name: String,
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hook {
    /// When it runs.
    pub hook_name: String,
    /// The program.
    pub path: String,
    /// Its arguments, the first being its name.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its variables.
    #[serde(default)]
    pub env: Vec<String>,
    /// Seconds.
    pub timeout: Option<i64>,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mount {
    /// Source.
    pub host_path: String,
    /// Destination.
    pub container_path: String,
    /// Options.
    #[serde(default)]
    pub options: Vec<String>,
    /// File system; a bind when omitted.
    #[serde(rename = "type")]
    pub typ: Option<String>,
}

/// Cache and memory bandwidth classes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntelRdt {
    /// The class.
    #[serde(rename = "closID")]
    pub clos_id: Option<String>,
    /// Of the level 3 cache.
    #[serde(rename = "l3CacheSchema")]
    pub l3_cache_schema: Option<String>,
    /// Of the memory bandwidth.
    #[serde(rename = "memBwSchema")]
    pub mem_bw_schema: Option<String>,
    /// Monitoring of the cache.
    #[serde(rename = "enableCMT")]
    pub enable_cmt: bool,
    /// Monitoring of the bandwidth.
    #[serde(rename = "enableMBM")]
    pub enable_mbm: bool,
    /// Lines for the class.
    pub schemata: Vec<String>,
    /// Monitoring.
    #[serde(rename = "enableMonitoring")]
    pub enable_monitoring: bool,
}

impl CdiSpec {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub fn check(&self) -> Result<(), String> {
        let Some(version) = rank(&self.cdi_version) else {
            return Err(format!(
                "its cdiVersion `{}` is none of {}",
                self.cdi_version,
                VERSIONS.join(", ")
            ));
        };
        if !names::is_kind(&self.kind) {
            return Err(format!("its kind `{}` is no `vendor.com/class`", self.kind));
        }
        if self.devices.is_empty() {
            return Err("it describes no device".to_owned());
        }
        let mut seen = BTreeSet::new();
        for device in &self.devices {
            if !names::is_name(&device.name) {
                return Err(format!("`{}` cannot name a device", device.name));
            }
            if !seen.insert(&device.name) {
                return Err(format!("it describes the device `{}` twice", device.name));
            }
        }
        match self
            .needs()
            .into_iter()
            .find(|(_, needed)| rank(needed) > Some(version))
        {
            Some((what, needed)) => Err(format!(
                "{what} needs cdiVersion {needed}, but the file says {}",
                self.cdi_version
            )),
            None => Ok(()),
        }
    }

    /// What the file uses, and the version that brought it.
    fn needs(&self) -> Vec<(&'static str, &'static str)> {
        let mut needs = Vec::new();
        let mut need = |used: bool, what, version| {
            if used {
                needs.push((what, version));
            }
        };
        let named = |test: fn(&Device) -> bool| self.devices.iter().any(test);
        let notes = !self.annotations.is_empty() || named(|d| !d.annotations.is_empty());
        let dotted = self.kind.split('/').nth(1).is_some_and(|c| c.contains('.'));
        let digit = named(|d| d.name.starts_with(|c: char| c.is_ascii_digit()));
        need(digit, "a device name that begins with a digit", "0.5.0");
        need(notes, "`annotations`", "0.6.0");
        need(dotted, "a dot in the class", "0.6.0");
        let all = self.devices.iter().map(|device| &device.container_edits);
        for edits in all.chain([&self.container_edits]) {
            let typed = edits.mounts.iter().any(|mount| mount.typ.is_some());
            let hosts = edits.device_nodes.iter().any(|n| n.host_path.is_some());
            let rdt = edits.intel_rdt.as_ref();
            let new = |rdt: &IntelRdt| !rdt.schemata.is_empty() || rdt.enable_monitoring;
            need(typed, "a mount's `type`", "0.4.0");
            need(hosts, "a device node's `hostPath`", "0.5.0");
            need(
                !edits.additional_gids.is_empty(),
                "`additionalGids`",
                "0.7.0",
            );
            need(rdt.is_some(), "`intelRdt`", "0.7.0");
            need(!edits.net_devices.is_empty(), "`netDevices`", "1.1.0");
            need(rdt.is_some_and(new), "`intelRdt.schemata`", "1.1.0");
        }
        needs
    }
}

fn rank(version: &str) -> Option<usize> {
    VERSIONS.iter().position(|known| *known == version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(version: &str, kind: &str, edits: &str) -> Result<(), String> {
        let text = format!(
            r#"{{"cdiVersion": "{version}", "kind": "{kind}", "devices": [{{"name": "a", "containerEdits": {edits}}}]}}"#
        );
        serde_json::from_str::<CdiSpec>(&text).unwrap().check()
    }

    #[test]
    fn a_field_needs_the_version_that_brought_it() {
        for (edits, before, with) in [
            (
                r#"{"mounts": [{"hostPath": "/a", "containerPath": "/a", "type": "bind"}]}"#,
                "0.3.0",
                "0.4.0",
            ),
            (
                r#"{"deviceNodes": [{"path": "/dev/a", "hostPath": "/dev/b"}]}"#,
                "0.4.0",
                "0.5.0",
            ),
            (r#"{"additionalGids": [5]}"#, "0.6.0", "0.7.0"),
            (r#"{"intelRdt": {"closID": "x"}}"#, "0.6.0", "0.7.0"),
            (r#"{"intelRdt": {"schemata": ["x"]}}"#, "1.0.0", "1.1.0"),
            (
                r#"{"netDevices": [{"hostInterfaceName": "a", "name": "b"}]}"#,
                "1.0.0",
                "1.1.0",
            ),
        ] {
            let said = spec(before, "v.com/c", edits).unwrap_err();
            assert!(said.contains(&format!("needs cdiVersion {with}")), "{said}");
            assert_eq!(spec(with, "v.com/c", edits), Ok(()));
        }
    }

    #[test]
    fn unknown_versions_kinds_and_fields_are_refused() {
        assert!(spec("0.2.0", "v.com/c", "{}").is_err());
        assert!(spec("1.2.0", "v.com/c", "{}").is_err());
        assert!(spec("0.5.0", "v.com", "{}").is_err());
        assert!(spec("0.5.0", "v.com/a.b", "{}").is_err());
        let unknown = r#"{"cdiVersion": "0.5.0", "kind": "v.com/c", "devices": [], "extra": 1}"#;
        assert!(serde_json::from_str::<CdiSpec>(unknown).is_err());
    }
}
