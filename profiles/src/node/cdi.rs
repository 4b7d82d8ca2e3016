//! The node's word on CDI devices: where they are described, which a box may be asked for, and which programs may
//! prepare them.

use std::path::PathBuf;

use super::absolute;
use crate::source::Diagnostic;
use crate::yaml::{Fields, View};

/// `cdi_dirs`, `cdi_devices` and `cdi_hooks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdiConfig {
    /// `cdi_dirs`: directories with CDI files, the later ones before the earlier; `/etc/cdi`, `/var/run/cdi`.
    pub dirs: Vec<PathBuf>,
    /// `cdi_devices`: what a container's annotations may ask for. None when omitted, because some engines copy an
    /// image's annotations into the container's.
    pub devices: Vec<CdiPattern>,
    /// `cdi_hooks`: programs of the host that a CDI file may have run, as root and outside the box; none when omitted.
    pub hooks: Vec<PathBuf>,
}

/// An entry of `cdi_devices`: `vendor.com/class=name`, or `vendor.com/class=*` for all of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdiPattern {
    /// `vendor.com/class`.
    pub kind: String,
    /// The device's name; `None` = each.
    pub name: Option<String>,
}

/// The keys in the node's file.
pub(super) const KEYS: [&str; 3] = ["cdi_dirs", "cdi_devices", "cdi_hooks"];

impl Default for CdiConfig {
    fn default() -> Self {
        CdiConfig {
            dirs: ["/etc/cdi", "/var/run/cdi"].map(PathBuf::from).to_vec(),
            devices: Vec::new(),
            hooks: Vec::new(),
        }
    }
}

impl CdiConfig {
    /// Whether annotations may ask for the device `name` of `kind`.
    pub fn lists(&self, kind: &str, name: &str) -> bool {
        self.devices
            .iter()
            .any(|entry| entry.kind == kind && entry.name.as_deref().is_none_or(|own| own == name))
    }
}

/// Reads the three keys.
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
        config.devices = view.list()?.iter().map(pattern).collect::<Result<_, _>>()?;
    }
    Ok(config)
}

fn pattern(view: &View<'_>) -> Result<CdiPattern, Box<Diagnostic>> {
    let text = view.text()?;
    let parts = text.split_once('=').and_then(|(kind, name)| {
        let (vendor, class) = kind.split_once('/')?;
        let fine = plain(vendor) && plain(class) && (name == "*" || plain(name));
        fine.then_some((kind, name))
    });
    let (kind, name) = parts.ok_or_else(|| {
        view.fault(format!(
            "`{text}` is no CDI device: write `vendor.com/class=name`, or `vendor.com/class=*` for all of a kind"
        ))
    })?;
    Ok(CdiPattern {
        kind: kind.to_owned(),
        name: (name != "*").then(|| name.to_owned()),
    })
}

fn plain(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
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

    #[test]
    fn without_a_word_of_the_node_annotations_get_no_device_and_no_hook_runs() {
        let config = parsed("").unwrap();
        assert!(!config.lists("nvidia.com/gpu", "all") && config.hooks.is_empty());
        assert_eq!(config.dirs[0], PathBuf::from("/etc/cdi"));
    }

    #[test]
    fn a_name_lists_itself_and_a_star_all_of_its_kind() {
        let config = parsed("cdi_devices: [nvidia.com/gpu=*, v.com/d=0]\n").unwrap();
        assert!(config.lists("nvidia.com/gpu", "0") && config.lists("v.com/d", "0"));
        assert!(!config.lists("v.com/d", "1") && !config.lists("nvidia.com/mig", "0"));
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
        ] {
            assert!(parsed(keys).is_err(), "{keys}");
        }
    }
}
