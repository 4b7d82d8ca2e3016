//! `/dev`: the devices that every container has, those of the configuration, and the usual links.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat, fstatat, makedev, mknodat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, Mount};

use super::error::{RaiseError, on};
use super::options::Options;
use super::places::{self, Kind};
use crate::bundle::leads::leads;
use crate::sys::mount::{self, Reach};
use crate::sys::openat2;

/// Devices of the OCI runtime specification's «Default Devices»: name and minor number, all of major 1 but `tty`.
const DEFAULT: [(&str, u64, u64); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];
/// Links that programs expect.
const LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];
const DEFAULT_MODE: u32 = 0o666;

/// A device node to make.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    path: PathBuf,
    kind: SFlag,
    number: u64,
    mode: u32,
    owner: (u32, u32),
}

/// How nodes get into a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Made there.
    Make,
    /// Bound from the host: a user namespace cannot make any.
    Bind,
}

/// Whether `/dev` is the box's own: not one that is bound from the host.
#[must_use]
pub fn own(mounts: &[Mount]) -> bool {
    let bound = |mount: &Mount| {
        let given = mount.options().as_deref().unwrap_or_default();
        mount.destination() == Path::new("/dev")
            && Options::read(given, mount.typ().as_deref()).is_ok_and(|o| o.bind.is_some())
    };
    !mounts.iter().any(bound)
}

/// Make all devices and links below `root`. The umask must be empty.
///
/// # Errors
/// The device that could not be made.
pub fn make_all(
    root: BorrowedFd<'_>,
    configured: &[LinuxDevice],
    way: Way,
) -> Result<(), RaiseError> {
    let defaults = DEFAULT.iter().map(|(path, major, minor)| Node {
        path: PathBuf::from(path),
        kind: SFlag::S_IFCHR,
        number: makedev(*major, *minor),
        mode: DEFAULT_MODE,
        owner: (0, 0),
    });
    for node in configured
        .iter()
        .map(node)
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .chain(defaults)
    {
        match way {
            Way::Make => make(root, &node),
            Way::Bind => bind(root, &node.path),
        }
        .map_err(on("make the device", &node.path))?;
    }
    links(root)
}

fn node(device: &LinuxDevice) -> Result<Node, RaiseError> {
    let path = device.path().clone();
    let bad =
        |what: &str| RaiseError::Config(format!("the device `{}` has {what}", path.display()));
    let kind = match device.typ() {
        LinuxDeviceType::B => SFlag::S_IFBLK,
        LinuxDeviceType::C | LinuxDeviceType::U => SFlag::S_IFCHR,
        LinuxDeviceType::P => SFlag::S_IFIFO,
        LinuxDeviceType::A => return Err(bad("the type `a`, which is none of a single device")),
    };
    let part = |number: i64| u64::try_from(number).map_err(|_| bad("a negative number"));
    Ok(Node {
        kind,
        number: makedev(part(device.major())?, part(device.minor())?),
        mode: device.file_mode().unwrap_or(DEFAULT_MODE) & 0o7777,
        owner: (device.uid().unwrap_or(0), device.gid().unwrap_or(0)),
        path,
    })
}

fn make(root: BorrowedFd<'_>, node: &Node) -> Result<(), Errno> {
    let (plain, _) = leads(root, &node.path)?;
    let (Some(above), Some(name)) = (plain.parent(), plain.file_name().map(Path::new)) else {
        return Err(Errno::EINVAL);
    };
    let above = places::at(root, above, Kind::Directory)?.fd;
    let at = Some(above.as_raw_fd());
    let mode = Mode::from_bits_truncate(node.mode);
    match mknodat(at, name, node.kind, mode, node.number) {
        Ok(()) => {}
        Err(Errno::EEXIST) => {
            let stat = fstatat(at, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
            let same = stat.st_mode & libc::S_IFMT == node.kind.bits()
                && (stat.st_rdev == node.number || node.kind == SFlag::S_IFIFO);
            // Something else in its place would be taken for the device.
            return if same { Ok(()) } else { Err(Errno::EEXIST) };
        }
        Err(error) => return Err(error),
    }
    if node.owner != (0, 0) {
        let owner = (Uid::from_raw(node.owner.0), Gid::from_raw(node.owner.1));
        fchownat(
            at,
            name,
            Some(owner.0),
            Some(owner.1),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )?;
        fchmodat(at, name, mode, FchmodatFlags::FollowSymlink)?;
    }
    Ok(())
}

fn bind(root: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    let source = openat2::open_host(path, OFlag::O_PATH)?;
    let place = places::at(root, path, Kind::File)?;
    let tree = mount::clone_tree(source.as_fd(), Reach::One)?;
    mount::attach(tree.as_fd(), place.fd.as_fd())
}

fn links(root: BorrowedFd<'_>) -> Result<(), RaiseError> {
    let directory = Path::new("/dev");
    let place =
        places::at(root, directory, Kind::Directory).map_err(on("make or open", directory))?;
    let link = |path: &str, target: &str| {
        let name = Path::new(path).file_name().unwrap_or_default();
        match symlinkat(target, Some(place.fd.as_raw_fd()), name) {
            Ok(()) | Err(Errno::EEXIST) => Ok(()),
            Err(error) => Err(on("make the link", Path::new(path))(error)),
        }
    };
    LINKS
        .iter()
        .try_for_each(|(path, target)| link(path, target))?;
    if Path::new("/proc/kcore").exists() {
        link("/dev/core", "/proc/kcore")?;
    }
    terminals(root, place.fd.as_fd())
}

/// `/dev/ptmx` must be the box's own devpts.
fn terminals(root: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<(), RaiseError> {
    let path = Path::new("/dev/ptmx");
    match openat2::open_following(root, Path::new("/dev/pts/ptmx"), OFlag::O_PATH) {
        Ok(_) => {}
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        Err(error) => return Err(on("look for", Path::new("/dev/pts/ptmx"))(error)),
    }
    match nix::unistd::unlinkat(
        Some(place.as_raw_fd()),
        "ptmx",
        nix::unistd::UnlinkatFlags::NoRemoveDir,
    ) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(error) => return Err(on("replace", path)(error)),
    }
    symlinkat("pts/ptmx", Some(place.as_raw_fd()), "ptmx").map_err(on("make the link", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(json: &str) -> Mount {
        serde_json::from_str(json).expect("mount")
    }

    #[test]
    fn a_dev_that_is_bound_from_the_host_is_left_alone() {
        let tmpfs = mount(r#"{"destination":"/dev","type":"tmpfs","source":"tmpfs"}"#);
        let bound = mount(r#"{"destination":"/dev","type":"bind","source":"/dev"}"#);
        let option = mount(r#"{"destination":"/dev","source":"/dev","options":["rbind"]}"#);
        assert!(own(&[tmpfs]) && own(&[]));
        assert!(!own(&[bound]) && !own(&[option]));
    }

    #[test]
    fn a_device_without_a_mode_may_be_used_by_all_and_an_odd_one_is_refused() {
        let device = |json: &str| serde_json::from_str::<LinuxDevice>(json).expect("device");
        let null = device(r#"{"path":"/dev/x","type":"c","major":1,"minor":3}"#);
        assert_eq!(node(&null).expect("node").mode, 0o666);
        let odd = device(r#"{"path":"/dev/x","type":"c","major":-1,"minor":3}"#);
        assert!(node(&odd).is_err());
    }
}
