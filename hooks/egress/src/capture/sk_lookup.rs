//! Capture by a BPF program that picks the socket: no NAT, no connection tracking, and refused at once without a router.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nemoclaw_api::Backend;
use nix::errno::Errno;

use super::program::{DNS_KEY, LISTENER_KEY, sk_lookup};
use super::{BpfError, Capture};
use crate::fence::Facts;
use crate::netlink::nft::Chain;
use crate::sockets::Sockets;
use crate::sys::bpf;

/// An attached program. It works while any process holds the link.
#[derive(Debug)]
pub struct SkLookup {
    link: OwnedFd,
    map: OwnedFd,
}

impl SkLookup {
    /// Load the program for these sockets and attach it to the namespace.
    ///
    /// # Errors
    /// bpf(2) refuses.
    pub fn attach(sockets: &Sockets, namespace: BorrowedFd<'_>) -> Result<SkLookup, BpfError> {
        let failed = |what| move |source: Errno| BpfError { what, source };
        let map = bpf::socket_map(2).map_err(failed("make a socket map"))?;
        let program = bpf::load_sk_lookup(&sk_lookup(map.as_fd()))
            .map_err(failed("load the capture program"))?;
        for (key, socket) in [(LISTENER_KEY, &sockets.listener), (DNS_KEY, &sockets.dns)] {
            bpf::put_socket(map.as_fd(), key, socket.as_fd())
                .map_err(failed("put a socket into the map"))?;
        }
        let link = bpf::link_to_namespace(program.as_fd(), namespace)
            .map_err(failed("attach the capture program"))?;
        Ok(SkLookup { link, map })
    }
}

impl Capture for SkLookup {
    fn backend(&self) -> Backend {
        Backend::SkLookup
    }

    fn chains(&self, _facts: &Facts) -> Vec<Chain> {
        Vec::new()
    }

    fn into_descriptors(self: Box<Self>) -> Option<(OwnedFd, OwnedFd)> {
        Some((self.link, self.map))
    }
}
