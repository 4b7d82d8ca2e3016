//! Where a path of an image leads when its links are followed, as a path without links, also when nothing is there.
//!
//! Mount points that are missing are made there, also behind a link that dangles.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};

use super::rootfs::kind;
use crate::plan::PathKind;
use crate::sys::openat2;

/// Like the kernel's.
const MOST_LINKS: u32 = 40;

/// Follow the links of `path`, never out of `root`; the path without links and what is there.
///
/// # Errors
/// `ELOOP` for links in a circle, `ENOTDIR` for a path that leads through a file, else the kernel's error.
pub fn leads(root: BorrowedFd<'_>, path: &Path) -> Result<(PathBuf, PathKind), Errno> {
    let mut current = PathBuf::from("/");
    let mut left = names(path);
    let mut found = PathKind::Directory;
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            current.pop();
            found = kind(root, &current)?;
            continue;
        }
        current.push(&name);
        found = kind(root, &current)?;
        match found {
            PathKind::Directory | PathKind::Missing => {}
            PathKind::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::ELOOP);
                }
                let target = target(root, &current)?;
                current.pop();
                if target.is_absolute() {
                    current = PathBuf::from("/");
                }
                let mut all = names(&target);
                all.append(&mut left);
                left = all;
                found = PathKind::Directory;
            }
            PathKind::File | PathKind::Other if left.is_empty() => {}
            PathKind::File | PathKind::Other => return Err(Errno::ENOTDIR),
        }
    }
    Ok((current, found))
}

fn target(root: BorrowedFd<'_>, link: &Path) -> Result<PathBuf, Errno> {
    let fd = openat2::open_in(root, link, OFlag::O_PATH | OFlag::O_NOFOLLOW)?;
    readlinkat(Some(fd.as_raw_fd()), "").map(PathBuf::from)
}

fn names(path: &Path) -> VecDeque<OsString> {
    let named = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(named).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::super::rootfs::open_root;
    use super::*;

    #[test]
    fn links_are_followed_inside_the_root_only_also_to_where_nothing_is() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("etc/ssl")).unwrap();
        fs::write(at("etc/file"), "").unwrap();
        symlink("../../../../run/a/b", at("etc/up")).unwrap();
        symlink("/etc/up", at("etc/twice")).unwrap();
        symlink("/etc/ssl", at("etc/dir")).unwrap();
        symlink("round", at("etc/round")).unwrap();
        let fd = open_root(root.path()).unwrap();
        let led = |path: &str| leads(fd.as_fd(), Path::new(path));
        let missing = |path: &str| Ok((PathBuf::from(path), PathKind::Missing));
        assert_eq!(led("/etc/up"), missing("/run/a/b"));
        assert_eq!(led("/etc/twice"), missing("/run/a/b"));
        assert_eq!(led("/etc/dir/x"), missing("/etc/ssl/x"));
        assert_eq!(led("/etc/none"), missing("/etc/none"));
        assert_eq!(led("/etc/file"), Ok(("/etc/file".into(), PathKind::File)));
        assert_eq!(
            led("/etc/dir"),
            Ok(("/etc/ssl".into(), PathKind::Directory))
        );
        assert_eq!(led("/etc/round"), Err(Errno::ELOOP));
        assert_eq!(led("/etc/file/x"), Err(Errno::ENOTDIR));
    }
}
