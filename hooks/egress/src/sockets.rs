//! The router's two sockets, opened inside the sandbox's namespace: whoever holds them answers for every address.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, setsockopt, sockopt,
};

use crate::error::HookError;

/// Where both stand. 198.18/15 exists nowhere, so no address of the sandbox's own is taken, and none can be dialled.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// The listener's port. It is seen by nobody: connections arrive under their own destination.
pub const LISTENER_PORT: u16 = 15001;
/// A free port, of the kernel's choice.
pub const ANY_PORT: u16 = 0;
/// Answers come from the bound port, so it has to be 53.
pub const DNS_PORT: u16 = 53;
/// Connections that wait while the router's worker is started again: as many as the node's `somaxconn` lets. A number
/// of our own would be held against the C library's SOMAXCONN, which is 128 in musl.
const BACKLOG: Backlog = Backlog::MAXALLOWABLE;

/// Listener and DNS socket, both non-blocking and close-on-exec.
#[derive(Debug)]
pub struct Sockets {
    /// TCP; an accepted socket's own address is the original destination.
    pub listener: OwnedFd,
    /// UDP, telling each datagram's destination.
    pub dns: OwnedFd,
}

impl Sockets {
    /// Open both in the thread's namespace.
    ///
    /// The listener has SO_REUSEADDR for its accepted sockets' sake: they stand on the destination's port, say 443, and
    /// without it the sandbox could not serve on that port while they live. The DNS socket has not, because for UDP it
    /// would let a process of the sandbox bind the same pair.
    ///
    /// # Errors
    /// A port is taken.
    pub fn open() -> Result<Sockets, HookError> {
        Sockets::open_on(LISTENER_PORT)
    }

    /// The same with the listener on another port, which only a capture by program can find.
    ///
    /// # Errors
    /// A port is taken.
    pub fn open_on(port: u16) -> Result<Sockets, HookError> {
        let listener = bound(SockType::Stream, port)
            .and_then(|fd| socket::listen(&fd, BACKLOG).map(|()| fd))
            .map_err(|source| HookError::Socket {
                what: "TCP",
                port,
                source,
            })?;
        let dns = bound(SockType::Datagram, DNS_PORT)
            .and_then(|fd| setsockopt(&fd, sockopt::Ipv4PacketInfo, &true).map(|()| fd))
            .map_err(|source| HookError::Socket {
                what: "UDP",
                port: DNS_PORT,
                source,
            })?;
        Ok(Sockets { listener, dns })
    }
}

fn bound(kind: SockType, port: u16) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket::socket(AddressFamily::Inet, kind, flags, None)?;
    setsockopt(&fd, sockopt::IpTransparent, &true)?;
    if matches!(kind, SockType::Stream) {
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    let [a, b, c, d] = ADDRESS.octets();
    socket::bind(fd.as_raw_fd(), &SockaddrIn::new(a, b, c, d, port))?;
    Ok(fd)
}
