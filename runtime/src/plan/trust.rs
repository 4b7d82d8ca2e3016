//! What makes programs in the box believe the router: its CA in the usual places, its address in `resolv.conf`.

use std::path::{Path, PathBuf};

use nemoclaw_policy::handover::{CA_BUNDLE_FILE, RESOLV_CONF_FILE};
use nemoclaw_policy::policy::Mode;
use oci_spec::runtime::Mount;

use super::namespaces::Namespaces;
use super::paths::normal;
use super::{Inputs, PathKind, Refusal, Trust, added, environment, mounts};

/// Where programs look for name servers.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Mounts the CA bundle and `resolv.conf`, unless nothing answers in this box.
pub fn planned(
    inputs: &Inputs<'_>,
    namespaces: &Namespaces,
    box_mounts: &mut Vec<Mount>,
) -> Result<Option<Trust>, Refusal> {
    if inputs.policy.mode == Mode::Offline {
        return Ok(None);
    }
    let bundles = environment::bundle_mounts(inputs.rootfs);
    let resolver = (PathBuf::from(RESOLV_CONF), RESOLV_CONF_FILE);
    let files: Vec<_> = bundles
        .into_iter()
        .map(|path| (path, CA_BUNDLE_FILE))
        .chain([resolver])
        .collect();
    // The engine's go first: what a link leads into is asked of those that stay.
    box_mounts.retain(|mount| !files.iter().any(|(path, _)| path == mount.destination()));
    for (path, _) in &files {
        check_place(path, inputs, box_mounts)?;
    }
    for (path, file) in &files {
        let place = lead(inputs, path).map_or(path.as_path(), |(place, _)| place);
        added::replace_with_file(box_mounts, place, inputs.box_dir.join(file));
    }
    let boxes = inputs.box_dir.parent();
    let joined_box = namespaces
        .network_of
        .as_ref()
        .and_then(|guard| Some(boxes?.join(guard)));
    Ok(Some(Trust {
        image_bundle: environment::image_bundle(inputs.rootfs),
        joined_box,
    }))
}

/// Where the image's links lead, so that programs find at `path` what is mounted there, and what the image has there.
/// `None` below a mount of the engine, where the image does not count.
fn lead<'a>(inputs: &Inputs<'a>, path: &Path) -> Option<&'a (PathBuf, PathKind)> {
    let given = inputs.spec.mounts().iter().flatten();
    let covered = given
        .filter_map(|mount| normal(mount.destination()))
        .any(|destination| destination != path && path.starts_with(destination));
    inputs.rootfs.leads.get(path).filter(|_| !covered)
}

/// Refuses places where no file can be mounted.
fn check_place(path: &Path, inputs: &Inputs<'_>, mounts: &[Mount]) -> Result<(), Refusal> {
    let Some((place, kind)) = lead(inputs, path) else {
        return Ok(());
    };
    let over = |path: &Path| {
        let below = |mount: &&Mount| path.starts_with(mount.destination());
        mounts.iter().find(below)
    };
    let refused = |why: String| {
        Err(Refusal::NoPlaceForFile {
            path: path.to_path_buf(),
            why,
        })
    };
    let kernels = ["/proc", "/sys", "/dev"].map(Path::new);
    if kernels.iter().any(|kernels| place.starts_with(kernels)) {
        return refused(format!(
            "leads to `{}`, which is the kernel's",
            place.display()
        ));
    }
    if place != path
        && let Some(mount) = over(place).filter(|mount| mounts::is_bind(mount))
    {
        let destination = mount.destination().display();
        return refused(format!("leads into the mount on `{destination}`"));
    }
    match kind {
        PathKind::Missing | PathKind::File => Ok(()),
        _ if over(place).is_some() => Ok(()),
        _ => refused("is not a regular file".to_owned()),
    }
}

/// Our files in the box, readable whatever the policy lists.
pub fn readable_files(inputs: &Inputs<'_>) -> Vec<PathBuf> {
    environment::bundle_mounts(inputs.rootfs)
        .into_iter()
        .chain([PathBuf::from(RESOLV_CONF)])
        .map(|path| lead(inputs, &path).map_or(path, |(place, _)| place.clone()))
        .collect()
}
