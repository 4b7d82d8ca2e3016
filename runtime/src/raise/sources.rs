//! What a box mounts of the host, opened before the box exists: as root on the host, each path resolved once.
//!
//! A detached copy of each source waits for the box's first process, which only has to attach it. So neither a link that
//! someone puts into a path later, nor a directory that a mapped root may not enter, comes between.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use oci_spec::runtime::{Linux, LinuxIdMapping, Mount};

use super::error::{RaiseError, kernel, on};
use super::options::Options;
use super::places::Kind;
use super::users;
use crate::cgroup::Cgroup;
use crate::sys::mount::{self, Propagation, Reach};
use crate::sys::openat2;

/// One mount of the configuration, ready to be attached or made in the box.
pub struct Source {
    /// Its options.
    pub options: Options,
    /// What it is.
    pub what: What,
}

/// Kinds of mounts.
pub enum What {
    /// A copy of the host's.
    Tree {
        /// Detached.
        tree: OwnedFd,
        /// What it covers.
        kind: Kind,
    },
    /// A file system that the box's first process makes, in its own namespaces.
    New,
    /// The box's own cgroups, one directory a hierarchy.
    Cgroups(Vec<Hierarchy>),
}

/// A hierarchy's part of a cgroup mount.
pub struct Hierarchy {
    /// The directory's name below the mount; empty when it is the mount itself.
    pub name: String,
    /// Links beside it that lead to it.
    pub aliases: Vec<String>,
    /// The box's own cgroup, detached.
    pub tree: OwnedFd,
}

/// What all mounts of a box have in common.
pub struct Ground<'a> {
    /// The Linux part, for user mappings and the root's propagation.
    pub linux: &'a Linux,
    /// The box's cgroup, made already.
    pub cgroup: &'a Cgroup,
    /// Sources were resolved by the plan: no link may lead to them any more. Those below this directory are ours.
    pub checked_except: Option<&'a Path>,
}

/// Open the sources of all `mounts`.
///
/// # Errors
/// A source is not there, or cannot be copied or mapped.
pub fn open(mounts: &[Mount], ground: &Ground<'_>) -> Result<Vec<Source>, RaiseError> {
    mounts.iter().map(|mount| one(mount, ground)).collect()
}

fn one(mount: &Mount, ground: &Ground<'_>) -> Result<Source, RaiseError> {
    let given = mount.options().as_deref().unwrap_or_default();
    let mut options = Options::read(given, mount.typ().as_deref()).map_err(RaiseError::Config)?;
    let mapped = mount.uid_mappings().is_some() || mount.gid_mappings().is_some();
    if mapped && options.mapped.is_none() {
        options.mapped = Some(Reach::One);
    }
    let what = match (options.bind, mount.typ().as_deref()) {
        (Some(reach), _) => tree(mount, reach, &options, ground)?,
        (None, Some("cgroup" | "cgroup2")) => What::Cgroups(hierarchies(ground)?),
        (None, _) => What::New,
    };
    Ok(Source { options, what })
}

fn tree(
    mount: &Mount,
    reach: Reach,
    options: &Options,
    ground: &Ground<'_>,
) -> Result<What, RaiseError> {
    let path = mount.source().as_deref().unwrap_or(Path::new(""));
    let source = source(path, ground.checked_except).map_err(on("open the mount source", path))?;
    let kind = match openat2::identity(source.as_fd()) {
        Ok((_, true)) => Kind::Directory,
        Ok((_, false)) => Kind::File,
        Err(error) => return Err(on("look at the mount source", path)(error)),
    };
    let copied = mount::clone_tree(source.as_fd(), reach).map_err(on("copy the mount", path))?;
    let at = copied.as_fd();
    detach(at, options, ground.linux).map_err(on("change how mounts pass to", path))?;
    if options.remount {
        return Err(RaiseError::Config(format!(
            "the mount on `{}` has both `bind` and `remount`",
            mount.destination().display()
        )));
    }
    map(mount, at, options, ground.linux)?;
    flags(at, options).map_err(on("set the mount flags of", path))?;
    Ok(What::Tree { tree: copied, kind })
}

