//! The sandbox's own writable directories, `/sandbox` and `/tmp`, where neither a volume nor the root file system is there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nemoclaw_policy::policy::Disk;
use nix::unistd::{Gid, Uid};

use crate::direct::boxes::Sandbox;
use crate::direct::disk;
use crate::direct::user::User;
use crate::direct::volume::Volume;

const SANDBOX: &str = "/sandbox";
const TMP: &str = "/tmp";

/// What was made.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Directories of this machine: (source, target).
    pub directories: Vec<(PathBuf, PathBuf)>,
    /// File systems in memory: (target, bytes).
    pub in_memory: Vec<(PathBuf, u64)>,
}

/// What they are made from.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The sandbox.
    pub sandbox: &'a Sandbox,
    /// The root directory; `None` is the host's own programs.
    pub root: Option<&'a Path>,
    /// Its volumes.
    pub volumes: &'a [Volume],
    /// Who it runs as.
    pub user: User,
    /// The policy's limits.
    pub disk: Disk,
}

/// Make them, each within its limit.
pub fn make(ground: &Ground<'_>) -> anyhow::Result<Own> {
    let mut own = Own::default();
    let taken = |target: &str| {
        let mut volumes = ground.volumes.iter();
        volumes.any(|volume| volume.target == Path::new(target))
    };
    let target = PathBuf::from(SANDBOX);
    match ground.disk.sandbox {
        _ if taken(SANDBOX) => {}
        Some(bytes) if ground.root.is_none_or(is_without_files) => {
            disk::make(ground.sandbox, bytes, ground.user)?;
            own.directories.push((disk::point(ground.sandbox), target));
        }
        // Of a root that has files there, the runtime says what to do.
        _ if ground.root.is_some() => {}
        _ => {
            let source = ground.sandbox.path("sandbox");
            directory(&source, ground.user, 0o755)?;
            own.directories.push((source, target));
        }
    }
    let target = PathBuf::from(TMP);
    match ground.disk.tmp {
        _ if taken(TMP) || ground.root.is_some() => {}
        Some(bytes) => own.in_memory.push((target, bytes)),
        None => {
            let source = ground.sandbox.path("tmp");
            directory(&source, ground.user, 0o1777)?;
            own.directories.push((source, target));
        }
    }
    Ok(own)
}

/// Whether the root file system's `/sandbox` has nothing that another one would hide.
fn is_without_files(root: &Path) -> bool {
    let sandbox = root.join(SANDBOX.trim_start_matches('/'));
    match std::fs::read_dir(sandbox) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn directory(path: &Path, user: User, mode: u32) -> anyhow::Result<()> {
    std::fs::create_dir(path)?;
    nix::unistd::chown(
        path,
        Some(Uid::from_raw(user.uid)),
        Some(Gid::from_raw(user.gid)),
    )?;
    Ok(std::fs::set_permissions(
        path,
        std::fs::Permissions::from_mode(mode),
    )?)
}
