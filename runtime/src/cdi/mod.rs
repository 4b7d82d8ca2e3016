//! CDI: vendors describe in files of the host what a container needs for their device, and engines ask by name.
//!
//! Newer engines apply the files themselves; for the others we do, before the plan is made, so that what a file adds
//! meets the same refusals, walls and rules as what an engine writes. Applying twice changes nothing, so a device that
//! an engine has already merged is not there twice.
//!
//! Who may ask: the annotations come from whoever starts the box, but Podman copies the image's among them. So they get
//! only what the node's `cdi_devices` lists. Variables of the image are never asked.

mod apply;
mod edits;
mod error;
mod file;
mod names;
mod registry;
mod request;
mod spec;

use std::path::PathBuf;

use nemoclaw_policy::node::CdiConfig;
use oci_spec::runtime::{LinuxNamespaceType, Spec};

pub use apply::applied;
pub use edits::{Edits, HookPlace, Node, resolved};
pub use error::{CdiError, FileFault};
pub use names::DeviceName;
pub use registry::Registry;
pub use request::requests;

/// A spec with the devices that its annotations ask for.
#[derive(Debug)]
pub struct Injected {
    /// The spec.
    pub spec: Spec,
    /// What was added, for the log.
    pub remarks: Vec<String>,
    /// Files that are not used, and why.
    pub faults: Vec<String>,
}

/// Adds the devices that the annotations of `spec` ask for, as far as the node lets them.
///
/// # Errors
/// A name that is none, that the node does not list or no file describes; an edit that a box may not have.
pub fn inject(spec: Spec, node: &CdiConfig) -> Result<Injected, CdiError> {
    let wanted = requests(spec.annotations().as_ref())?;
    if wanted.is_empty() {
        return Ok(Injected {
            spec,
            remarks: Vec::new(),
            faults: Vec::new(),
        });
    }
    if let Some(name) = wanted
        .iter()
        .find(|name| !node.lists(&name.kind, &name.name))
    {
        return Err(CdiError::NotListed(name.clone()));
    }
    let registry = Registry::load(&node.dirs);
    let described = wanted
        .iter()
        .map(|name| registry.find(name))
        .collect::<Result<Vec<_>, _>>()?;
    let edits = resolved(&described, &node.hooks, has_user_namespace(&spec))?;
    let remarks = wanted
        .iter()
        .zip(&described)
        .map(|(name, device)| {
            format!(
                "added the CDI device `{name}` of `{}`",
                device.file.path.display()
            )
        })
        .collect();
    Ok(Injected {
        spec: applied(spec, &edits),
        remarks,
        faults: registry.faults.iter().map(ToString::to_string).collect(),
    })
}

fn has_user_namespace(spec: &Spec) -> bool {
    let namespaces = spec
        .linux()
        .iter()
        .flat_map(|linux| linux.namespaces().iter().flatten());
    namespaces
        .into_iter()
        .any(|namespace| namespace.typ() == LinuxNamespaceType::User)
}

/// Directories in a sentence.
fn listed(dirs: &[PathBuf]) -> String {
    let shown: Vec<String> = dirs
        .iter()
        .map(|dir| format!("`{}`", dir.display()))
        .collect();
    shown.join(" or ")
}
