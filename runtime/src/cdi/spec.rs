//! A CDI file's content: its fields, and which version of the format brought them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use nemoclaw_policy::device;

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

impl DeviceNode {
    /// The node's path on the host.
    pub fn on_host(&self) -> &str {
        self.host_path.as_deref().unwrap_or(&self.path)
    }
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

/// Why a file cannot be used, and the word in it that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecFault {
    /// Why.
    pub why: String,
    word: Word,
}

/// A word of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// A key.
    Key(&'static str),
    /// The value of a key; which of the same ones, from 0.
    Value(&'static str, String, usize),
}

impl SpecFault {
    fn at_key(key: &'static str, why: impl Into<String>) -> SpecFault {
        SpecFault {
            why: why.into(),
            word: Word::Key(key),
        }
    }

    fn at_value(key: &'static str, value: &str, nth: usize, why: impl Into<String>) -> SpecFault {
        SpecFault {
            why: why.into(),
            word: Word::Value(key, value.to_owned(), nth),
        }
    }

    /// Line and column of the word in the file's text, from 1.
    pub fn place(&self, text: &str) -> Option<(u64, u64)> {
        const AROUND: [char; 3] = [' ', '"', '\''];
        let (word, nth) = match &self.word {
            Word::Key(key) => (*key, 0),
            Word::Value(_, value, nth) => (value.as_str(), *nth),
        };
        let here = |at: usize| match &self.word {
            Word::Key(_) => text[at + word.len()..]
                .trim_start_matches(AROUND)
                .starts_with(':'),
            Word::Value(key, ..) => {
                let before = text[..at].trim_end_matches(AROUND);
                before
                    .strip_suffix(':')
                    .is_some_and(|before| before.trim_end_matches(AROUND).ends_with(key))
            }
        };
        let places = text.match_indices(word).map(|(at, _)| at);
        let at = places.filter(|at| here(*at)).nth(nth)?;
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Some((line as u64, column as u64))
    }
}

impl CdiSpec {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// Why the file cannot be used.
    pub fn check(&self) -> Result<(), SpecFault> {
        let Some(version) = rank(&self.cdi_version) else {
            let known = VERSIONS.join(", ");
            let why = format!("its cdiVersion `{}` is none of {known}", self.cdi_version);
            return Err(SpecFault::at_value("cdiVersion", &self.cdi_version, 0, why));
        };
        if !device::is_kind(&self.kind) {
            let why = format!("its kind `{}` is no `vendor.com/class`", self.kind);
            return Err(SpecFault::at_value("kind", &self.kind, 0, why));
        }
        if self.devices.is_empty() {
            return Err(SpecFault::at_key("devices", "it describes no device"));
        }
        let mut seen = BTreeSet::new();
        for device in &self.devices {
            let name = &device.name;
            if !device::is_name(name) {
                let why = format!("`{name}` cannot name a device");
                return Err(SpecFault::at_value("name", name, 0, why));
            }
            if !seen.insert(name) {
                let why = format!("it describes the device `{name}` twice");
                return Err(SpecFault::at_value("name", name, 1, why));
            }
        }
        let newer = |need: &Need| rank(need.version) > Some(version);
        match self.needs().into_iter().find(newer) {
            Some(need) => Err(SpecFault {
                why: format!(
                    "{} needs cdiVersion {}, but the file says {}",
                    need.what, need.version, self.cdi_version
                ),
                word: need.word,
            }),
            None => Ok(()),
        }
    }

    /// What the file uses, and the version that brought it.
    fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        let digit = |c: char| c.is_ascii_digit();
        if let Some(device) = self.devices.iter().find(|d| d.name.starts_with(digit)) {
            needs.push(Need {
                what: "a device name that begins with a digit".to_owned(),
                version: "0.5.0",
                word: Word::Value("name", device.name.clone(), 0),
            });
        }
        if self.kind.split('/').nth(1).is_some_and(|c| c.contains('.')) {
            needs.push(Need {
                what: "a dot in the class".to_owned(),
                version: "0.6.0",
                word: Word::Value("kind", self.kind.clone(), 0),
            });
        }
        let all = self.devices.iter().map(|device| &device.container_edits);
        let mut every = all.chain([&self.container_edits]);
        if every.any(|edits| edits.mounts.iter().any(|mount| mount.typ.is_some())) {
            needs.push(Need {
                what: "a mount's `type`".to_owned(),
                version: "0.4.0",
                word: Word::Key("mounts"),
            });
        }
        let noted = self.devices.iter().any(|d| !d.annotations.is_empty());
        let mut need = |used: bool, key, version| {
            if used {
                needs.push(Need {
                    what: format!("`{key}`"),
                    version,
                    word: Word::Key(key),
                });
            }
        };
        need(
            noted || !self.annotations.is_empty(),
            "annotations",
            "0.6.0",
        );
        let all = self.devices.iter().map(|device| &device.container_edits);
        for edits in all.chain([&self.container_edits]) {
            let rdt = edits.intel_rdt.as_ref();
            let any_node = |test: fn(&DeviceNode) -> bool| edits.device_nodes.iter().any(test);
            need(
                any_node(|node| node.host_path.is_some()),
                "hostPath",
                "0.5.0",
            );
            need(!edits.additional_gids.is_empty(), "additionalGids", "0.7.0");
            need(rdt.is_some(), "intelRdt", "0.7.0");
            need(!edits.net_devices.is_empty(), "netDevices", "1.1.0");
            need(
                rdt.is_some_and(|r| !r.schemata.is_empty()),
                "schemata",
                "1.1.0",
            );
            need(
                rdt.is_some_and(|r| r.enable_monitoring),
                "enableMonitoring",
                "1.1.0",
            );
        }
        needs
    }
}

/// Something that a version of the format brought.
struct Need {
    what: String,
    version: &'static str,
    word: Word,
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
        let checked = serde_json::from_str::<CdiSpec>(&text).unwrap().check();
        checked.map_err(|fault| fault.why)
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
    fn a_fault_has_the_place_of_the_word_that_says_it() {
        for (text, place) in [
            ("cdiVersion: 9.0.0\nkind: v.com/c\ndevices: []\n", (1, 13)),
            ("cdiVersion: 0.5.0\nkind: \"v\"\ndevices: []\n", (2, 8)),
            ("cdiVersion: 0.5.0\nkind: v.com/c\ndevices: []\n", (3, 1)),
            (
                "cdiVersion: 0.5.0\nkind: v.com/c\ndevices:\n- {name: a, containerEdits: {}}\n- {name: a, containerEdits: {}}\n",
                (5, 10),
            ),
            (
                "cdiVersion: 0.6.0\nkind: v.com/c\ndevices:\n- name: a\n  containerEdits:\n    additionalGids: [5]\n",
                (6, 5),
            ),
        ] {
            let spec: CdiSpec = serde_saphyr::from_str(text).unwrap();
            assert_eq!(spec.check().unwrap_err().place(text), Some(place), "{text}");
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
