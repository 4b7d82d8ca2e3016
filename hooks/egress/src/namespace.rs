//! The sandbox's network namespace: found by its first process, entered for a moment, left again.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};

use crate::error::HookError;
use crate::sys::process::pidfd_open;

/// Namespaces that are the host's: the hook runs in the engine's, and the first process of all in the machine's.
const HOSTS: [&str; 2] = ["/proc/self/ns/net", "/proc/1/ns/net"];

/// A sandbox's network namespace and its first process.
#[derive(Debug)]
pub struct Namespace {
    home: File,
    target: File,
    pidfd: OwnedFd,
}

impl Namespace {
    /// The namespace of the process `pid`.
    ///
    /// # Errors
    /// The process is gone, or the namespace is the host's own.
    pub fn of(pid: i32) -> Result<Namespace, HookError> {
        let gone = |errno| HookError::Gone { pid, source: errno };
        let pidfd = pidfd_open(pid).map_err(gone)?;
        let open = |path: &Path| {
            File::open(path).map_err(|source| HookError::Namespace {
                path: path.into(),
                source,
            })
        };
        let target = open(Path::new(&format!("/proc/{pid}/ns/net")))?;
        if ended(pidfd.as_fd()) {
            return Err(gone(Errno::ESRCH)); // the number may have meant another process meanwhile
        }
        let home = open(Path::new(HOSTS[0]))?;
        let namespace = Namespace {
            home,
            target,
            pidfd,
        };
        namespace.refuse_hosts()?;
        Ok(namespace)
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.target.as_fd()
    }

    /// Copies of the namespace's and the process's descriptors.
    ///
    /// # Errors
    /// Too many are open.
    pub fn descriptors(&self) -> Result<(OwnedFd, OwnedFd), HookError> {
        let failed = |source| HookError::Namespace {
            path: "/proc/self/fd".into(),
            source,
        };
        let target = self.target.as_fd().try_clone_to_owned().map_err(failed)?;
        Ok((target, self.pidfd.try_clone().map_err(failed)?))
    }

    /// Do `work` inside. The process has one thread, so nothing else goes along.
    ///
    /// # Errors
    /// The namespace cannot be entered or left, or `work` fails.
    pub fn inside<T>(&self, work: impl FnOnce() -> Result<T, HookError>) -> Result<T, HookError> {
        setns(&self.target, CloneFlags::CLONE_NEWNET).map_err(HookError::Enter)?;
        let result = work();
        setns(&self.home, CloneFlags::CLONE_NEWNET).map_err(HookError::Leave)?;
        result
    }

    fn refuse_hosts(&self) -> Result<(), HookError> {
        let identity = |file: &File| file.metadata().map(|data| (data.dev(), data.ino()));
        let failed = |source| HookError::Namespace {
            path: HOSTS[0].into(),
            source,
        };
        let target = identity(&self.target).map_err(failed)?;
        let first = File::open(HOSTS[1]).and_then(|file| identity(&file)).ok(); // hidden from us: then not ours either
        if identity(&self.home).map_err(failed)? == target || first == Some(target) {
            return Err(HookError::Host);
        }
        Ok(())
    }
}

fn ended(pidfd: BorrowedFd<'_>) -> bool {
    let mut wait = [PollFd::new(pidfd, PollFlags::POLLIN)];
    !matches!(poll(&mut wait, PollTimeout::ZERO), Ok(0))
}