fn source(path: &Path, checked_except: Option<&Path>) -> Result<OwnedFd, Errno> {
    match checked_except {
        Some(ours) if !path.starts_with(ours) => {
            openat2::open_in(openat2::own_root()?.as_fd(), path, OFlag::O_PATH)
        }
        _ => openat2::open_host(path, OFlag::O_PATH),
    }
}

/// Cut the copy off from the host's mounts as far as the configuration says. Without a word it takes what the host
/// mounts later only when the box's whole root does.
fn detach(at: BorrowedFd<'_>, options: &Options, linux: &Linux) -> Result<(), Errno> {
    let root = linux.rootfs_propagation().as_deref();
    let root_is_shared = matches!(root, Some("shared" | "rshared"));
    let root_is_private = matches!(root, Some("private" | "rprivate"));
    let first = if root_is_private {
        Propagation::Private
    } else {
        Propagation::Slave
    };
    if !root_is_shared || options.propagation.is_empty() {
        mount::propagate(at, Reach::Tree, first)?;
    }
    options
        .propagation
        .iter()
        .try_for_each(|(how, reach)| mount::propagate(at, *reach, *how))
}

fn map(
    mount: &Mount,
    at: BorrowedFd<'_>,
    options: &Options,
    linux: &Linux,
) -> Result<(), RaiseError> {
    let Some(reach) = options.mapped else {
        return Ok(());
    };
    let shown = mount.destination().display();
    let none: &[LinuxIdMapping] = &[];
    let own = (mount.uid_mappings(), mount.gid_mappings());
    let (uids, gids) = match own {
        (Some(uids), Some(gids)) => (uids.as_slice(), gids.as_slice()),
        (None, None) => (
            linux.uid_mappings().as_deref().unwrap_or(none),
            linux.gid_mappings().as_deref().unwrap_or(none),
        ),
        _ => {
            return Err(RaiseError::Config(format!(
                "the idmapped mount on `{shown}` needs both uidMappings and gidMappings"
            )));
        }
    };
    if uids.is_empty() || gids.is_empty() {
        return Err(RaiseError::Config(format!(
            "the idmapped mount on `{shown}` has no mappings, and the container has no user namespace"
        )));
    }
    let namespace = users::namespace(uids, gids)?;
    mount::map_users(at, reach, namespace.as_fd())
        .map_err(kernel(format!("map the users of the mount on `{shown}`")))
}

/// The flags of a copy, first for all below it.
pub fn flags(at: BorrowedFd<'_>, options: &Options) -> Result<(), Errno> {
    if !(options.tree_set.is_empty() && options.tree_clear.is_empty()) {
        mount::change(at, Reach::Tree, options.tree_set, options.tree_clear)?;
    }
    if !(options.set.is_empty() && options.clear.is_empty()) {
        mount::change(at, Reach::One, options.set, options.clear)?;
    }
    Ok(())
}

fn hierarchies(ground: &Ground<'_>) -> Result<Vec<Hierarchy>, RaiseError> {
    ground
        .cgroup
        .views()
        .into_iter()
        .map(|view| {
            let path = view.directory;
            let opened = openat2::open_host(&path, OFlag::O_PATH | OFlag::O_DIRECTORY)
                .map_err(on("open the cgroup", &path))?;
            let tree = mount::clone_tree(opened.as_fd(), Reach::One)
                .map_err(on("copy the mount", &path))?;
            mount::propagate(tree.as_fd(), Reach::One, Propagation::Private)
                .map_err(on("change how mounts pass to", &path))?;
            Ok(Hierarchy {
                name: view.name,
                aliases: view.aliases,
                tree,
            })
        })
        .collect()
}

/// A detached copy of the host's `/dev/null`, for hiding files behind it.
///
/// # Errors
/// It is not there, or no such device.
pub fn null() -> Result<OwnedFd, RaiseError> {
    let path = Path::new("/dev/null");
    let opened = File::from(openat2::open_host(path, OFlag::O_PATH).map_err(on("open", path))?);
    let stat = nix::sys::stat::fstat(opened.as_raw_fd()).map_err(on("look at", path))?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFCHR || stat.st_rdev != libc::makedev(1, 3) {
        return Err(RaiseError::Config(
            "the host's `/dev/null` is not the null device".to_owned(),
        ));
    }
    mount::clone_tree(opened.as_fd(), Reach::One).map_err(on("copy the mount", path))
}
