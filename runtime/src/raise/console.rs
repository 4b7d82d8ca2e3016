//! The terminal of a box's process: made in the box's own devpts, its master sent to whoever asked for it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::{FsType, fstatfs};
use oci_spec::runtime::Process;

use super::error::{RaiseError, kernel};
use super::places::{self, Kind};
use crate::sys::mount::{self, Reach};
use crate::sys::{openat2, terminal};

/// A devpts, as `statfs` names it.
const DEVPTS: FsType = FsType(0x1cd1);

/// Make a terminal below `root`, send its master to `socket`, and make it this process's own.
///
/// # Errors
/// There is no devpts, or a step fails.
pub fn take(
    root: BorrowedFd<'_>,
    process: &Process,
    socket: BorrowedFd<'_>,
) -> Result<OwnedFd, RaiseError> {
    let path = Path::new("/dev/pts/ptmx");
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
    let master = openat2::open_following(root, path, flags).map_err(|error| {
        if error == Errno::ENOENT {
            RaiseError::Config(
                "cannot make a terminal: the container has no devpts mounted on `/dev/pts`"
                    .to_owned(),
            )
        } else {
            kernel("open `/dev/pts/ptmx` for a terminal")(error)
        }
    })?;
    if fstatfs(&master).map(|stat| stat.filesystem_type()) != Ok(DEVPTS) {
        return Err(RaiseError::Config(
            "cannot make a terminal: `/dev/pts` in the container is no devpts".to_owned(),
        ));
    }
    terminal::unlock(master.as_fd()).map_err(kernel("unlock the terminal"))?;
    let slave = terminal::peer(master.as_fd()).map_err(kernel("open the terminal"))?;
    if let Some(size) = process.console_size() {
        let part = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
        terminal::set_size(master.as_fd(), part(size.height()), part(size.width()))
            .map_err(kernel("set the terminal's size"))?;
    }
    terminal::send_descriptor(socket, master.as_fd(), "/dev/ptmx")
        .map_err(kernel("send the terminal to the console socket"))?;
    drop(master);
    terminal::make_own(slave.as_fd()).map_err(kernel("make the terminal this process's own"))?;
    for standard in 0..=2 {
        nix::unistd::dup2(slave.as_raw_fd(), standard)
            .map_err(kernel("put the terminal on the standard streams"))?;
    }
    Ok(slave)
}

/// Show the terminal as `/dev/console` too.
///
/// # Errors
/// A step fails.
pub fn show(root: BorrowedFd<'_>, slave: BorrowedFd<'_>) -> Result<(), RaiseError> {
    let path = Path::new("/dev/console");
    let failed = || kernel("mount the terminal on `/dev/console`");
    let place = places::at(root, path, Kind::File).map_err(failed())?;
    let tree = mount::clone_tree(slave, Reach::One).map_err(failed())?;
    mount::attach(tree.as_fd(), place.fd.as_fd()).map_err(failed())
}

/// Let the process's user open its own streams again: they belong to whoever started the container. A device of the host
/// that is no terminal, `/dev/null` above all, is everybody's and stays as it is.
///
/// # Errors
/// The kernel's error.
pub fn own_streams(uid: u32) -> Result<(), RaiseError> {
    for fd in 0..=2 {
        let Ok(stat) = nix::sys::stat::fstat(fd) else {
            continue;
        };
        let device = matches!(stat.st_mode & libc::S_IFMT, libc::S_IFCHR | libc::S_IFBLK);
        let terminal = device && nix::unistd::isatty(fd).unwrap_or(false);
        if stat.st_uid == uid || (device && !terminal) {
            continue;
        }
        match nix::unistd::fchown(fd, Some(uid.into()), None) {
            // A file on a read-only file system, or of a user that this namespace does not map, stays as it is.
            Ok(()) | Err(Errno::EPERM | Errno::EINVAL | Errno::EROFS) => {}
            Err(error) => return Err(kernel("hand the standard streams to the user")(error)),
        }
    }
    Ok(())
}
