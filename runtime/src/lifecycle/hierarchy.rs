//! Where a box's cgroup lies in a hierarchy, for the files that libcgroups does not know.

use std::path::{Path, PathBuf};

use libcgroups::common::{CgroupSetup, DEFAULT_CGROUP_ROOT};
use libcgroups::v1::{ControllerType, util};
use procfs::process::Process;

use crate::state::BoxState;

/// Why the directory is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HierarchyError {
    /// No hierarchy where it must be.
    #[error("cannot find this machine's cgroups")]
    Setup(#[from] libcgroups::common::GetCgroupSetupError),
    /// A controller without a mount.
    #[error("cannot find the cgroups of a controller")]
    Mount(#[from] util::V1MountPointError),
    /// The box's first process is gone.
    #[error("container not running")]
    Gone,
}

/// Whether version 2 holds the controllers, and not version 1 beside it or alone.
///
/// # Errors
/// No hierarchy where it must be.
pub fn unified() -> Result<bool, HierarchyError> {
    let setup = libcgroups::common::get_cgroup_setup()?;
    Ok(matches!(setup, CgroupSetup::Unified))
}

/// The box's directory in the hierarchy of `controller`; on version 2 they all have one.
///
/// # Errors
/// There is no such hierarchy, or, on version 2, the box has ended.
pub fn directory(state: &BoxState, controller: ControllerType) -> Result<PathBuf, HierarchyError> {
    if unified()? {
        let groups = Process::new(state.pid()).and_then(|init| init.cgroups());
        let group = groups
            .ok()
            .and_then(|groups| groups.into_iter().find(|group| group.hierarchy == 0));
        let group = group.ok_or(HierarchyError::Gone)?;
        return Ok(below(
            Path::new(DEFAULT_CGROUP_ROOT),
            Path::new(&group.pathname),
        ));
    }
    Ok(below(
        &util::get_subsystem_mount_point(&controller)?,
        &state.cgroup.path,
    ))
}

fn below(mount: &Path, path: &Path) -> PathBuf {
    mount.join(path.strip_prefix("/").unwrap_or(path))
}
