//! Filling a tmpfs with what the image has in its place (`tmpcopyup`).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};

use super::error::errno;
use crate::sys::openat2;

/// How deep a tree may be: deeper ones are refused and not half copied.
const DEEPEST: u32 = 64;

/// Copy everything below the directory `from` into the directory `to`, with owners and modes.
///
/// # Errors
/// The kernel's error, `ELOOP` for a tree that is too deep.
pub fn into(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    level(from, to, 0)
}

fn level(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> Result<(), Errno> {
    if depth > DEEPEST {
        return Err(Errno::ELOOP);
    }
    let here = Path::new(".");
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listed = Dir::openat(Some(from.as_raw_fd()), here, flags, Mode::empty())?;
    for entry in listed.iter() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let stat = fstatat(Some(from.as_raw_fd()), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        one(from, to, name, &stat, depth)?;
    }
    Ok(())
}

fn one(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &std::ffi::CStr,
    stat: &FileStat,
    depth: u32,
) -> Result<(), Errno> {
    let path = Path::new(std::ffi::OsStr::new(
        name.to_str().map_err(|_| Errno::EILSEQ)?,
    ));
    let mode = Mode::from_bits_truncate(stat.st_mode & 0o7777);
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFLNK => {
            let target = readlinkat(Some(from.as_raw_fd()), name)?;
            symlinkat(target.as_os_str(), Some(to.as_raw_fd()), name)?;
        }
        libc::S_IFDIR => {
            mkdirat(Some(to.as_raw_fd()), name, Mode::S_IRWXU)?;
            let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
            let inner = openat2::open_in(from, path, flags)?;
            let copy = openat2::open_in(to, path, flags)?;
            level(inner.as_fd(), copy.as_fd(), depth + 1)?;
            fchmod(copy.as_raw_fd(), mode)?;
        }
        libc::S_IFREG => {
            let mut source = File::from(openat2::open_in(from, path, OFlag::O_RDONLY)?);
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
            let target = openat2::create_in(to, path, flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
            let mut target = File::from(target);
            std::io::copy(&mut source, &mut target).map_err(|error| errno(&error))?;
            fchmod(target.as_raw_fd(), mode)?;
        }
        kind => {
            let kind = SFlag::from_bits_truncate(kind);
            mknodat(Some(to.as_raw_fd()), name, kind, mode, stat.st_rdev)?;
        }
    }
    let owner = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fchownat(
        Some(to.as_raw_fd()),
        name,
        Some(owner.0),
        Some(owner.1),
        AtFlags::AT_SYMLINK_NOFOLLOW,
    )?;
    // A change of owner takes set-user-ID bits away.
    if stat.st_mode & (libc::S_ISUID | libc::S_ISGID) != 0
        && stat.st_mode & libc::S_IFMT != libc::S_IFLNK
    {
        let again: OwnedFd = openat2::open_in(to, path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
        fchmod(again.as_raw_fd(), mode)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::super::bundle::rootfs::open_root;
    use super::*;

    #[test]
    fn a_tree_is_copied_with_modes_and_links() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(from.path().join("a/b")).unwrap();
        fs::write(from.path().join("a/b/file"), "text").unwrap();
        fs::set_permissions(
            from.path().join("a/b/file"),
            fs::Permissions::from_mode(0o640),
        )
        .unwrap();
        fs::set_permissions(from.path().join("a"), fs::Permissions::from_mode(0o711)).unwrap();
        symlink("/etc/passwd", from.path().join("link")).unwrap();
        let (f, t) = (
            open_root(from.path()).unwrap(),
            open_root(to.path()).unwrap(),
        );
        into(f.as_fd(), t.as_fd()).unwrap();
        assert_eq!(fs::read(to.path().join("a/b/file")).unwrap(), b"text");
        let mode = |path: &str| {
            fs::metadata(to.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o7777
        };
        assert_eq!((mode("a"), mode("a/b/file")), (0o711, 0o640));
        assert_eq!(
            fs::read_link(to.path().join("link")).unwrap(),
            Path::new("/etc/passwd")
        );
    }
}
