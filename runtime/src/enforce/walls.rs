//! The box's mounts, made read-only but for what the policy lets it write.
//!
//! The box's first process does it when its tree stands and before anything of the image runs. It works by descriptors
//! only: every path is opened inside the box's root without following a link, so an image cannot lead it elsewhere. The
//! writable trees are cloned first, then everything becomes read-only, then the clones go back on their places.

mod fates;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::{FsFlags, fstatvfs};

use self::fates::{Fate, fates};
use crate::plan::{LandlockRule, Walls};
use crate::sys::mount::{self, Attributes, Reach};
use crate::sys::openat2;

/// A sentence about the step that failed.
pub type Sentence = String;

/// What the path of every rule is now, as device and inode; `None` for one that is not there and need not be.
///
/// # Errors
/// A path that must be there is not, or is a link.
pub fn identities(
    root: BorrowedFd<'_>,
    rules: &[LandlockRule],
) -> Result<Vec<Option<(u64, u64)>>, Sentence> {
    rules.iter().map(|rule| identity(root, rule)).collect()
}

/// Build the walls below `root`, the root directory of this process.
///
/// # Errors
/// Any step that fails; the box must then not be started.
pub fn build(root: BorrowedFd<'_>, walls: &Walls) -> Result<(), Sentence> {
    walls
        .mounts
        .iter()
        .try_for_each(|path| check_in_place(root, path))?;
    let clones = clone_all(root, walls)?;
    clones.iter().try_for_each(|clone| clone.make_room(root))?;
    let root_was_writable = !is_read_only(root)?;
    let everywhere = Attributes::READ_ONLY
        .and(Attributes::NO_SUID)
        .and(Attributes::NO_DEV);
    mount::change(root, Reach::Tree, everywhere, Attributes::default())
        .map_err(|error| format!("cannot make the box's mounts read-only: {}", error.desc()))?;
    if walls.writable_root && root_was_writable && !walls.readonly_root {
        mount::change(
            root,
            Reach::One,
            Attributes::default(),
            Attributes::READ_ONLY,
        )
        .map_err(|error| format!("cannot keep the box's root writable: {}", error.desc()))?;
    }
    for clone in &clones {
        clone.put_back(root)?;
    }
    Ok(())
}

/// A link in the image, or in a volume, may have led a mount below a writable path, where it would stay writable.
fn check_in_place(root: BorrowedFd<'_>, path: &Path) -> Result<(), Sentence> {
    let opened = openat2::open_in(root, path, OFlag::O_PATH);
    match opened.and_then(|place| openat2::is_mount_root(place.as_fd())) {
        Ok(true) => Ok(()),
        Ok(false) => Err(cannot_open(path, Fate::ReadOnly, Errno::ELOOP)),
        Err(error) => Err(cannot_open(path, Fate::ReadOnly, error)),
    }
}

struct Clone {
    path: PathBuf,
    fate: Fate,
    tree: OwnedFd,
}

/// Clone what gets a fate of its own, parents before children.
fn clone_all(root: BorrowedFd<'_>, walls: &Walls) -> Result<Vec<Clone>, Sentence> {
    let mut clones = Vec::new();
    for (path, fate) in fates(walls) {
        let opened = match openat2::open_in(root, &path, OFlag::O_PATH) {
            Ok(fd) => fd,
            // What is not there cannot be made read-only, and below a writable path the agent could make it.
            Err(Errno::ENOENT | Errno::ENOTDIR)
                if fate != Fate::Writable && !below_writable(&clones, &path) =>
            {
                continue;
            }
            Err(Errno::ELOOP) if fate == Fate::Kept || fate == Fate::Devices => continue,
            Err(error) => return Err(cannot_open(&path, fate, error)),
        };
        if fate == Fate::Writable && walls.readonly_root && same_mount(root, opened.as_fd())? {
            continue;
        }
        let tree = mount::clone_tree(opened.as_fd(), Reach::Tree).map_err(|error| {
            format!(
                "cannot clone the mounts at `{}`: {}",
                path.display(),
                error.desc()
            )
        })?;
        clones.push(Clone { path, fate, tree });
    }
    Ok(clones)
}

fn below_writable(clones: &[Clone], path: &Path) -> bool {
    let nearest = clones.iter().rfind(|clone| path.starts_with(&clone.path));
    nearest.is_some_and(|clone| clone.fate == Fate::Writable)
}

