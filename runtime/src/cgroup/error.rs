//! Why a cgroup could not be used, in one sentence that names the file.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

use super::devices::DeviceError;
use super::systemd::SystemdError;

/// Why the cgroup could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// No hierarchy where it must be.
    #[error("cannot find this machine's cgroups: mount cgroup version 2 on `/sys/fs/cgroup`")]
    NoHierarchy(#[source] io::Error),
    /// A hierarchy that holds no controllers, where they are needed.
    #[error("this machine mounts no hierarchy of cgroups that a container could live in")]
    Empty,
    /// Not made.
    #[error("cannot make the cgroup `{}`{}", path.display(), hint(.source))]
    Make {
        /// Its directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Not joined.
    #[error("cannot put process {pid} into the cgroup `{}`{}", path.display(), hint(.source))]
    Join {
        /// The process.
        pid: i32,
        /// The cgroup's directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Not opened.
    #[error("cannot open the cgroup `{}`{}", path.display(), hint(.source))]
    Open {
        /// Its directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A value that the kernel refuses.
    #[error("cannot set `{file}` of container \"{id}\" to {value}{}", hint(.source))]
    Value {
        /// The cgroup's file.
        file: String,
        /// The container.
        id: String,
        /// The value.
        value: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A limit that this machine has not.
    #[error("cannot set `{file}` of container \"{id}\" to {value}: {why}")]
    Lacking {
        /// The cgroup's file.
        file: String,
        /// The container.
        id: String,
        /// The value.
        value: String,
        /// What is missing.
        why: String,
    },
    /// A limit that makes no sense, or that this version of cgroups has not.
    #[error("cannot limit container \"{id}\": {why}")]
    Refused {
        /// The container.
        id: String,
        /// Why not.
        why: String,
    },
    /// A rule of devices.
    #[error("cannot limit the devices of container \"{id}\"")]
    Devices {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: DeviceError,
    },
    /// The freezer cannot be written.
    #[error("cannot {step} the cgroup `{}`{}", path.display(), hint(.source))]
    Freezer {
        /// `freeze` or `thaw`.
        step: &'static str,
        /// The cgroup's directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// No freezer.
    #[error("cannot freeze container \"{0}\": this machine's cgroups have no freezer")]
    NoFreezer(String),
    /// A process that does not freeze.
    #[error(
        "the processes of container \"{id}\" do not freeze: a device or a file system of the network may hold one"
    )]
    NotFrozen {
        /// The container.
        id: String,
    },
    /// Others live there, and they would end with the box.
    #[error("the cgroup `{}` of container \"{id}\" is in use by {processes} other processes: give the container one of its own", path.display())]
    Taken {
        /// The container.
        id: String,
        /// `linux.cgroupsPath`.
        path: PathBuf,
        /// How many live there.
        processes: usize,
    },
    /// A path that leads out of the hierarchy.
    #[error("the cgroup path `{}` of container \"{id}\" has `..`: name one without", path.display())]
    Outside {
        /// The container.
        id: String,
        /// `linux.cgroupsPath`.
        path: PathBuf,
    },
    /// Killed, and still there.
    #[error(
        "{processes} killed processes of container \"{id}\" do not end: a device or a file system of the network may hold them"
    )]
    Remains {
        /// The container.
        id: String,
        /// How many.
        processes: usize,
    },
    /// A signal was refused.
    #[error("cannot send a signal to process {pid} of container \"{id}\": {}", .source.desc())]
    Signal {
        /// The process.
        pid: i32,
        /// The container.
        id: String,
        /// The kernel's word.
        source: Errno,
    },
    /// Not removed.
    #[error("cannot remove the cgroup `{}`{}", path.display(), hint(.source))]
    Remove {
        /// Its directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The cgroup is gone.
    #[error("container not running")]
    Gone,
    /// Memory cannot be listened to.
    #[error("cannot listen to the memory of the cgroup `{}`", path.display())]
    Listen {
        /// The cgroup's directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// No memory controller.
    #[error("cannot listen to the memory of container \"{0}\": this machine's cgroups count none")]
    NoMemory(String),
    /// systemd.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}

/// What to do about the usual causes; nothing for the others.
fn hint(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::EROFS) => " (it is mounted read-only: `mount -o remount,rw` it)",
        Some(libc::EPERM | libc::EACCES) => {
            " (this takes root, or a cgroup that was delegated to this user)"
        }
        Some(libc::EBUSY) => " (it, or the cgroup above it, is in use)",
        _ => "",
    }
}
