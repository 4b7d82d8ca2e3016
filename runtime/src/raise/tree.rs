//! The box's file tree: its root, and everything that is mounted in it, in the order of the configuration.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use oci_spec::runtime::Mount;

use super::copy;
use super::error::{RaiseError, kernel, on};
use super::options::Options;
use super::places::{self, Kind, Place};
use super::sources::{self, Hierarchy, Source, What};
use crate::sys::mount::{self, Attributes, FileSystem, Propagation, Reach};
use crate::sys::openat2;

/// Where devices are.
const DEV: &str = "/dev";

/// Mount everything below `root`.
///
/// # Errors
/// The mount that failed.
pub fn mount_all(
    root: BorrowedFd<'_>,
    mounts: &[Mount],
    sources: &[Source],
) -> Result<(), RaiseError> {
    mounts
        .iter()
        .zip(sources)
        .try_for_each(|(mount, source)| mount_one(root, mount, source))
}

fn mount_one(root: BorrowedFd<'_>, mount: &Mount, source: &Source) -> Result<(), RaiseError> {
    let destination = mount.destination();
    let failed = || on("mount", destination);
    match &source.what {
        What::Tree { tree, kind } => {
            let place = places::at(root, destination, *kind)
                .map_err(on("make or open the mount point", destination))?;
            mount::attach(tree.as_fd(), place.fd.as_fd()).map_err(failed())
        }
        What::Cgroups(hierarchies) => cgroups(root, mount, &source.options, hierarchies),
        What::New if source.options.remount => {
            let place = openat2::open_following(root, destination, OFlag::O_PATH)
                .map_err(on("open the mount point", destination))?;
            sources::flags(place.as_fd(), &source.options).map_err(failed())
        }
        What::New => new(root, mount, &source.options),
    }
}

/// A file system of the box's own.
fn new(root: BorrowedFd<'_>, mount: &Mount, options: &Options) -> Result<(), RaiseError> {
    let destination = mount.destination();
    let typ = mount.typ().as_deref().unwrap_or("none");
    let place = if matches!(typ, "proc" | "sysfs") {
        // What the walls hide is named by these paths, so no link may lead them elsewhere.
        in_place(root, destination).map_err(|error| match error {
            Errno::ELOOP => RaiseError::Config(format!(
                "the file system `{typ}` must be mounted on an ordinary directory, and `{}` is or lies behind a symbolic link",
                destination.display()
            )),
            other => on("make or open the mount point", destination)(other),
        })?
    } else {
        places::at(root, destination, Kind::Directory)
            .map_err(on("make or open the mount point", destination))?
    };
    let source = mount.source().as_deref().unwrap_or(Path::new(typ));
    let made = file_system(typ, source, options, &place, destination)?;
    if options.copy_up && typ == "tmpfs" {
        copy::into(place.fd.as_fd(), made.as_fd())
            .map_err(on("copy what the image has at", destination))?;
    }
    options
        .propagation
        .iter()
        .try_for_each(|(how, reach)| mount::propagate(made.as_fd(), *reach, *how))
        .map_err(on("change how mounts pass to", destination))?;
    let mut now = options.clone();
    if destination == Path::new(DEV) {
        // Mount points and devices are made in it first; `close_dev` does the rest.
        now.set = now.set.without(Attributes::READ_ONLY);
    }
    sources::flags(made.as_fd(), &now).map_err(on("set the mount flags of", destination))?;
    mount::attach(made.as_fd(), place.fd.as_fd()).map_err(on("mount", destination))
}

/// Make a `/dev` of the box's own read-only where the configuration wants it so, once everything in it is made.
///
/// # Errors
/// The kernel's error.
pub fn close_dev(
    root: BorrowedFd<'_>,
    mounts: &[Mount],
    sources: &[Source],
) -> Result<(), RaiseError> {
    let dev = Path::new(DEV);
    let wanted = mounts.iter().zip(sources).any(|(mount, source)| {
        mount.destination() == dev
            && matches!(source.what, What::New)
            && source.options.set.meets(Attributes::READ_ONLY)
    });
    if !wanted {
        return Ok(());
    }
    openat2::open_following(root, dev, OFlag::O_PATH)
        .and_then(|place| {
            let none = Attributes::default();
            mount::change(place.as_fd(), Reach::One, Attributes::READ_ONLY, none)
        })
        .map_err(on("make read-only", dev))
}

