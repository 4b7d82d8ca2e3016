//! The node's word on CDI devices: where they are described, which a box may be asked for, and which programs may
//! prepare them.

use std::path::PathBuf;

use super::absolute;
use crate::device::{DeviceName, DevicePattern};
use crate::policy::device;
use crate::source::Diagnostic;
use crate::yaml::Fields;

/// `cdi_dirs`, `cdi_devices`, `cdi_hooks` and `cdi_nvidia_variable`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdiConfig {
    /// `cdi_dirs`: directories with CDI files, the later ones before the earlier; `/etc/cdi`, `/var/run/cdi`.
    pub dirs: Vec<PathBuf>,
    /// `cdi_devices`: what a container's annotations may ask for. None when omitted, because some engines copy an
    /// image's annotations into the container's.
    pub devices: Vec<DevicePattern>,
    /// `cdi_hooks`: programs of the host that a CDI file may have run, as root and outside the box; none when omitted.
    pub hooks: Vec<PathBuf>,
    /// `cdi_nvidia_variable`: whether the variable `NVIDIA_VISIBLE_DEVICES`, which an image may set, may ask for what
    /// `cdi_devices` lists. No when omitted.
    pub nvidia_variable: bool,
}

/// The keys in the node's file.
pub(super) const KEYS: [&str; 4] = [
    "cdi_dirs",
    "cdi_devices",
    "cdi_hooks",
    "cdi_nvidia_variable",
];

impl Default for CdiConfig {
    fn default() -> Self {
        CdiConfig {
            dirs: ["/etc/cdi", "/var/run/cdi"].map(PathBuf::from).to_vec(),
            devices: Vec::new(),
            hooks: Vec::new(),
            nvidia_variable: false,
        }
    }
}

impl CdiConfig {
    /// Whether others than a policy may ask for `device`.
    pub fn lists(&self, device: &DeviceName) -> bool {
        self.devices.iter().any(|entry| entry.covers(device))
    }
}

/// Reads the keys.
pub(super) fn read(fields: &Fields<'_>) -> Result<CdiConfig, Box<Diagnostic>> {
    let mut config = CdiConfig::default();
    if let Some(view) = fields.get("cdi_dirs") {
        config.dirs = view
            .some_list()?
            .iter()
            .map(absolute)
            .collect::<Result<_, _>>()?;
    }
    if let Some(view) = fields.get("cdi_hooks") {
        config.hooks = view
            .list()?
            .iter()
            .map(absolute)
            .collect::<Result<_, _>>()?;
    }
    if let Some(view) = fields.get("cdi_devices") {
        config.devices = view.list()?.iter().map(device).collect::<Result<_, _>>()?;
    }
    if let Some(view) = fields.get("cdi_nvidia_variable") {
        config.nvidia_variable = view.boolean()?;
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::super::NodeConfig;
    use super::*;
    use crate::source::Source;

    fn parsed(keys: &str) -> Result<CdiConfig, String> {
        let source = Source::text("config.yaml", &format!("version: 1\n{keys}"));
        NodeConfig::parse(&source)
            .map(|config| config.cdi)
            .map_err(|fault| fault.one_line())
    }

    fn name(text: &str) -> DeviceName {
        DeviceName::parse(text).unwrap()
    }

    #[test]
    fn without_a_word_of_the_node_annotations_get_no_device_and_no_hook_runs() {
        let config = parsed("").unwrap();
        assert!(!config.lists(&name("nvidia.com/gpu=all")) && config.hooks.is_empty());
        assert!(!config.nvidia_variable);
        assert_eq!(config.dirs[0], PathBuf::from("/etc/cdi"));
    }

    #[test]
    fn a_name_lists_itself_and_a_star_all_of_its_kind() {
        let config = parsed("cdi_devices: [nvidia.com/gpu=*, v.com/d=0]\n").unwrap();
        let lists = |text: &str| config.lists(&name(text));
        assert!(lists("nvidia.com/gpu=0") && lists("v.com/d=0"));
        assert!(!lists("v.com/d=1") && !lists("nvidia.com/mig=0"));
    }

    #[test]
    fn relative_paths_and_half_names_are_faults() {
        for keys in [
            "cdi_dirs: [cdi]",
            "cdi_dirs: []",
            "cdi_hooks: [nvidia-cdi-hook]",
            "cdi_devices: [all]",
            "cdi_devices: [nvidia.com/gpu]",
            "cdi_devices: ['*/*=*']",
            "cdi_nvidia_variable: maybe",
        ] {
            assert!(parsed(keys).is_err(), "{keys}");
        }
    }
}
