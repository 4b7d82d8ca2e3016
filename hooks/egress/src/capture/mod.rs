//! Capture: every TCP connection and every DNS query of the sandbox comes to the router's sockets, whatever its address.
//!
//! Two back-ends. Both leave the original destination in the accepted socket's own address, so the router does not care.

pub mod program;
mod sk_lookup;
mod tproxy;

use std::os::fd::{BorrowedFd, OwnedFd};

use nemoclaw_api::Backend;
use nemoclaw_policy::handover::Capture as Wish;
use nix::errno::Errno;

use crate::fence::Facts;
use crate::netlink::nft::Chain;
use crate::sockets::Sockets;

pub use sk_lookup::SkLookup;
pub use tproxy::Tproxy;

/// A way to bring traffic to the sockets.
pub trait Capture {
    /// Its name on the wire.
    fn backend(&self) -> Backend;
    /// What it needs in nf_tables.
    fn chains(&self, facts: &Facts) -> Vec<Chain>;
    /// What must be held for it to stay: link and map.
    fn into_descriptors(self: Box<Self>) -> Option<(OwnedFd, OwnedFd)>;
}

/// A bpf(2) command that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bpf(2) cannot {what}")]
pub struct BpfError {
    /// What it was to do.
    pub what: &'static str,
    /// Why it did not.
    #[source]
    pub source: Errno,
}

/// The back-end taken, and why the better one was not.
pub struct Chosen {
    /// The back-end.
    pub capture: Box<dyn Capture>,
    /// Why `sk_lookup` was passed over, where it was tried.
    pub passed_over: Option<BpfError>,
}

/// Take the back-end that was wished for: `auto` means `sk_lookup`, and `tproxy` where bpf(2) refuses.
///
/// # Errors
/// `sk_lookup` was asked for by name and cannot be had.
pub fn choose(
    wish: Wish,
    sockets: &Sockets,
    namespace: BorrowedFd<'_>,
) -> Result<Chosen, BpfError> {
    match wish {
        Wish::Tproxy => Ok(Chosen {
            capture: Box::new(Tproxy),
            passed_over: None,
        }),
        Wish::SkLookup => {
            let capture = SkLookup::attach(sockets, namespace)?;
            Ok(Chosen {
                capture: Box::new(capture),
                passed_over: None,
            })
        }
        Wish::Auto => Ok(match SkLookup::attach(sockets, namespace) {
            Ok(capture) => Chosen {
                capture: Box::new(capture),
                passed_over: None,
            },
            Err(error) => Chosen {
                capture: Box::new(Tproxy),
                passed_over: Some(error),
            },
        }),
    }
}
