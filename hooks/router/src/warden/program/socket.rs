//! The kernel's list of sockets, asked for one connection: which inode is the sandbox's end of it, and whose is it.
//!
//! A netlink socket stays with the network namespace it was opened in, so the thread that opens it stays there.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recvfrom, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::link::Unknown;

/// The kernel answers within the send; waiting at all means that the answer is missing.
const PATIENCE_SECONDS: i64 = 1;
/// Room for one answer.
const BUFFER: usize = 8 * 1024;
/// Any socket with the addresses asked for (INET_DIAG_NOCOOKIE).
const ANY_COOKIE: [u8; 8] = [0xff; 8];

/// A socket of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owned {
    /// Its inode: what `/proc/PID/fd` shows.
    pub inode: u32,
    /// Its user, as the host numbers it.
    pub uid: u32,
}

/// The list of sockets of one network namespace.
pub struct Sockets {
    netlink: OwnedFd,
    last: u32,
}

impl Sockets {
    /// That of the calling thread's namespace.
    ///
    /// # Errors
    /// The kernel has no such list (CONFIG_INET_DIAG).
    pub fn open() -> Result<Sockets, Errno> {
        let netlink = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        let patience = TimeVal::new(PATIENCE_SECONDS, 0);
        setsockopt(&netlink, sockopt::ReceiveTimeout, &patience)?;
        Ok(Sockets { netlink, last: 0 })
    }

    /// The sandbox's end of the connection from `client` to `local`.
    ///
    /// # Errors
    /// There is none, nobody owns it any more, or the kernel does not say.
    pub fn find(&mut self, client: SocketAddr, local: SocketAddr) -> Result<Owned, Unknown> {
        let wanted = (canonical(client), canonical(local));
        let (family, source, destination) = match wanted {
            (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
                (AF_INET, source.into(), destination.into())
            }
            (SocketAddr::V6(source), SocketAddr::V6(destination)) => {
                (AF_INET6, source.into(), destination.into())
            }
            _ => return Err(Unknown::Closed),
        };
        self.last = self.last.wrapping_add(1);
        self.ask(family, source, destination)
            .map_err(|errno| Unknown::System(format!("its list of sockets: {errno}")))?;
        self.answer(wanted)
    }

    fn ask(&self, family: u8, source: SocketAddr, destination: SocketAddr) -> Result<(), Errno> {
        let socket_id = SocketId {
            source_port: source.port(),
            destination_port: destination.port(),
            source_address: source.ip(),
            destination_address: destination.ip(),
            interface_id: 0,
            cookie: ANY_COOKIE,
        };
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST;
        header.sequence_number = self.last;
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::empty(),
            states: StateFlags::all(),
            socket_id,
        };
        let payload = SockDiagMessage::InetRequest(request).into();
        let mut message = NetlinkMessage::new(header, payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(self.netlink.as_raw_fd(), &bytes, MsgFlags::empty()).map(drop)
    }

    fn answer(&self, wanted: (SocketAddr, SocketAddr)) -> Result<Owned, Unknown> {
        let failed = |what: String| Unknown::System(format!("its list of sockets: {what}"));
        let mut buffer = [0; BUFFER];
        loop {
            let (length, from) = recvfrom::<NetlinkAddr>(self.netlink.as_raw_fd(), &mut buffer)
                .map_err(|errno| failed(errno.to_string()))?;
            if from.is_none_or(|address| address.pid() != 0) {
                continue;
            }
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(&buffer[..length])
                .map_err(|error| failed(error.to_string()))?;
            if message.header.sequence_number != self.last {
                continue;
            }
            return match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => {
                    let header = found.header;
                    let source = SocketAddr::new(
                        header.socket_id.source_address,
                        header.socket_id.source_port,
                    );
                    let destination = SocketAddr::new(
                        header.socket_id.destination_address,
                        header.socket_id.destination_port,
                    );
                    // Where the connection is gone, the kernel answers with a listener on its port.
                    let same = (canonical(source), canonical(destination)) == wanted;
                    let owned = Owned {
                        inode: header.inode,
                        uid: header.uid,
                    };
                    Some(owned)
                        .filter(|owned| same && owned.inode != 0)
                        .ok_or(Unknown::Closed)
                }
                NetlinkPayload::Error(error) if error.raw_code() == -libc::ENOENT => {
                    Err(Unknown::Closed)
                }
                NetlinkPayload::Error(error) => Err(failed(error.to_io().to_string())),
                _ => Err(failed("an answer of another kind".to_owned())),
            };
        }
    }
}

/// A program may speak IPv4 through an IPv6 socket.
fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}
