//! Becoming the process's user, with its groups, capabilities, umask and working directory.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use oci_spec::runtime::{Process, User};

use super::error::{RaiseError, kernel};
use crate::bundle::rootfs::home_of;
use crate::enforce::capabilities::{self, Five, Later};
use crate::enforce::last::{StepError, sentence};
use crate::sys::{ids, openat2};

/// The umask of a process that names none.
const UMASK: u32 = 0o022;

/// The process's capabilities; one that names none has none.
#[must_use]
pub fn sets(process: &Process) -> Five {
    process
        .capabilities()
        .as_ref()
        .map(Five::of)
        .unwrap_or_default()
}

/// Become the user, keeping what is needed `later` beside the process's own capabilities.
///
/// # Errors
/// The kernel's error.
pub fn take(
    user: &User,
    sets: &Five,
    later: Later,
    may_set_groups: bool,
) -> Result<(), RaiseError> {
    let step = |error| RaiseError::Step(StepError::from(error));
    capabilities::bound(sets).map_err(step)?;
    ids::keep_capabilities(true).map_err(kernel("keep capabilities for a moment"))?;
    let groups = user.additional_gids().as_deref().unwrap_or_default();
    if !may_set_groups && !groups.is_empty() {
        return Err(RaiseError::Config(
            "cannot set additional groups: the user namespace does not let anyone set groups"
                .to_owned(),
        ));
    }
    ids::become_user(user.uid(), user.gid(), may_set_groups.then_some(groups)).map_err(kernel(
        format!("become user {} and group {}", user.uid(), user.gid()),
    ))?;
    ids::keep_capabilities(false).map_err(kernel("stop keeping capabilities"))?;
    capabilities::cut(sets, later).map_err(step)?;
    umask(Mode::from_bits_truncate(user.umask().unwrap_or(UMASK)));
    Ok(())
}

/// Make the working directory where the image lacks it, as root.
///
/// # Errors
/// It cannot be made.
pub fn make_directory(cwd: &Path) -> Result<(), RaiseError> {
    if cwd.as_os_str().is_empty() {
        return Ok(());
    }
    if !cwd.is_absolute() {
        return Err(RaiseError::Config(format!(
            "the working directory `{}` is not an absolute path",
            cwd.display()
        )));
    }
    match std::fs::create_dir_all(cwd) {
        Ok(()) => {}
        // Read-only, or of a user that may not write there; entering it tells whether it is there.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EROFS | libc::EACCES | libc::EEXIST | libc::EPERM)
            ) => {}
        Err(error) => {
            return Err(kernel(format!(
                "make the working directory `{}`",
                cwd.display()
            ))(super::error::errno(&error)));
        }
    }
    Ok(())
}

/// Enter the working directory. One that only root may enter is kept when root has entered it before.
///
/// # Errors
/// It is not there, or not inside the box.
pub fn enter_directory(cwd: &Path, entered: bool) -> Result<(), RaiseError> {
    if !cwd.as_os_str().is_empty() {
        match nix::unistd::chdir(cwd) {
            Ok(()) => {}
            Err(Errno::EACCES) if entered => {}
            Err(source) => {
                return Err(kernel(format!(
                    "enter the working directory `{}`",
                    cwd.display()
                ))(source));
            }
        }
    }
    // The kernel answers ENOENT, or a path that does not begin with a slash, for a directory outside the root.
    match nix::unistd::getcwd() {
        Ok(path) if path.is_absolute() => Ok(()),
        Ok(_) | Err(Errno::ENOENT) => Err(RaiseError::Config(
            "the working directory is not inside the box's root".to_owned(),
        )),
        // The directory's parents cannot be read by this user; it was entered from the box's own root.
        Err(Errno::EACCES) => Ok(()),
        Err(source) => Err(kernel("read the working directory")(source)),
    }
}

/// The home of the process's user in the box, where its variables name none.
///
/// # Errors
/// The box's accounts cannot be read.
pub fn home(process: &Process) -> Result<Option<String>, RaiseError> {
    let variables = process.env().as_deref().unwrap_or_default();
    if variables.iter().any(|entry| entry.starts_with("HOME=")) {
        return Ok(None);
    }
    let root = openat2::own_root().map_err(kernel("open the root directory"))?;
    let found = home_of(root.as_fd(), process.user().uid());
    found
        .map(|home| Some(home.display().to_string()))
        .map_err(|error| RaiseError::Config(sentence(&error)))
}

/// Whether this user namespace lets its processes set groups.
#[must_use]
pub fn may_set_groups() -> bool {
    std::fs::read("/proc/self/setgroups").map_or(true, |text| !text.starts_with(b"deny"))
}