fn in_place(root: BorrowedFd<'_>, path: &Path) -> Result<Place, Errno> {
    match openat2::open_in(root, path, OFlag::O_PATH | OFlag::O_DIRECTORY) {
        Ok(fd) => Ok(Place { fd, existed: true }),
        Err(Errno::ENOENT) => {
            places::make(root, path, Kind::Directory).map(|fd| Place { fd, existed: false })
        }
        Err(error) => Err(error),
    }
}

fn file_system(
    typ: &str,
    source: &Path,
    options: &Options,
    place: &Place,
    destination: &Path,
) -> Result<OwnedFd, RaiseError> {
    let shown = destination.display();
    let c = |text: &str| {
        CString::new(text)
            .map_err(|_| RaiseError::Config(format!("the mount on `{shown}` holds a zero byte")))
    };
    let making = FileSystem::open(&c(typ)?).map_err(kernel(format!(
        "mount `{shown}`: begin a file system `{typ}`"
    )))?;
    let told = |what: String, error: Errno| {
        let words = making.words();
        let what = if words.is_empty() {
            what
        } else {
            format!("{what} ({words})")
        };
        kernel(what)(error)
    };
    let set = |name: &CStr, value: Option<&CStr>| {
        making.set(name, value).map_err(|error| {
            told(
                format!(
                    "mount `{shown}`: set the option `{}` of `{typ}`",
                    name.to_string_lossy()
                ),
                error,
            )
        })
    };
    set(c"source", Some(&c(&source.to_string_lossy())?))?;
    for (name, value) in &options.data {
        set(name, value.as_deref())?;
    }
    if typ == "tmpfs" && place.existed && options.value("mode").is_none() {
        // A tmpfs takes the mode of the directory that it covers.
        let stat =
            nix::sys::stat::fstat(place.fd.as_raw_fd()).map_err(on("look at", destination))?;
        set(c"mode", Some(&c(&format!("{:o}", stat.st_mode & 0o7777))?))?;
    }
    making
        .mount(Attributes::default())
        .map_err(|error| told(format!("mount `{shown}` as `{typ}`"), error))
}

/// The box's own cgroups: on v1 a small tree with a directory a hierarchy.
fn cgroups(
    root: BorrowedFd<'_>,
    mount: &Mount,
    options: &Options,
    hierarchies: &[Hierarchy],
) -> Result<(), RaiseError> {
    let destination = mount.destination();
    let failed = || on("mount the cgroups on", destination);
    let place = places::at(root, destination, Kind::Directory)
        .map_err(on("make or open the mount point", destination))?;
    if let [Hierarchy { name, tree, .. }] = hierarchies
        && name.is_empty()
    {
        sources::flags(tree.as_fd(), options).map_err(failed())?;
        return mount::attach(tree.as_fd(), place.fd.as_fd()).map_err(failed());
    }
    let around = FileSystem::open(c"tmpfs").map_err(failed())?;
    around.set(c"source", Some(c"tmpfs")).map_err(failed())?;
    around.set(c"mode", Some(c"755")).map_err(failed())?;
    let around = around.mount(Attributes::default()).map_err(failed())?;
    let mut places = Vec::new();
    for hierarchy in hierarchies {
        let made = places::make(around.as_fd(), Path::new(&hierarchy.name), Kind::Directory);
        places.push(made.map_err(failed())?);
        for alias in hierarchy
            .aliases
            .iter()
            .filter(|alias| **alias != hierarchy.name)
        {
            nix::unistd::symlinkat(
                hierarchy.name.as_str(),
                Some(around.as_raw_fd()),
                alias.as_str(),
            )
            .map_err(failed())?;
        }
    }
    mount::attach(around.as_fd(), place.fd.as_fd()).map_err(failed())?;
    for (hierarchy, at) in hierarchies.iter().zip(&places) {
        sources::flags(hierarchy.tree.as_fd(), options).map_err(failed())?;
        mount::attach(hierarchy.tree.as_fd(), at.as_fd()).map_err(failed())?;
    }
    sources::flags(around.as_fd(), options).map_err(failed())
}

