//! The file tree that paths are told in: that of the process which the runtime began, not of one that a program of the
//! sandbox could have given another root or other mounts.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, fstatfs, openat2, readlinkat,
};

use super::handle::{FileId, Handle};

const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const INSIDE: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
/// File systems of the kernel's, whose files do something when they are read (statfs(2)).
const KERNELS: &[u32] = &[
    libc::PROC_SUPER_MAGIC as u32,
    libc::SYSFS_MAGIC as u32,
    libc::CGROUP_SUPER_MAGIC as u32,
    libc::CGROUP2_SUPER_MAGIC as u32,
    libc::DEBUGFS_MAGIC as u32,
    libc::TRACEFS_MAGIC as u32,
    libc::SECURITYFS_MAGIC as u32,
    libc::BPF_FS_MAGIC as u32,
    libc::NSFS_MAGIC as u32,
    libc::SELINUX_MAGIC as u32,
];

/// A file in the tree.
pub struct Found {
    /// Which.
    pub stat: Stat,
    place: OwnedFd,
}

/// A root directory.
pub struct Root {
    directory: OwnedFd,
    prefix: Vec<u8>,
    mounts: FileId,
    name: Vec<u8>,
}

impl Root {
    /// That of `process`, as one of several with this `name`.
    ///
    /// # Errors
    /// It is gone.
    pub fn of(process: &Handle, name: Vec<u8>) -> io::Result<Root> {
        let mut prefix = process.link("root")?;
        if prefix == b"/" {
            prefix.clear();
        }
        Ok(Root {
            directory: process.root()?,
            prefix,
            mounts: process.behind("ns/mnt")?,
            name,
        })
    }

    /// Whether `process` sees the same mounts.
    #[must_use]
    pub fn shared_with(&self, process: &Handle) -> bool {
        process
            .behind("ns/mnt")
            .is_ok_and(|mounts| mounts == self.mounts)
    }

    /// What a path in this tree is remembered by, where other trees have the same paths.
    #[must_use]
    pub fn key(&self, path: &[u8]) -> Vec<u8> {
        [self.name.as_slice(), path].concat()
    }

    /// A path of the kernel's, which begins at the root of the mounts, as a path in this tree.
    #[must_use]
    pub fn inside(&self, path: &[u8]) -> Option<Vec<u8>> {
        let below = path.strip_prefix(self.prefix.as_slice())?;
        match below.first() {
            None => Some(b"/".to_vec()),
            Some(b'/') => Some(below.to_vec()),
            Some(_) => None,
        }
    }

    /// The file that `path` leads to in this tree. It is not opened for reading.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, path: &[u8]) -> io::Result<Found> {
        let place = openat2(&self.directory, path, LOOK, Mode::empty(), INSIDE)?;
        Ok(Found {
            stat: fstat(&place)?,
            place,
        })
    }

    /// Where a file lies in this tree, without links.
    ///
    /// # Errors
    /// It lies outside.
    pub fn place(&self, found: &Found) -> io::Result<Vec<u8>> {
        let link = format!("/proc/self/fd/{}", found.place.as_raw_fd());
        let path = readlinkat(CWD, link, Vec::new())?.into_bytes();
        self.inside(&path)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Found {
    /// The file to be read, if it is one that only holds bytes.
    ///
    /// # Errors
    /// It is another kind of file, or cannot be opened.
    pub fn open(&self) -> io::Result<File> {
        let kind = FileType::from_raw_mode(self.stat.st_mode);
        let system = fstatfs(&self.place)?.f_type;
        let kernels = u32::try_from(system).is_ok_and(|system| KERNELS.contains(&system));
        if kind != FileType::RegularFile || kernels {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        File::open(format!("/proc/self/fd/{}", self.place.as_raw_fd()))
    }
}
