//! Does it hold? Probes from inside, before anything of the sandbox runs: what should arrive does, what should not fails.
//!
//! 192.0.2.1 is a documentation address: were the fence broken, the one probe that left would reach nobody.

use std::ffi::OsString;
use std::io::IoSliceMut;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    self, AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, setsockopt,
    sockopt,
};

use crate::error::HookError;
use crate::fence::Facts;
use crate::netlink::route::Interface;
use crate::sockets::{DNS_PORT, Sockets};

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const OUTSIDE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// Discard.
const PORT: u16 = 9;
/// Loopback delivers within the call; a loaded machine may need a moment.
const PATIENCE_MS: u16 = 500;
/// Others in a joined namespace may have come before the probe.
const MOST_STRANGERS: usize = 64;

/// Everything that is no captured traffic fails.
///
/// # Errors
/// Something got through.
pub fn fenced(facts: &Facts) -> Result<(), HookError> {
    let udp = |what: &str, tried: std::io::Result<()>| match tried {
        Ok(()) => Err(HookError::NotTight(format!("UDP {what} is not refused"))),
        Err(_) => Ok(()),
    };
    udp(
        "to an outside address",
        UdpSocket::bind("0.0.0.0:0").and_then(|probe| probe.connect((OUTSIDE, PORT))),
    )?;
    udp(
        "to an outside IPv6 address",
        UdpSocket::bind("[::]:0").and_then(|probe| probe.connect((OUTSIDE_V6, PORT))),
    )?;
    facts
        .devices()
        .try_for_each(|device| udp(&format!("by device `{}`", device.name), send_by(device)))
}

/// Nothing at all is captured or leaves.
///
/// # Errors
/// Something got through.
pub fn offline(facts: &Facts) -> Result<(), HookError> {
    fenced(facts)?;
    let probe = stream().map_err(|source| HookError::Step {
        what: "open a probe",
        source,
    })?;
    match connect(&probe) {
        Err(Errno::EACCES | Errno::EPERM) => Ok(()),
        _ => Err(HookError::NotTight(
            "TCP to an outside address is not refused".into(),
        )),
    }
}

/// A connection and a query to an outside address arrive at the router's sockets, under their own destination.
///
/// # Errors
/// One does not.
pub fn captured(sockets: &Sockets) -> Result<(), HookError> {
    let lost = |what: &'static str| {
        move |errno: Errno| HookError::NotTight(format!("{what} is not captured: {errno}"))
    };
    connection(sockets).map_err(lost("TCP to an outside address"))?;
    query(sockets).map_err(lost("a DNS query to an outside address"))
}

fn connection(sockets: &Sockets) -> Result<(), Errno> {
    let probe = stream()?;
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&probe, sockopt::Linger, &linger)?;
    match connect(&probe) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(errno) => return Err(errno),
    }
    let own: SockaddrIn = socket::getsockname(probe.as_raw_fd())?;
    for _ in 0..MOST_STRANGERS {
        await_readable(&sockets.listener)?;
        let accepted = crate::sys::socket::accept(sockets.listener.as_fd())?;
        let peer: SockaddrIn = socket::getpeername(accepted.as_raw_fd())?;
        if peer == own {
            let asked: SockaddrIn = socket::getsockname(accepted.as_raw_fd())?;
            return if asked == outside(PORT) {
                Ok(())
            } else {
                Err(Errno::EADDRNOTAVAIL)
            };
        }
    }
    Err(Errno::EBUSY)
}

fn query(sockets: &Sockets) -> Result<(), Errno> {
    let of = |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let probe = UdpSocket::bind("0.0.0.0:0").map_err(of)?;
    probe
        .send_to(&[0], SocketAddrV4::new(OUTSIDE, DNS_PORT))
        .map_err(of)?;
    let own = probe.local_addr().map_err(of)?.port();
    for _ in 0..MOST_STRANGERS {
        await_readable(&sockets.dns)?;
        let (port, asked) = take_datagram(sockets.dns.as_raw_fd())?;
        if port == Some(own) {
            return if asked == Some(OUTSIDE) {
                Ok(())
            } else {
                Err(Errno::EADDRNOTAVAIL)
            };
        }
    }
    Err(Errno::EBUSY)
}

/// Take one datagram: the sender's port and the address it was sent to.
fn take_datagram(socket: RawFd) -> Result<(Option<u16>, Option<Ipv4Addr>), Errno> {
    let mut byte = [0];
    let mut part = [IoSliceMut::new(&mut byte)];
    let mut control = nix::cmsg_space!(nix::libc::in_pktinfo);
    let message =
        socket::recvmsg::<SockaddrIn>(socket, &mut part, Some(&mut control), MsgFlags::empty())?;
    let asked = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()))
        }
        _ => None,
    });
    Ok((message.address.map(|address| address.port()), asked))
}

fn send_by(device: &Interface) -> std::io::Result<()> {
    let probe = UdpSocket::bind("0.0.0.0:0")?;
    setsockopt(&probe, sockopt::BindToDevice, &OsString::from(&device.name))?;
    probe
        .send_to(&[0], SocketAddrV4::new(OUTSIDE, PORT))
        .map(drop)
}

fn stream() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket::socket(AddressFamily::Inet, SockType::Stream, flags, None)
}

fn connect(probe: &OwnedFd) -> Result<(), Errno> {
    socket::connect(probe.as_raw_fd(), &outside(PORT))
}

fn outside(port: u16) -> SockaddrIn {
    SockaddrIn::from(SocketAddrV4::new(OUTSIDE, port))
}

fn await_readable(socket: &OwnedFd) -> Result<(), Errno> {
    let mut wait = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut wait, PollTimeout::from(PATIENCE_MS))? {
        0 => Err(Errno::ETIMEDOUT),
        _ => Ok(()),
    }
}
