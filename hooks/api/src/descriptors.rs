//! The descriptors of a registration and their order on the wire.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::Backend;

/// The descriptors of a registration, in wire order.
#[derive(Debug)]
pub struct RegisterFds {
    /// TCP listener inside the box's network namespace; accepted sockets' `getsockname` is the original
    /// destination. Non-blocking.
    pub listener: OwnedFd,
    /// UDP socket on port 53 there, with IP_PKTINFO and IP_TRANSPARENT. Non-blocking.
    pub dns: OwnedFd,
    /// The network namespace.
    pub netns: OwnedFd,
    /// Pidfd of the box's first process.
    pub pidfd: OwnedFd,
    /// The BPF link and socket map, with [`Backend::SkLookup`]; holding the link keeps the program attached.
    pub bpf: Option<(OwnedFd, OwnedFd)>,
}

/// A registration came with other descriptors than its back-end needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a registration by {backend:?} needs {needed} descriptors, but {came} came")]
pub struct WrongDescriptors {
    /// The back-end that was named.
    pub backend: Backend,
    /// How many it needs.
    pub needed: usize,
    /// How many came.
    pub came: usize,
}

impl RegisterFds {
    /// How many descriptors a registration by `backend` carries.
    #[must_use]
    pub fn count(backend: Backend) -> usize {
        match backend {
            Backend::SkLookup => 6,
            Backend::Tproxy => 4,
        }
    }

    /// Borrowed, in wire order: listener, dns, netns, pidfd, and with BPF link, map.
    #[must_use]
    pub fn wire_order(&self) -> Vec<BorrowedFd<'_>> {
        let mut order = vec![
            self.listener.as_fd(),
            self.dns.as_fd(),
            self.netns.as_fd(),
            self.pidfd.as_fd(),
        ];
        if let Some((link, map)) = &self.bpf {
            order.extend([link.as_fd(), map.as_fd()]);
        }
        order
    }

    /// Name the descriptors that came with a registration by `backend`.
    ///
    /// # Errors
    /// Their number is not the back-end's; all are closed.
    pub fn from_wire(
        backend: Backend,
        came: Vec<OwnedFd>,
    ) -> Result<RegisterFds, WrongDescriptors> {
        let wrong = WrongDescriptors {
            backend,
            needed: Self::count(backend),
            came: came.len(),
        };
        if wrong.came != wrong.needed {
            return Err(wrong);
        }
        let mut rest = came.into_iter();
        let mut next = || rest.next().ok_or(wrong);
        let (listener, dns, netns, pidfd) = (next()?, next()?, next()?, next()?);
        let bpf = match backend {
            Backend::SkLookup => Some((next()?, next()?)),
            Backend::Tproxy => None,
        };
        Ok(RegisterFds {
            listener,
            dns,
            netns,
            pidfd,
            bpf,
        })
    }
}
