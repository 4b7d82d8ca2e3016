//! A process by its directory in `/proc`, which never comes to mean a later process with the same number.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RawDir, Stat, openat, readlinkat, readlinkat_raw, statat,
};

use crate::limits;

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC);
const LIST: OFlags = READ.union(OFlags::DIRECTORY);
/// Room for the entries of a directory, read in as many calls as it takes.
const ENTRIES: usize = 8 * 1024;
/// The longest text of a link to a socket, `socket:[4294967295]`, and one more byte.
const SOCKET_LINK: usize = 20;

/// A file, whatever path leads to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl From<&Stat> for FileId {
    fn from(stat: &Stat) -> FileId {
        FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// A process.
pub struct Handle {
    /// Its pid.
    pub pid: i32,
    directory: OwnedFd,
}

impl Handle {
    /// The process that `pid` names now.
    ///
    /// # Errors
    /// There is none.
    pub fn open(pid: i32) -> io::Result<Handle> {
        let directory = openat(CWD, format!("/proc/{pid}"), DIRECTORY, Mode::empty())?;
        Ok(Handle { pid, directory })
    }

    /// What one of its links says: `exe`, `cwd`, `root`, or a descriptor.
    ///
    /// # Errors
    /// It is gone, or has none.
    pub fn link(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(readlinkat(&self.directory, name, Vec::new())?.into_bytes())
    }

    /// What one of its links leads to, without reading it.
    ///
    /// # Errors
    /// It is gone, or has none.
    pub fn behind(&self, name: &str) -> io::Result<FileId> {
        let stat = statat(&self.directory, name, AtFlags::empty())?;
        Ok(FileId::from(&stat))
    }

    /// Its executable, also one that no path leads to any more.
    ///
    /// # Errors
    /// It is gone, or has none.
    pub fn executable(&self) -> io::Result<File> {
        Ok(openat(&self.directory, "exe", READ, Mode::empty())?.into())
    }

    /// Its root directory.
    ///
    /// # Errors
    /// It is gone.
    pub fn root(&self) -> io::Result<OwnedFd> {
        Ok(openat(&self.directory, "root", DIRECTORY, Mode::empty())?)
    }

    /// The words of `cmdline` or `environ`, as many as fit in [`limits::PROGRAM_WORDS`].
    ///
    /// # Errors
    /// It is gone.
    pub fn words(&self, name: &str) -> io::Result<Vec<Vec<u8>>> {
        let bytes = self.read(name)?;
        let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
        Ok(text.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
    }

    /// The pid of its parent, while it runs.
    ///
    /// # Errors
    /// It is gone.
    pub fn parent(&self) -> io::Result<i32> {
        let stat = self.read("stat")?;
        let text = String::from_utf8_lossy(&stat);
        // Behind the name, which may hold anything: the state, then the parent.
        let (_, rest) = text.rsplit_once(')').ok_or(io::ErrorKind::InvalidData)?;
        let parent = rest.split_whitespace().nth(1);
        parent
            .and_then(|parent| parent.parse().ok())
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Whether it still has the socket open whose descriptors read as `socket`, likely as `descriptor`.
    #[must_use]
    pub fn holds(&self, descriptor: &CStr, socket: &str) -> bool {
        let list = openat(&self.directory, "fd", LIST, Mode::empty());
        list.is_ok_and(|list| {
            reads_as(&list, descriptor, socket)
                // It has moved it: a shell does.
                || find(&list, socket).is_ok_and(|found| found.is_some())
        })
    }

    /// One of its files, as much as fits in [`limits::PROGRAM_WORDS`].
    ///
    /// # Errors
    /// It is gone.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = File::from(openat(&self.directory, name, READ, Mode::empty())?);
        let mut bytes = Vec::new();
        file.take(limits::PROGRAM_WORDS).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The descriptor by which the process that `pid` names now has the socket open whose descriptors read as `socket`.
///
/// # Errors
/// There is no such process.
pub fn descriptor_of(pid: i32, socket: &str) -> io::Result<Option<CString>> {
    let list = openat(CWD, format!("/proc/{pid}/fd"), LIST, Mode::empty())?;
    find(&list, socket)
}

fn find(list: &OwnedFd, socket: &str) -> io::Result<Option<CString>> {
    let mut entries = [MaybeUninit::uninit(); ENTRIES];
    let mut directory = RawDir::new(list, &mut entries);
    while let Some(entry) = directory.next() {
        let entry = entry?;
        if reads_as(list, entry.file_name(), socket) {
            return Ok(Some(entry.file_name().to_owned()));
        }
    }
    Ok(None)
}

/// Whether a descriptor is the socket. `.`, `..`, and descriptors that were closed meanwhile are no links.
fn reads_as(list: &OwnedFd, descriptor: &CStr, socket: &str) -> bool {
    let mut text = [MaybeUninit::uninit(); SOCKET_LINK];
    readlinkat_raw(list, descriptor, &mut text).is_ok_and(|(link, _)| link == socket.as_bytes())
}
