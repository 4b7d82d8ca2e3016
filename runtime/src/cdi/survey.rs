//! All devices of a node and all that is wrong with their files, for `doctor` and whoever asks what a box could have.

use std::path::PathBuf;

use nemoclaw_policy::node::CdiConfig;
use serde::Serialize;

use super::edits::unfit_to_run;
use super::{Ground, Registry, has_resource_control, resolved};

/// What a node's CDI files offer.
#[derive(Debug, Clone, Serialize)]
pub struct Survey {
    /// Version of this form.
    pub version: u32,
    /// Where files are looked for, the later ones before the earlier.
    pub directories: Vec<PathBuf>,
    /// Every device that some file describes.
    pub devices: Vec<Surveyed>,
    /// Files that are not used, and programs that are listed and cannot be run: a sentence each.
    pub problems: Vec<String>,
}

/// A device.
#[derive(Debug, Clone, Serialize)]
pub struct Surveyed {
    /// `vendor.com/class=name`.
    pub name: String,
    /// The file that describes it; none where two of them do not agree.
    pub file: Option<PathBuf>,
    /// Whether others than a policy may ask for it.
    pub listed: bool,
    /// Why no box can have it.
    pub problem: Option<String>,
}

/// Looks at everything and changes nothing.
pub fn survey(node: &CdiConfig) -> Survey {
    let registry = Registry::load(&node.dirs);
    let ground = Ground {
        hooks: &node.hooks,
        user_namespace: false,
        resource_control: has_resource_control(),
    };
    let devices = registry.names().into_iter().map(|name| {
        let found = registry.find(&name);
        let file = found.as_ref().ok().map(|found| found.file.path.clone());
        let usable = found.and_then(|found| resolved(&[found], ground));
        Surveyed {
            listed: node.lists(&name),
            name: name.to_string(),
            file,
            problem: usable.err().map(|error| error.to_string()),
        }
    });
    let devices = devices.collect();
    let hooks = node.hooks.iter().filter_map(|path| {
        let why = unfit_to_run(path)?;
        Some(format!(
            "the hook `{}` of the node's `cdi_hooks` cannot be run: {why}",
            path.display()
        ))
    });
    let files = registry.faults.iter().map(ToString::to_string);
    Survey {
        version: 1,
        directories: node.dirs.clone(),
        devices,
        problems: files.chain(hooks).collect(),
    }
}
