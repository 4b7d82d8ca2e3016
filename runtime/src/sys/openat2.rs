//! Opening a path as seen from a box's or an image's root, without ever leaving it.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

/// Open `path` as seen from `root`, following no symbolic link at all.
///
/// # Errors
/// The kernel's error; `ELOOP` when a part of the path is a symbolic link.
pub fn open_in(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    open(root, path, flags, ResolveFlag::RESOLVE_NO_SYMLINKS)
}

/// Open `path` as seen from `root`. Symbolic links count from `root` too; links of `/proc` are refused.
///
/// # Errors
/// The kernel's error.
pub fn open_following(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    open(root, path, flags, ResolveFlag::empty())
}

fn open(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlag,
    stricter: ResolveFlag,
) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS | stricter;
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .resolve(resolve);
    let fd = loop {
        match openat2(root.as_raw_fd(), path, how) {
            // The kernel asks for another try when a rename ran beside the walk.
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            other => break other?,
        }
    };
    // SAFETY: openat2 just returned `fd` as a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Open `path` on the host as the host resolves it.
///
/// # Errors
/// The kernel's error.
pub fn open_host(path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let fd = nix::fcntl::open(path, flags | OFlag::O_CLOEXEC, Mode::empty())?;
    // SAFETY: open just returned `fd` as a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Make the file `name` in the directory `directory`.
///
/// # Errors
/// The kernel's error.
pub fn create_in(
    directory: BorrowedFd<'_>,
    name: &Path,
    flags: OFlag,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let fd = nix::fcntl::openat(
        Some(directory.as_raw_fd()),
        name,
        flags | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
        mode,
    )?;
    // SAFETY: openat just returned `fd` as a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The root directory of this process.
///
/// # Errors
/// The kernel's error.
pub fn own_root() -> Result<OwnedFd, Errno> {
    open_host(Path::new("/"), OFlag::O_PATH | OFlag::O_DIRECTORY)
}

/// Device and inode behind a descriptor, and whether it is a directory.
///
/// # Errors
/// The kernel's error.
pub fn identity(fd: BorrowedFd<'_>) -> Result<((u64, u64), bool), Errno> {
    let stat = nix::sys::stat::fstat(fd.as_raw_fd())?;
    Ok((
        (stat.st_dev, stat.st_ino),
        stat.st_mode & libc::S_IFMT == libc::S_IFDIR,
    ))
}

/// The number of the mount that a descriptor stands on.
///
/// # Errors
/// The kernel's error.
pub fn mount_id(fd: BorrowedFd<'_>) -> Result<u64, Errno> {
    look(fd).map(|answer| answer.stx_mnt_id)
}

/// Whether a descriptor stands on the root of a mount.
///
/// # Errors
/// The kernel's error.
pub fn is_mount_root(fd: BorrowedFd<'_>) -> Result<bool, Errno> {
    let bit = u64::try_from(libc::STATX_ATTR_MOUNT_ROOT).unwrap_or_default();
    look(fd).map(|answer| answer.stx_attributes & bit != 0)
}

fn look(fd: BorrowedFd<'_>) -> Result<libc::statx, Errno> {
    // SAFETY: `statx` is plain integers, for which all zeroes is a value.
    let mut answer: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: the path is an empty C string, `fd` is open, and `answer` is one `struct statx` that lives across the
    // call and is all that the kernel writes to.
    let result = unsafe {
        libc::statx(
            fd.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_MNT_ID,
            &raw mut answer,
        )
    };
    Errno::result(result).map(|_| answer)
}
