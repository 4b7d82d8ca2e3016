//! User namespaces: writing mappings, and holding one open that nobody lives in.

use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::OwnedFd;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use oci_spec::runtime::LinuxIdMapping;

use super::error::{RaiseError, errno, kernel};
use crate::sys::clone::{self, Cloned, Parent};

/// Map the users of the process `pid`, which is in a new user namespace.
///
/// # Errors
/// The kernel takes a mapping not.
pub fn map(pid: Pid, uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<(), RaiseError> {
    write(pid, "uid_map", uids)?;
    write(pid, "gid_map", gids)
}

fn write(pid: Pid, file: &str, mappings: &[LinuxIdMapping]) -> Result<(), RaiseError> {
    // One write: the kernel takes the whole map at once.
    let path = format!("/proc/{pid}/{file}");
    std::fs::write(&path, text(mappings)).map_err(|error| {
        kernel(format!(
            "write the user mappings `{}`",
            text(mappings).trim().replace('\n', ", ")
        ))(errno(&error))
    })
}

fn text(mappings: &[LinuxIdMapping]) -> String {
    mappings.iter().fold(String::new(), |mut text, mapping| {
        // Writing to a string cannot fail.
        writeln!(
            text,
            "{} {} {}",
            mapping.container_id(),
            mapping.host_id(),
            mapping.size()
        )
        .ok();
        text
    })
}

/// A user namespace with these mappings, for mounts.
///
/// # Errors
/// It cannot be made, or the kernel takes a mapping not.
pub fn namespace(uids: &[LinuxIdMapping], gids: &[LinuxIdMapping]) -> Result<OwnedFd, RaiseError> {
    let new = libc::CLONE_NEWUSER as u64;
    let parent = nix::unistd::getpid();
    match clone::clone(new, None, Parent::Caller).map_err(kernel("make a user namespace"))? {
        Cloned::Child => {
            // It holds the box's lock, and nobody else would ever end it.
            let bound = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).is_ok();
            while bound && nix::unistd::getppid() == parent {
                nix::unistd::pause();
            }
            clone::leave(1)
        }
        Cloned::Parent { pid, .. } => {
            let opened = map(pid, uids, gids).and_then(|()| {
                File::open(format!("/proc/{pid}/ns/user"))
                    .map_err(|error| kernel("open a user namespace")(errno(&error)))
            });
            // It is our child and waits for nothing else.
            kill(pid, Signal::SIGKILL).map_err(kernel("end a helper process"))?;
            waitpid(pid, None).map_err(kernel("wait for a helper process"))?;
            opened.map(OwnedFd::from)
        }
    }
}
