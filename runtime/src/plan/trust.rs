//! What makes programs in the box believe the router: its CA in the usual places, its address in `resolv.conf`.

use std::path::{Path, PathBuf};

use libcontainer::oci_spec::runtime::Mount;
use nemoclaw_policy::handover::{CA_BUNDLE_FILE, RESOLV_CONF_FILE};
use nemoclaw_policy::policy::Mode;

use super::namespaces::Namespaces;
use super::{Inputs, Trust, added, environment};

/// Where programs look for name servers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Mounts the CA bundle and `resolv.conf`, unless nothing answers in this box.
pub fn planned(
    inputs: &Inputs<'_>,
    namespaces: &Namespaces,
    box_mounts: &mut Vec<Mount>,
) -> Option<Trust> {
    if inputs.policy.mode == Mode::Offline {
        return None;
    }
    for path in environment::bundle_mounts(inputs.rootfs) {
        added::replace_with_file(box_mounts, &path, inputs.box_dir.join(CA_BUNDLE_FILE));
    }
    added::replace_with_file(
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
pub fn readable_files(inputs: &Inputs<'_>) -> Vec<PathBuf> {
    environment::bundle_mounts(inputs.rootfs)
        .into_iter()
        .chain([PathBuf::from(RESOLV_CONF)])
        .collect()
}
