//! The descriptor-based mount calls: they name a mount by an open file, so no path is resolved twice.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const AT_EMPTY_PATH: libc::c_uint = libc::AT_EMPTY_PATH as libc::c_uint;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x0004;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x0040;

/// Mount attributes as `mount_setattr` knows them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// No writes.
    pub const READ_ONLY: Attributes = Attributes(1);
    /// Set-user-ID bits are not followed.
    pub const NO_SUID: Attributes = Attributes(2);
    /// Device nodes do not open.
    pub const NO_DEV: Attributes = Attributes(4);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Attributes) -> Attributes {
        Attributes(self.0 | other.0)
    }
}

/// Whether a change reaches the mounts below too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only this mount.
    One,
    /// This mount and all below it.
    Tree,
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Clone the tree of mounts at `at` into a detached copy.
///
/// # Errors
/// The kernel's error.
pub fn clone_tree(at: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH;
    // SAFETY: the path is an empty C string that outlives the call, and `at` is open. The kernel writes no memory.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), c"".as_ptr(), flags) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the call just returned `fd` as a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Set and clear attributes of the mount that `at` stands on.
///
/// # Errors
/// The kernel's error.
pub fn change(
    at: BorrowedFd<'_>,
    reach: Reach,
    set: Attributes,
    clear: Attributes,
) -> Result<(), Errno> {
    let attr = MountAttr {
        set: set.0,
        clear: clear.0,
        propagation: 0,
        userns_fd: 0,
    };
    let recursive = if reach == Reach::Tree {
        AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: `attr` lives until the call returns and its exact size is passed; the kernel only reads it. The path is
    // an empty C string.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at.as_raw_fd(),
            c"".as_ptr(),
            AT_EMPTY_PATH | recursive,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Attach the detached tree `tree` on top of `at`.
///
/// # Errors
/// The kernel's error.
pub fn attach(tree: BorrowedFd<'_>, at: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are empty C strings and both descriptors are open; the kernel writes no memory of ours.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            at.as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    };
    Errno::result(result).map(drop)
}
