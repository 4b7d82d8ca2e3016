//! The writable paths of a box: real directories of the image, volumes on them, or made where the image has none.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxIdMapping, Mount, User};

use super::paths::{Access, PathRules, SANDBOX, TMP};
use super::{HostFacts, PathKind, Refusal, RootfsFacts, SourceKind, mounts, process};

/// What becomes of one writable path of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The image's own directory or file, or a volume: bound onto itself.
    There,
    /// Made in the image before the mounts.
    Make,
    /// A fresh tmpfs.
    Tmpfs,
    /// Not there: it stays so.
    Absent,
}

/// Decides about the writable path `path`. `mounts` are the box's mounts.
pub fn place(
    path: &Path,
    given: &[Mount],
    rootfs: &RootfsFacts,
    readonly_root: bool,
) -> Result<Place, Refusal> {
    let ours = path == Path::new(SANDBOX) || path == Path::new(TMP);
    let kind = rootfs.kind(path);
    match kind {
        // Even under a volume: the volume would land where the link leads.
        PathKind::Symlink if ours => return Err(Refusal::SymlinkInImage(path.to_path_buf())),
        PathKind::File | PathKind::Other if ours => {
            return Err(Refusal::NotADirectory(path.to_path_buf()));
        }
        _ => {}
    }
    // The mount that decides is the deepest one above the path: a bind may hold the path, a fresh file system does not.
    let above = given
        .iter()
        .filter(|mount| path.starts_with(mount.destination()));
    if let Some(mount) = above.max_by_key(|mount| mount.destination().components().count()) {
        let there = mount.destination() == path || mounts::is_bind(mount);
        return Ok(if there { Place::There } else { Place::Absent });
    }
    Ok(match kind {
        PathKind::Directory | PathKind::File => Place::There,
        PathKind::Missing if ours && !readonly_root => {
            if path == Path::new(TMP) {
                Place::Tmpfs
            } else {
                Place::Make
            }
        }
        _ => Place::Absent,
    })
}

/// Who the box's user is, to itself and to the host.
pub struct Identity<'a> {
    /// User and groups in the box.
    pub user: &'a User,
    /// User mappings.
    pub uids: Option<&'a [LinuxIdMapping]>,
    /// Group mappings.
    pub gids: Option<&'a [LinuxIdMapping]>,
    /// The box keeps CAP_DAC_OVERRIDE.
    pub overrides: bool,
}

impl Identity<'_> {
    /// The host's numbers of the user and its group.
    pub fn on_host(&self) -> Option<(u32, u32)> {
        Some((
            process::host_id(self.user.uid(), self.uids)?,
            process::host_id(self.user.gid(), self.gids)?,
        ))
    }

    /// Refuses a directory of somebody else's that root, without CAP_DAC_OVERRIDE, could not write after all.
    pub fn check_volumes(
        &self,
        given: &[Mount],
        rules: &PathRules,
        host: &HostFacts,
    ) -> Result<(), Refusal> {
        if self.user.uid() != 0 || self.overrides {
            return Ok(());
        }
        for mount in given
            .iter()
            .filter(|mount| mounts::is_bind(mount) && !mounts::asks_readonly(mount))
        {
            if rules.access(mount.destination()) == Access::Write
                && rules.mount_writable(mount.destination())
            {
                self.check_volume(mount, host)?;
            }
        }
        Ok(())
    }

    fn check_volume(&self, mount: &Mount, host: &HostFacts) -> Result<(), Refusal> {
        let source = mount.source().clone().unwrap_or_default();
        let Some(facts) = host
            .sources
            .values()
            .find(|facts| facts.canonical == source)
        else {
            return Ok(());
        };
        let Some((uid, _)) = self.on_host() else {
            return Ok(());
        };
        let groups = self
            .user
            .additional_gids()
            .iter()
            .flatten()
            .copied()
            .chain([self.user.gid()]);
        let mut groups = groups.filter_map(|gid| process::host_id(gid, self.gids));
        let bits = if facts.uid == uid {
            facts.mode >> 6
        } else if groups.any(|gid| gid == facts.gid) {
            facts.mode >> 3
        } else {
            facts.mode
        };
        if facts.kind != SourceKind::Directory || bits & 0o2 != 0 {
            return Ok(());
        }
        Err(Refusal::NotWritable {
            source_path: PathBuf::from(&facts.canonical),
            destination: mount.destination().clone(),
            uid: process::box_id(facts.uid, self.uids).unwrap_or(facts.uid),
            gid: process::box_id(facts.gid, self.gids).unwrap_or(facts.gid),
        })
    }
}
