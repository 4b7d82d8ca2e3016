//! Reading an image: only by descriptors, and never through a link that leads out of it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::leads::leads;
use crate::plan::{Account, CA_BUNDLE_PATHS, PathKind, RESOLV_CONF, RootfsFacts};
use crate::sys::openat2;

/// Largest CA bundle that is taken from an image: real ones have some 250 KiB.
pub const LARGEST_BUNDLE: u64 = 4 << 20;
/// Largest `/etc/passwd` or `/etc/group` that is read.
const LARGEST_ACCOUNTS: u64 = 1 << 20;

/// Why an image could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the image's `{}`", path.display())]
pub struct RootfsError {
    /// The path inside the image; `/` = the root directory itself.
    pub path: PathBuf,
    /// Cause.
    #[source]
    pub source: io::Error,
}

/// Opens the root directory of an image.
///
/// # Errors
/// It is not there, or not a directory.
pub fn open_root(root: &Path) -> Result<OwnedFd, RootfsError> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_DIRECTORY | nix::libc::O_CLOEXEC)
        .open(root)
        .map(OwnedFd::from)
        .map_err(|source| RootfsError {
            path: root.to_path_buf(),
            source,
        })
}

/// Looks at `paths` (see [`crate::plan::paths_of_interest`]), accounts and CA bundles of the image at `root`.
///
/// # Errors
/// The root cannot be opened, or a path cannot be looked at for another reason than that it is not there.
pub fn probe(root: &Path, paths: &BTreeSet<PathBuf>) -> Result<RootfsFacts, RootfsError> {
    let root = open_root(root)?;
    let root = root.as_fd();
    let mut facts = RootfsFacts::default();
    for path in paths {
        let kind = kind(root, path).map_err(|errno| error(path, errno))?;
        facts.paths.insert(path.clone(), kind);
    }
    facts.accounts = text(root, Path::new("/etc/passwd"))?
        .lines()
        .filter_map(account)
        .collect();
    facts.sandbox_group = text(root, Path::new("/etc/group"))?
        .lines()
        .find_map(sandbox_group);
    facts.ca_bundles = ca_bundles(root);
    for path in CA_BUNDLE_PATHS.iter().chain([&RESOLV_CONF]) {
        let path = PathBuf::from(path);
        // Links in a circle, or a path through a file: nothing can be mounted there.
        let led = leads(root, &path).unwrap_or((path.clone(), PathKind::Other));
        facts.leads.insert(path, led);
    }
    Ok(facts)
}

fn error(path: &Path, errno: Errno) -> RootfsError {
    RootfsError {
        path: path.to_path_buf(),
        source: errno.into(),
    }
}

/// What stands at `path`, no link followed.
pub fn kind(root: BorrowedFd<'_>, path: &Path) -> Result<PathKind, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let fd = match openat2::open_in(root, path, flags) {
        Ok(fd) => fd,
        Err(Errno::ENOENT) => return Ok(PathKind::Missing),
        Err(Errno::ELOOP) => return Ok(PathKind::Symlink),
        Err(Errno::ENOTDIR) => return Ok(PathKind::Other),
        Err(errno) => return Err(errno),
    };
    let typ = File::from(fd)
        .metadata()
        .map_err(|_| Errno::last())?
        .file_type();
    Ok(if typ.is_dir() {
        PathKind::Directory
    } else if typ.is_file() {
        PathKind::File
    } else if typ.is_symlink() {
        PathKind::Symlink
    } else {
        PathKind::Other
    })
}

/// A regular file of the image with its size limit kept; `None` when there is none, or it is too large.
///
/// Opened without blocking, so that a pipe in its place cannot hold the runtime.
pub fn regular_file(
    root: BorrowedFd<'_>,
    path: &Path,
    largest: u64,
) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = open_regular(root, path, largest)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= largest).then_some(bytes))
}

fn open_regular(root: BorrowedFd<'_>, path: &Path, largest: u64) -> io::Result<Option<File>> {
    // O_PATH first: opening a device for reading could already do something.
    let probe = match openat2::open_following(root, path, OFlag::O_PATH) {
        Ok(fd) => File::from(fd),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    let meta = probe.metadata()?;
    if !meta.is_file() || meta.len() > largest {
        return Ok(None);
    }
    let file = File::from(openat2::open_following(
        root,
        path,
        OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY,
    )?);
    let opened = file.metadata()?;
    let same = (opened.dev(), opened.ino()) == (meta.dev(), meta.ino()) && opened.is_file();
    Ok(same.then_some(file))
}

/// The text of an accounts file; empty when the image has none. Bytes that are no UTF-8 are replaced.
fn text(root: BorrowedFd<'_>, path: &Path) -> Result<String, RootfsError> {
    let bytes = regular_file(root, path, LARGEST_ACCOUNTS)
        .map_err(|source| RootfsError {
            path: path.to_path_buf(),
            source,
        })?
        .unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The home of `uid` in the root file system at `root`; `/` for one whom its `/etc/passwd` does not name.
///
/// # Errors
/// The file cannot be read.
pub fn home_of(root: BorrowedFd<'_>, uid: u32) -> Result<PathBuf, RootfsError> {
    let accounts = text(root, Path::new("/etc/passwd"))?;
    let found = accounts
        .lines()
        .filter_map(account)
        .find(|one| one.uid == uid);
    Ok(found.map_or_else(|| PathBuf::from("/"), |one| one.home))
}

/// One line of `/etc/passwd`.
fn account(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let home = PathBuf::from(fields.nth(1)?);
    (!name.is_empty() && home.is_absolute()).then_some(Account {
        name,
        uid,
        gid,
        home,
    })
}

/// The gid of the group `sandbox`, if `line` is its line.
fn sandbox_group(line: &str) -> Option<u32> {
    let mut fields = line.split(':');
    (fields.next()? == "sandbox").then(|| fields.nth(1)?.parse().ok())?
}

/// The CA bundles, each file once however many names it has.
fn ca_bundles(root: BorrowedFd<'_>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let new = |path: &&&str| match open_regular(root, Path::new(path), LARGEST_BUNDLE) {
        Ok(Some(file)) => file
            .metadata()
            .is_ok_and(|meta| seen.insert((meta.dev(), meta.ino()))),
        Ok(None) | Err(_) => false,
    };
    CA_BUNDLE_PATHS
        .iter()
        .filter(new)
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines_are_read_and_broken_ones_passed_over() {
        let sandbox = account("sandbox:x:998:997:Agent:/sandbox:/bin/sh").unwrap();
        assert_eq!(
            (sandbox.uid, sandbox.gid, sandbox.home),
            (998, 997, PathBuf::from("/sandbox"))
        );
        for line in [
            "",
            "a",
            "a:x:b:c:d:/e:f",
            ":x:1:1::/x:",
            "a:x:1:1::relative:",
        ] {
            assert_eq!(account(line), None, "{line}");
        }
        assert_eq!(sandbox_group("sandbox:x:997:"), Some(997));
        assert_eq!(sandbox_group("other:x:997:"), None);
    }
}