impl Clone {
    fn put_back(&self, root: BorrowedFd<'_>) -> Result<(), Sentence> {
        let failed = |step: &str, error: Errno| {
            format!("cannot {step} `{}`: {}", self.path.display(), error.desc())
        };
        let set = match self.fate {
            Fate::Kept => Attributes::default(),
            Fate::Devices => Attributes::READ_ONLY.and(Attributes::NO_SUID),
            Fate::Writable => Attributes::NO_SUID.and(Attributes::NO_DEV),
            Fate::ReadOnly => Attributes::READ_ONLY
                .and(Attributes::NO_SUID)
                .and(Attributes::NO_DEV),
        };
        if set != Attributes::default() {
            mount::change(self.tree.as_fd(), Reach::Tree, set, Attributes::default())
                .map_err(|error| failed("set the mount flags of", error))?;
        }
        // The clone of `/dev` brought its own copies of what lies below it.
        self.make_room(root)?;
        let place = openat2::open_in(root, &self.path, OFlag::O_PATH)
            .map_err(|error| failed("open", error))?;
        mount::attach(self.tree.as_fd(), place.as_fd()).map_err(|error| failed("mount", error))
    }

    /// Take a kernel file system off its place before the flags change: init's own terminal or `/dev/null` was opened on
    /// it, and must stay a device that can be opened again through `/proc/self/fd`. init holds no directory in it.
    fn make_room(&self, root: BorrowedFd<'_>) -> Result<(), Sentence> {
        if !matches!(self.fate, Fate::Kept | Fate::Devices) {
            return Ok(());
        }
        let failed =
            |error: Errno| format!("cannot detach `{}`: {}", self.path.display(), error.desc());
        match openat2::open_in(root, &self.path, OFlag::O_PATH) {
            Ok(place) if openat2::is_mount_root(place.as_fd()).map_err(failed)? => {
                drop(place);
                self.detach_original(root).map_err(failed)
            }
            // No mount of its own, or it went with the one above it.
            Ok(_) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Unmount what the clone was taken from, named by its directory's descriptor and its last name.
    fn detach_original(&self, root: BorrowedFd<'_>) -> Result<(), Errno> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return Ok(());
        };
        let parent = openat2::open_in(root, parent, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        nix::unistd::fchdir(parent.as_raw_fd())?;
        match umount2(
            Path::new(name),
            MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW,
        ) {
            // Locked by another user namespace: then the clone lies on top of it.
            Err(Errno::EINVAL) => Ok(()),
            other => other,
        }
    }
}

fn identity(root: BorrowedFd<'_>, rule: &LandlockRule) -> Result<Option<(u64, u64)>, Sentence> {
    match openat2::open_in(root, &rule.path, OFlag::O_PATH) {
        Ok(fd) => openat2::identity(fd.as_fd())
            .map(|(identity, _)| Some(identity))
            .map_err(|error| format!("cannot look at `{}`: {}", rule.path.display(), error.desc())),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) if !rule.required => Ok(None),
        Err(error) => Err(cannot_open(&rule.path, Fate::Writable, error)),
    }
}

fn cannot_open(path: &Path, fate: Fate, error: Errno) -> Sentence {
    match (error, fate) {
        (Errno::ELOOP, _) => format!(
            "`{}` in the box is, or lies behind, a symbolic link: a path of the policy must be a real one, so change the image",
            path.display()
        ),
        (Errno::ENOENT | Errno::ENOTDIR, Fate::ReadOnly) => format!(
            "`{}` does not exist in the box, where the agent could make it though the policy has it read-only: make it in \
             the volume, an empty directory will do",
            path.display()
        ),
        (Errno::ENOENT, _) => format!(
            "`{}` does not exist in the box, and the policy needs it: make it, or take it out of the policy",
            path.display()
        ),
        (error, _) => format!(
            "cannot open `{}` in the box: {}",
            path.display(),
            error.desc()
        ),
    }
}

fn is_read_only(at: BorrowedFd<'_>) -> Result<bool, Sentence> {
    fstatvfs(at)
        .map(|stat| stat.flags().contains(FsFlags::ST_RDONLY))
        .map_err(|error| format!("cannot read the flags of the box's root: {}", error.desc()))
}

/// Whether both stand on one mount: the image's own layer, and no volume.
fn same_mount(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Result<bool, Sentence> {
    let of = |fd| {
        openat2::mount_id(fd)
            .map_err(|error| format!("cannot read a mount's number: {}", error.desc()))
    };
    Ok(of(a)? == of(b)?)
}
