//! As much of rtnetlink as moving an interface needs: links and addresses, asked for and set.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, setsockopt,
    sockopt,
};
use nix::sys::time::TimeVal;

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST`, and what is added to it.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const EXCLUSIVE: u16 = 0x200;
const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
/// The attributes of an address that make it what it is. A label carries the interface's old name and stays behind.
const KEPT: [u16; 5] = [
    IFA_ADDRESS,
    IFA_LOCAL,
    IFA_BROADCAST,
    IFA_FLAGS,
    IFA_RT_PRIORITY,
];
/// `IFA_F_PERMANENT`: the address has no end.
const PERMANENT: u32 = 0x80;
/// `RT_SCOPE_UNIVERSE`: the address is good everywhere.
const EVERYWHERE: u8 = 0;
const IFF_UP: u32 = 1;
/// Sizes of `struct nlmsghdr`, `ifinfomsg`, `ifaddrmsg`.
const HEADER: usize = 16;
const LINK: usize = 16;
const ADDRESS: usize = 8;
/// The kernel answers within the send; waiting at all means that an answer is missing.
const PATIENCE_SECONDS: i64 = 2;
/// The kernel makes no datagram longer.
const LONGEST: usize = 64 * 1024;

/// A socket that speaks of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    last: u32,
}

/// An interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Whether it is up.
    pub up: bool,
}

/// An address of an interface, which another interface can get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    family: u8,
    prefix: u8,
    flags: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

/// What becomes of a link.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// It goes to another namespace, under a name there.
    Move(BorrowedFd<'a>, &'a str),
    /// It is set up.
    Up,
}

impl Netlink {
    /// Open one in the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn open() -> Result<Netlink, Errno> {
        let socket = socket::socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::new(PATIENCE_SECONDS, 0),
        )?;
        Ok(Netlink { socket, last: 0 })
    }

    /// The interface of that name.
    ///
    /// # Errors
    /// The kernel's error; `ENODEV` when there is none.
    pub fn link(&mut self, name: &str) -> Result<Link, Errno> {
        let request = Request::new(RTM_GETLINK, ACK, &[0; LINK]).with_text(IFLA_IFNAME, name);
        let found = self.ask(request)?;
        found
            .iter()
            .find_map(|body| link(body))
            .ok_or(Errno::ENODEV)
    }

    /// The numbers of all interfaces.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn links(&mut self) -> Result<Vec<u32>, Errno> {
        let found = self.ask(Request::new(RTM_GETLINK, DUMP, &[0; LINK]))?;
        let links = found.iter().filter_map(|body| link(body));
        Ok(links.map(|link| link.index).collect())
    }

    /// The addresses of an interface that stay and are good everywhere, of every family.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<Address>, Errno> {
        let found = self.ask(Request::new(RTM_GETADDR, DUMP, &[0; ADDRESS]))?;
        Ok(found
            .iter()
            .filter_map(|body| address(body, index))
            .collect())
    }

    /// Give an interface an address.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn add(&mut self, index: u32, address: &Address) -> Result<(), Errno> {
        let mut fixed = vec![address.family, address.prefix, address.flags, EVERYWHERE];
        fixed.extend_from_slice(&index.to_ne_bytes());
        let request = Request::new(RTM_NEWADDR, ACK | CREATE | EXCLUSIVE, &fixed);
        let request = address
            .attributes
            .iter()
            .fold(request, |request, (kind, value)| request.with(*kind, value));
        self.ask(request).map(drop)
    }

    /// Change an interface.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn change(&mut self, index: u32, change: Change<'_>) -> Result<(), Errno> {
        let flags = match change {
            Change::Move(..) => 0,
            Change::Up => IFF_UP,
        };
        let mut fixed = vec![0; 4];
        for word in [index, flags, flags] {
            fixed.extend_from_slice(&word.to_ne_bytes());
        }
        let mut request = Request::new(RTM_NEWLINK, ACK, &fixed);
        if let Change::Move(namespace, name) = change {
            let namespace = namespace.as_raw_fd().to_ne_bytes();
            request = request
                .with(IFLA_NET_NS_FD, &namespace)
                .with_text(IFLA_IFNAME, name);
        }
        self.ask(request).map(drop)
    }

    /// Send one request; the bodies of the answers.
    fn ask(&mut self, request: Request) -> Result<Vec<Vec<u8>>, Errno> {
        self.last = self.last.wrapping_add(1);
        let bytes = request.numbered(self.last);
        socket::send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut bodies = Vec::new();
        loop {
            let datagram = self.receive()?;
            for (kind, sequence, body) in messages(&datagram) {
                match kind {
                    _ if sequence != self.last => {}
                    NLMSG_DONE => return Ok(bodies),
                    NLMSG_ERROR => {
                        let code = word(body, 0).cast_signed();
                        return if code == 0 {
                            Ok(bodies)
                        } else {
                            Err(Errno::from_raw(code.wrapping_neg()))
                        };
                    }
                    _ => bodies.push(body.to_vec()),
                }
            }
        }
    }

    fn receive(&self) -> Result<Vec<u8>, Errno> {
        let mut buffer = vec![0; LONGEST];
        loop {
            let (length, from) =
                socket::recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut buffer)?;
            // Only the kernel has the number 0.
            if from.is_some_and(|address| address.pid() == 0) {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }
}

/// A request under construction.
struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: u16, fixed: &[u8]) -> Request {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(flags | REQUEST).to_ne_bytes());
        bytes.extend_from_slice(fixed);
        Request(bytes)
    }

    fn with(mut self, kind: u16, value: &[u8]) -> Request {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn with_text(self, kind: u16, text: &str) -> Request {
        self.with(kind, &[text.as_bytes(), &[0]].concat())
    }

    fn numbered(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }
}

fn link(body: &[u8]) -> Option<Link> {
    (body.len() >= LINK).then(|| Link {
        index: word(body, 4),
        up: word(body, 8) & IFF_UP != 0,
    })
}

/// The address in an answer, if it is one of interface `index` that is kept.
fn address(body: &[u8], index: u32) -> Option<Address> {
    let [family, prefix, short, scope, ..] = *body else {
        return None;
    };
    let attributes = attributes(body.get(ADDRESS..)?);
    let long = attributes.iter().find(|(kind, _)| *kind == IFA_FLAGS);
    let flags = long.map_or(u32::from(short), |(_, value)| word(value, 0));
    if word(body, 4) != index || scope != EVERYWHERE || flags & PERMANENT == 0 {
        return None;
    }
    let kept = attributes
        .into_iter()
        .filter(|(kind, _)| KEPT.contains(kind))
        .map(|(kind, value)| (kind, value.to_vec()));
    Some(Address {
        family,
        prefix,
        flags: short,
        attributes: kept.collect(),
    })
}

/// The messages of a datagram, as kind, sequence number and body.
fn messages(mut bytes: &[u8]) -> Vec<(u16, u32, &[u8])> {
    let mut found = Vec::new();
    while let [_, _, _, _, low, high, ..] = *bytes {
        let length = usize::try_from(word(bytes, 0)).unwrap_or(usize::MAX);
        let Some(body) = bytes.get(HEADER..length) else {
            break;
        };
        found.push((u16::from_ne_bytes([low, high]), word(bytes, 8), body));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The attributes of a message, as kind and value.
fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let [a, b, c, d, ..] = *bytes {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = bytes.get(4..length) else {
            break;
        };
        found.push((u16::from_ne_bytes([c, d]), value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// The 32 bits at `offset`, 0 where there are none.
fn word(bytes: &[u8], offset: usize) -> u32 {
    match bytes.get(offset..offset + 4) {
        Some(&[a, b, c, d]) => u32::from_ne_bytes([a, b, c, d]),
        _ => 0,
    }
}
