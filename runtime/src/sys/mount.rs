//! The descriptor-based mount calls: they name a mount by an open file, so no path is resolved twice.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const AT_EMPTY_PATH: libc::c_uint = libc::AT_EMPTY_PATH as libc::c_uint;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x0004;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x0040;
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

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
    /// Nothing is run from there.
    pub const NO_EXEC: Attributes = Attributes(8);
    /// Access times are not kept.
    pub const NO_ATIME: Attributes = Attributes(0x10);
    /// Access times are always kept.
    pub const STRICT_ATIME: Attributes = Attributes(0x20);
    /// All bits that say how access times are kept; none of them is `relatime`.
    pub const ATIME_BITS: Attributes = Attributes(0x70);
    /// Access times of directories are not kept.
    pub const NO_DIRATIME: Attributes = Attributes(0x80);
    /// Users are mapped by a user namespace.
    const IDMAP: Attributes = Attributes(0x0010_0000);
    /// Symbolic links are not followed.
    pub const NO_SYMFOLLOW: Attributes = Attributes(0x0020_0000);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Attributes) -> Attributes {
        Attributes(self.0 | other.0)
    }

    /// Without those of `other`.
    #[must_use]
    pub const fn without(self, other: Attributes) -> Attributes {
        Attributes(self.0 & !other.0)
    }

    /// Whether one of `other` is among them.
    #[must_use]
    pub const fn meets(self, other: Attributes) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How mounts pass between a mount and its copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Both ways.
    Shared,
    /// From the original to the copy.
    Slave,
    /// Not at all.
    Private,
    /// Not at all, and no more copies.
    Unbindable,
}

impl Propagation {
    fn bits(self) -> u64 {
        match self {
            Propagation::Shared => libc::MS_SHARED,
            Propagation::Slave => libc::MS_SLAVE,
            Propagation::Private => libc::MS_PRIVATE,
            Propagation::Unbindable => libc::MS_UNBINDABLE,
        }
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

impl Reach {
    fn bits(self) -> libc::c_uint {
        match self {
            Reach::One => 0,
            Reach::Tree => AT_RECURSIVE,
        }
    }
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Clone the mount at `at`, with `Reach::Tree` also what is mounted below it, into a detached copy.
///
/// # Errors
/// The kernel's error.
pub fn clone_tree(at: BorrowedFd<'_>, reach: Reach) -> Result<OwnedFd, Errno> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | reach.bits();
    // SAFETY: the path is an empty C string that outlives the call, and `at` is open. The kernel writes no memory.
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), c"".as_ptr(), flags) };
    owned(fd)
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
    set_attributes(at, reach, &attr)
}

/// Change how mounts pass to and from the mount that `at` stands on.
///
/// # Errors
/// The kernel's error.
pub fn propagate(at: BorrowedFd<'_>, reach: Reach, how: Propagation) -> Result<(), Errno> {
    let attr = MountAttr {
        set: 0,
        clear: 0,
        propagation: how.bits(),
        userns_fd: 0,
    };
    set_attributes(at, reach, &attr)
}

/// Map the users of the detached mount `at` as the user namespace `users` does.
///
/// # Errors
/// The kernel's error; `EINVAL` from a file system that cannot be mapped.
pub fn map_users(at: BorrowedFd<'_>, reach: Reach, users: BorrowedFd<'_>) -> Result<(), Errno> {
    let attr = MountAttr {
        set: Attributes::IDMAP.0,
        clear: 0,
        propagation: 0,
        userns_fd: u64::try_from(users.as_raw_fd()).map_err(|_| Errno::EBADF)?,
    };
    set_attributes(at, reach, &attr)
}

fn set_attributes(at: BorrowedFd<'_>, reach: Reach, attr: &MountAttr) -> Result<(), Errno> {
    // SAFETY: `attr` lives until the call returns and its exact size is passed; the kernel only reads it. The path is
    // an empty C string.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at.as_raw_fd(),
            c"".as_ptr(),
            AT_EMPTY_PATH | reach.bits(),
            std::ptr::from_ref(attr),
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

/// A file system that is being made.
#[derive(Debug)]
pub struct FileSystem(OwnedFd);

impl FileSystem {
    /// Begin one of the type `name`.
    ///
    /// # Errors
    /// `ENODEV` for a type that this kernel does not have.
    pub fn open(name: &CStr) -> Result<FileSystem, Errno> {
        // SAFETY: `name` is a C string that outlives the call.
        owned(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), FSOPEN_CLOEXEC) })
            .map(FileSystem)
    }

    /// Set an option, with or without a value.
    ///
    /// # Errors
    /// `EINVAL` for one that the type does not know.
    pub fn set(&self, name: &CStr, value: Option<&CStr>) -> Result<(), Errno> {
        let command = if value.is_some() {
            FSCONFIG_SET_STRING
        } else {
            FSCONFIG_SET_FLAG
        };
        self.configure(
            command,
            name.as_ptr(),
            value.map_or(std::ptr::null(), CStr::as_ptr),
        )
    }

    fn configure(
        &self,
        command: libc::c_uint,
        name: *const libc::c_char,
        value: *const libc::c_char,
    ) -> Result<(), Errno> {
        // SAFETY: both pointers are null or C strings that outlive the call, which only reads them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.0.as_raw_fd(),
                command,
                name,
                value,
                0,
            )
        };
        Errno::result(result).map(drop)
    }

    /// Make it; a detached mount of it with `attributes`.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn mount(&self, attributes: Attributes) -> Result<OwnedFd, Errno> {
        self.configure(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        // SAFETY: integers only.
        owned(unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                self.0.as_raw_fd(),
                FSMOUNT_CLOEXEC,
                attributes.0,
            )
        })
    }

    /// What the kernel says about the last error, without its level letter; empty when it says nothing.
    #[must_use]
    pub fn words(&self) -> String {
        let mut buffer = [0_u8; 256];
        match nix::unistd::read(self.0.as_raw_fd(), &mut buffer) {
            Ok(length) => {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let text = text.trim();
                text.strip_prefix("e ").unwrap_or(text).to_owned()
            }
            Err(_) => String::new(),
        }
    }
}

/// Make the working directory the root of this mount namespace; the old root lies on top of it afterwards.
///
/// # Errors
/// The kernel's error.
pub fn pivot_here() -> Result<(), Errno> {
    // SAFETY: both are C strings.
    let result = unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) };
    Errno::result(result).map(drop)
}

fn owned(fd: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: a call of this file just returned `fd` as a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
