//! A box's cgroup entered by the process itself: on version 1 the kernel then need not wait for all CPUs, which takes it
//! 5 ms when nobody has moved a process for a while.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use super::layout::Version;
use super::make::PROCS;
use super::{Branch, Cgroup, CgroupError};

/// Version 1: a thread that names itself here moves alone, and no lock of the whole machine is taken.
const TASKS: &str = "tasks";
/// Whoever writes it.
const SELF: &[u8] = b"0";

/// The way into a box's cgroup, opened by who may. A child that has less rights, other mounts or another namespace of
/// cgroups than its parent can still take it.
#[derive(Debug)]
pub struct Entry(Vec<(File, PathBuf)>);

impl Cgroup {
    /// Open the way in for a child of this process. With version 2 alone, `clone3` with [`Cgroup::open_for_clone`] is
    /// the faster one. systemd must be told of a process, by [`Cgroup::join`]: nothing is opened then.
    ///
    /// # Errors
    /// A hierarchy cannot be opened.
    pub fn entry(&self) -> Result<Option<Entry>, CgroupError> {
        if self.systemd.is_some() {
            return Ok(None);
        }
        let branches = self.branches.iter();
        let there = branches.filter(|branch| !branch.optional || branch.directory.exists());
        let opened: Result<_, _> = there.map(Branch::entry).collect();
        opened.map(Entry).map(Some)
    }
}

impl Entry {
    /// Move the calling process, which must have no other thread, into the cgroup.
    ///
    /// # Errors
    /// The kernel refuses it in a hierarchy.
    pub fn enter(&self) -> Result<(), CgroupError> {
        self.0.iter().try_for_each(|(file, path)| {
            let mut file: &File = file;
            file.write_all(SELF).map_err(|source| CgroupError::Join {
                pid: nix::unistd::getpid().as_raw(),
                path: path.clone(),
                source,
            })
        })
    }
}

impl Branch {
    fn entry(&self) -> Result<(File, PathBuf), CgroupError> {
        let name = match self.hierarchy.version {
            Version::One => TASKS,
            Version::Two => PROCS,
        };
        let opened = File::options().write(true).open(self.directory.join(name));
        match opened {
            Ok(file) => Ok((file, self.directory.clone())),
            Err(source) => Err(CgroupError::Open {
                path: self.directory.clone(),
                source,
            }),
        }
    }
}