/// Put the root's copy into this mount namespace, cut off from the host's.
///
/// # Errors
/// The kernel's error.
pub fn enter(
    root: BorrowedFd<'_>,
    path: &Path,
    propagation: Option<&str>,
) -> Result<(), RaiseError> {
    let own = openat2::own_root().map_err(kernel("open the root directory"))?;
    // The box's mounts must never reach the host, and the parent of a new root must not be shared at all.
    // What shall be shared with it is a copy of the host's own mounts, which this does not touch.
    let host = match propagation {
        Some("private" | "rprivate") => Propagation::Private,
        _ => Propagation::Slave,
    };
    mount::propagate(own.as_fd(), Reach::Tree, host)
        .map_err(kernel("cut the mount namespace off from the host's"))?;
    mount::propagate(root, Reach::One, Propagation::Private)
        .map_err(on("cut off the root file system", path))?;
    // Hooks look for the root by its path. A mapped root may not be allowed on the way there; then it lies on top of `/`.
    let place = openat2::open_host(path, OFlag::O_PATH | OFlag::O_DIRECTORY);
    let place = match place {
        Ok(place) => place,
        Err(Errno::EACCES) => own,
        Err(error) => return Err(on("open the root file system", path)(error)),
    };
    mount::attach(root, place.as_fd()).map_err(on("mount the root file system", path))
}

/// How the root is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// By `pivot_root`: the host's root is gone from the namespace.
    Pivot,
    /// By moving and `chroot`, where the host's root is an initramfs.
    Chroot,
}

/// Make `root`, which is mounted, the root directory.
///
/// # Errors
/// The kernel's error.
pub fn switch(root: BorrowedFd<'_>, how: Switch) -> Result<(), RaiseError> {
    nix::unistd::fchdir(root.as_raw_fd()).map_err(kernel("enter the root file system"))?;
    match how {
        Switch::Pivot => {
            let old = openat2::own_root().map_err(kernel("open the old root"))?;
            mount::pivot_here().map_err(kernel("make the root file system the root"))?;
            // The old root lies on the new one; what is unmounted there must not be unmounted on the host.
            mount::propagate(old.as_fd(), Reach::Tree, Propagation::Slave)
                .map_err(kernel("cut the old root off from the host's"))?;
            drop(old);
            umount2(".", MntFlags::MNT_DETACH).map_err(kernel("unmount the old root"))?;
        }
        Switch::Chroot => {
            nix::mount::mount(
                Some("."),
                "/",
                None::<&str>,
                nix::mount::MsFlags::MS_MOVE,
                None::<&str>,
            )
            .map_err(kernel("move the root file system to `/`"))?;
            nix::unistd::chroot(".").map_err(kernel("make the root file system the root"))?;
        }
    }
    nix::unistd::chdir("/").map_err(kernel("enter the root directory"))
}

/// How the finished root passes mounts, and whether it is read-only.
///
/// # Errors
/// The kernel's error.
pub fn finish(propagation: Option<&str>, read_only: bool) -> Result<(), RaiseError> {
    let root = openat2::own_root().map_err(kernel("open the root directory"))?;
    let how = match propagation {
        Some("shared" | "rshared") => Some(Propagation::Shared),
        Some("slave" | "rslave") => Some(Propagation::Slave),
        Some("private" | "rprivate") => Some(Propagation::Private),
        Some("unbindable" | "runbindable") => Some(Propagation::Unbindable),
        Some("") | None => None,
        Some(other) => {
            return Err(RaiseError::Config(format!(
                "`{other}` is no propagation of mounts"
            )));
        }
    };
    if let Some(how) = how {
        let reach = match propagation {
            Some(name) if name.starts_with('r') => Reach::Tree,
            _ => Reach::One,
        };
        mount::propagate(root.as_fd(), reach, how)
            .map_err(kernel("set how mounts pass to the root file system"))?;
    }
    if read_only {
        mount::change(
            root.as_fd(),
            Reach::One,
            Attributes::READ_ONLY,
            Attributes::default(),
        )
        .map_err(kernel("make the root file system read-only"))?;
    }
    Ok(())
}
