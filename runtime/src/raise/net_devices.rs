//! `linux.netDevices`: interfaces of the host that go into the box's network namespace.
//!
//! An interface keeps its attributes but is down afterwards and has lost its addresses, so the addresses that stay are
//! given to it again and it is set up. When one cannot be moved, those moved before go back as they were.

mod netlink;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::LinuxNetDevice;

use netlink::{Address, Change, Netlink};

/// `IFNAMSIZ` without the final zero.
const LONGEST_NAME: usize = 15;
/// In a new name the kernel puts the first number there that is free.
const NUMBERED: &str = "%d";
/// The network namespace of the calling thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// Why a network device cannot be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetDeviceError {
    /// No interface can have this name.
    #[error(
        "`{0}` cannot be a network device's name: it has 1 to 15 characters, no blank, `/` or `:`, and is not `.` or `..`"
    )]
    Name(String),
    /// Two want one name.
    #[error("two of the configuration's network devices are to be called `{0}`")]
    Twice(String),
    /// The host has none.
    #[error(
        "there is no network device `{0}` where the runtime runs: `ip link` lists those that are"
    )]
    Missing(String),
    /// The box has one already.
    #[error(
        "the network device `{name}` cannot be moved: the box's network namespace has a `{new}` already"
    )]
    Taken {
        /// The device.
        name: String,
        /// Its name in the box.
        new: String,
    },
    /// The kernel refused.
    #[error("cannot {step} the network device `{name}`")]
    Kernel {
        /// What was tried.
        step: &'static str,
        /// The device.
        name: String,
        /// Why.
        #[source]
        source: Errno,
    },
    /// A namespace cannot be reached.
    #[error("cannot reach the network namespace of {0}")]
    Namespace(&'static str, #[source] Errno),
}

/// One side of a move.
struct Side<'a> {
    namespace: BorrowedFd<'a>,
    netlink: Netlink,
}

/// Move every device of `devices` from the caller's network namespace into `namespace`.
///
/// # Errors
/// A name is not valid, a device is missing, its new name is taken, or the kernel refuses; then all are where they were.
pub fn move_all(
    devices: &HashMap<String, LinuxNetDevice>,
    namespace: BorrowedFd<'_>,
) -> Result<(), NetDeviceError> {
    let moves = moves(devices)?;
    if moves.is_empty() {
        return Ok(());
    }
    let unreachable = |whose| move |errno| NetDeviceError::Namespace(whose, errno);
    let own = std::fs::File::open(OWN)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
        .map_err(unreachable("the runtime"))?;
    let mut here = Side {
        namespace: own.as_fd(),
        netlink: Netlink::open().map_err(unreachable("the runtime"))?,
    };
    let mut there = Side {
        namespace,
        netlink: open_in(namespace).map_err(unreachable("the box"))?,
    };
    let mut moved = Vec::new();
    for (name, new) in moves {
        if let Err(error) = send(&mut here, &mut there, (name, new), &mut moved) {
            for device in moved.iter_mut().rev() {
                // The first error is the one to tell.
                device.bring_back(&mut there, &mut here).ok();
            }
            return Err(error);
        }
    }
    Ok(())
}

/// A device on its way, and what it was before.
struct Device<'a> {
    name: &'a str,
    /// Its number in the namespace in which it is.
    index: u32,
    away: bool,
    addresses: Vec<Address>,
    up: bool,
}

/// Move the device `name` from `here` to `there` as `new`, and make it ready for use.
fn send<'a>(
    here: &mut Side<'_>,
    there: &mut Side<'_>,
    (name, new): (&'a str, &str),
    moved: &mut Vec<Device<'a>>,
) -> Result<(), NetDeviceError> {
    let link = here.netlink.link(name).map_err(|errno| match errno {
        Errno::ENODEV => NetDeviceError::Missing(name.to_owned()),
        errno => failed("look for", name)(errno),
    })?;
    let addresses = here.netlink.addresses(link.index);
    let mut device = Device {
        name,
        index: link.index,
        away: false,
        addresses: addresses.map_err(failed("read the addresses of", name))?,
        up: link.up,
    };
    let mut sent = device.carry(here, there, new);
    if sent.is_ok() {
        sent = device.settle(there, true);
    }
    moved.push(device);
    sent
}

