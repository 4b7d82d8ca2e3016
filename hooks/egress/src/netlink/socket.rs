//! The netlink socket: one send for all messages, and an answer for each.
//!
//! A socket stays with the network namespace it was opened in, so it serves that namespace after the hook went home.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, setsockopt,
    sockopt,
};
use nix::sys::time::TimeVal;

use super::message::{self, Message};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// The kernel answers within the send; waiting at all means that an answer is missing.
const PATIENCE_SECONDS: i64 = 2;
/// Room for one datagram of a dump; the kernel makes none longer.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// Which part of the kernel is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, rules.
    Route,
    /// nf_tables.
    Netfilter,
}

/// A request that the kernel refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Its place among those sent; `None` when the exchange itself failed.
    pub index: Option<usize>,
    /// Why.
    pub errno: Errno,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure { index: None, errno }
    }
}

/// An open netlink socket.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    last: u32,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    /// Open one in the thread's network namespace.
    ///
    /// # Errors
    /// The kernel lacks the protocol.
    pub fn open(protocol: Protocol) -> Result<Socket, Errno> {
        let protocol = match protocol {
            Protocol::Route => SockProtocol::NetlinkRoute,
            Protocol::Netfilter => SockProtocol::NetlinkNetFilter,
        };
        let fd = socket::socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            protocol,
        )?;
        setsockopt(
            &fd,
            sockopt::ReceiveTimeout,
            &TimeVal::new(PATIENCE_SECONDS, 0),
        )?;
        Ok(Socket { fd, last: 0 })
    }

    /// Send all of `requests` at once. The result holds the places of those that the kernel carried out, and the first
    /// failure. A message that asks for no answer (a batch's begin and end) counts as carried out unless refused.
    pub fn send(&mut self, requests: &[Message]) -> (Vec<usize>, Option<Failure>) {
        match self.exchange(requests) {
            Ok(refused) => {
                let first = refused.iter().next().map(|(&index, &errno)| Failure {
                    index: Some(index),
                    errno,
                });
                let done = (0..requests.len())
                    .filter(|index| !refused.contains_key(index))
                    .collect();
                (done, first)
            }
            Err(errno) => (Vec::new(), Some(errno.into())),
        }
    }

    fn exchange(&mut self, requests: &[Message]) -> Result<BTreeMap<usize, Errno>, Errno> {
        let first = self.last.wrapping_add(1);
        let bytes: Vec<u8> = requests
            .iter()
            .flat_map(|request| request.numbered(self.next()))
            .collect();
        socket::send(self.fd.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut waiting = requests
            .iter()
            .filter(|request| request.wants_answer())
            .count();
        let mut refused = BTreeMap::new();
        while waiting > 0 {
            for (kind, sequence, body) in message::messages(&self.receive()?) {
                let index = usize::try_from(sequence.wrapping_sub(first)).unwrap_or(usize::MAX);
                let Some(request) = requests.get(index).filter(|_| kind == NLMSG_ERROR) else {
                    continue;
                };
                let errno = errno_of(body);
                if let Some(errno) = errno {
                    refused.insert(index, errno);
                }
                match errno {
                    _ if request.wants_answer() => waiting -= 1,
                    Some(errno) => return Err(errno), // the batch as a whole was refused: no other answer comes
                    None => {}
                }
            }
        }
        Ok(refused)
    }

    /// Ask for one thing, and hand back the bodies of the answers: of a dump all, else the one.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn ask(&mut self, request: &Message) -> Result<Vec<Vec<u8>>, Errno> {
        let sequence = self.next();
        socket::send(
            self.fd.as_raw_fd(),
            &request.numbered(sequence),
            MsgFlags::empty(),
        )?;
        let mut bodies = Vec::new();
        loop {
            for (kind, number, body) in message::messages(&self.receive()?) {
                match kind {
                    _ if number != sequence => {}
                    NLMSG_DONE => return Ok(bodies),
                    NLMSG_ERROR => return errno_of(body).map_or(Ok(bodies), Err),
                    _ => bodies.push(body.to_vec()),
                }
            }
        }
    }

    fn receive(&self) -> Result<Vec<u8>, Errno> {
        let mut buffer = vec![0; RECEIVE_BUFFER];
        loop {
            let (length, from) = socket::recvfrom::<NetlinkAddr>(self.fd.as_raw_fd(), &mut buffer)?;
            if from.is_some_and(|address| address.pid() == 0) {
                buffer.truncate(length);
                return Ok(buffer);
            }
        }
    }

    fn next(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}

/// The error in an NLMSG_ERROR's body; `None` is an acknowledgement.
fn errno_of(body: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(message::number(body, 0).to_ne_bytes());
    (code != 0).then(|| Errno::from_raw(code.wrapping_neg()))
}
