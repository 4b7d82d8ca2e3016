//! CDI: vendors describe in files of the host what a container needs for their device, and engines ask by name.
//!
//! Newer engines apply the files themselves; for the others we do, before the plan is made, so that what a file adds
//! meets the same refusals, walls and rules as what an engine writes. Applying twice changes nothing, so a device that
//! an engine has already merged is not there twice. What it merged beyond the policy's `devices` is refused.

mod apply;
mod edits;
mod error;
pub mod file;
mod merged;
mod node;
mod registry;
mod request;
mod spec;
mod survey;

use std::path::PathBuf;

use nemoclaw_policy::node::CdiConfig;
use nemoclaw_policy::policy::Policy;
use oci_spec::runtime::{LinuxNamespaceType, Spec};

pub use apply::applied;
pub use edits::{Edits, Ground, HookPlace, Node, resolved};
pub use error::{CdiError, FileFault};
pub use registry::{Described, Registry};
pub use request::{Asked, Asker, asked};
pub use survey::{Survey, Surveyed, survey};

/// A spec with the devices that are asked for.
#[derive(Debug)]
pub struct Injected {
    /// The spec.
    pub spec: Spec,
    /// The devices' variables, which an exec'ed process needs too, though its engine does not know them.
    pub variables: Vec<(String, String)>,
    /// What was added, for the log.
    pub remarks: Vec<String>,
    /// Files that are not used, and why.
    pub faults: Vec<String>,
}

/// Adds the devices that `policy` gives and that the annotations and variables of `spec` ask for, as far as the node and
/// the policy let them, and checks what the engine merged itself.
///
/// # Errors
/// A name that is none, that may not be asked for or that no file describes; an edit that a box may not have; something
/// of the engine's beyond the policy or the node's list of hooks.
pub fn inject(spec: Spec, node: &CdiConfig, policy: &Policy) -> Result<Injected, CdiError> {
    let wanted = asked(&spec, node, policy)?;
    let suspect = merged::to_be_checked(&spec, policy);
    if wanted.is_empty() && !suspect {
        return Ok(Injected {
            spec,
            variables: Vec::new(),
            remarks: Vec::new(),
            faults: Vec::new(),
        });
    }
    let registry = Registry::load(&node.dirs);
    if suspect {
        merged::check(&spec, &registry, node, policy)?;
    }
    let described = wanted
        .iter()
        .map(|one| registry.find(&one.device))
        .collect::<Result<Vec<_>, _>>()?;
    let ground = Ground {
        hooks: &node.hooks,
        user_namespace: has_user_namespace(&spec),
        resource_control: has_resource_control(),
    };
    let edits = resolved(&described, ground)?;
    let remarks = wanted
        .iter()
        .zip(&described)
        .map(|(one, found)| {
            format!(
                "added the CDI device `{}` of `{}`: {} asks for it",
                one.device,
                found.file.path.display(),
                one.by
            )
        })
        .collect();
    Ok(Injected {
        spec: applied(spec, &edits),
        variables: edits.env,
        remarks,
        faults: registry.faults.iter().map(ToString::to_string).collect(),
    })
}

/// Whether this host can put processes into classes of cache and memory bandwidth.
pub fn has_resource_control() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let kind = |line: &str| line.split(' ').nth(2) == Some("resctrl");
    mounts.lines().any(kind)
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