impl Device<'_> {
    /// Move it to the namespace `to`, where it is called `new`.
    fn carry(
        &mut self,
        from: &mut Side<'_>,
        to: &mut Side<'_>,
        new: &str,
    ) -> Result<(), NetDeviceError> {
        let before = to.netlink.links();
        let before = before.map_err(failed("look at the neighbours of", self.name))?;
        let change = Change::Move(to.namespace, new);
        let carried = from.netlink.change(self.index, change);
        // The kernel may have chosen another number. And it moves first and names then: where the name is taken, it
        // tells an error, and yet the device has gone.
        let after = to.netlink.links().map_err(failed("find", self.name))?;
        if let Some(index) = after.into_iter().find(|index| !before.contains(index)) {
            self.index = index;
            self.away = !self.away;
        }
        carried.map_err(|errno| match errno {
            Errno::EEXIST => NetDeviceError::Taken {
                name: self.name.to_owned(),
                new: new.to_owned(),
            },
            errno => failed("move", self.name)(errno),
        })
    }

    /// Give it its addresses again, and set it up if it is to be.
    fn settle(&self, side: &mut Side<'_>, up: bool) -> Result<(), NetDeviceError> {
        for address in &self.addresses {
            let added = side.netlink.add(self.index, address);
            added.map_err(failed("give its addresses to", self.name))?;
        }
        if up {
            let up = side.netlink.change(self.index, Change::Up);
            up.map_err(failed("set up", self.name))?;
        }
        Ok(())
    }

    fn bring_back(
        &mut self,
        there: &mut Side<'_>,
        here: &mut Side<'_>,
    ) -> Result<(), NetDeviceError> {
        if self.away {
            self.carry(there, here, self.name)?;
            self.settle(here, self.up)?;
        }
        Ok(())
    }
}

/// The names here and there, in one order; each is checked.
fn moves(devices: &HashMap<String, LinuxNetDevice>) -> Result<Vec<(&str, &str)>, NetDeviceError> {
    let mut moves: Vec<(&str, &str)> = devices
        .iter()
        .map(|(name, device)| {
            let new = device.name().as_deref().filter(|new| !new.is_empty());
            (name.as_str(), new.unwrap_or(name))
        })
        .collect();
    moves.sort_unstable();
    let mut taken = BTreeSet::new();
    for (name, new) in &moves {
        if let Some(wrong) = [name, new].into_iter().find(|name| !is_name(name)) {
            return Err(NetDeviceError::Name((*wrong).to_owned()));
        }
        if !new.contains(NUMBERED) && !taken.insert(*new) {
            return Err(NetDeviceError::Twice((*new).to_owned()));
        }
    }
    Ok(moves)
}

/// As the kernel judges names, and no more than one place for a number.
fn is_name(name: &str) -> bool {
    let character = |c: char| c.is_ascii_graphic() && c != '/' && c != ':' || !c.is_ascii();
    let numbers = name.matches('%').count();
    (1..=LONGEST_NAME).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.chars().all(character)
        && (numbers == 0 || numbers == 1 && name.contains(NUMBERED))
}

/// A netlink socket of `namespace`. A thread enters it, so that nothing has to find its way back.
fn open_in(namespace: BorrowedFd<'_>) -> Result<Netlink, Errno> {
    let enter = || {
        setns(namespace, CloneFlags::CLONE_NEWNET)?;
        Netlink::open()
    };
    std::thread::scope(|scope| scope.spawn(enter).join()).unwrap_or(Err(Errno::EIO))
}

fn failed(step: &'static str, name: &str) -> impl Fn(Errno) -> NetDeviceError {
    move |source| NetDeviceError::Kernel {
        step,
        name: name.to_owned(),
        source,
    }
}
