//! The verb `resume`: a router that was started anew gets sockets in a namespace whose fence has stood all the time.
//!
//! The fence is not touched, so nothing can leave meanwhile. It was tried when it was put up, and no process of a sandbox
//! may change it; what is new is the sockets and, with `sk_lookup`, the program that leads to them.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nemoclaw_api::client::Client;
use nemoclaw_api::{RegisterFds, Request};
use nemoclaw_policy::handover::{Capture as Wish, Egress, Handover};
use nix::errno::Errno;

use crate::capture;
use crate::error::HookError;
use crate::fence::guarded_for;
use crate::hook::Guarded;
use crate::namespace::Namespace;
use crate::netlink::{Protocol, Socket};
use crate::sockets::{ANY_PORT, DNS_PORT, LISTENER_PORT, Sockets};
use crate::squat;
use crate::state::State;
use crate::sys::socket::netns_cookie;

/// Give the router new sockets for the sandbox that `state` is of.
///
/// # Errors
/// The namespace is not guarded for this sandbox, a port is taken, or the router refuses. The fence stands then as it did.
pub fn resume(state: &State, directory: &Path) -> Result<Guarded, HookError> {
    let start = Instant::now();
    let told = state.handover(directory)?;
    let pid = state.process()?;
    let namespace = Namespace::of(pid)?;
    let (cookie, owner) = namespace.inside(look)?;
    match owner {
        Some(owner) if owner == told.sandbox => {}
        Some(owner) => return Err(HookError::Guarded { owner }),
        None => return Err(HookError::Unguarded),
    }
    let guarded = |backend, router| Guarded {
        sandbox: told.sandbox.clone(),
        backend,
        took: start.elapsed(),
        router,
    };
    if told.egress == Egress::Offline {
        return Ok(guarded(None, Duration::ZERO));
    }
    let router = Client::connect(&told.router_socket)?;
    let sockets = namespace.inside(|| sockets(&told))?;
    let wish = match told.capture {
        Wish::Auto => Wish::SkLookup, // what was chosen at create is known by now
        exact => exact,
    };
    let capture = capture::choose(wish, &sockets, namespace.fd())
        .map_err(HookError::Capture)?
        .capture;
    let backend = capture.backend();
    let (netns, pidfd) = namespace.descriptors()?;
    let request = Request::Register {
        handover: told.clone(),
        pid,
        netns_cookie: cookie,
        capture: backend,
    };
    let descriptors = RegisterFds {
        listener: sockets.listener,
        dns: sockets.dns,
        netns,
        pidfd,
        bpf: capture.into_descriptors(),
    };
    let asked = Instant::now();
    router.register(&request, &descriptors)?;
    Ok(guarded(Some(backend), asked.elapsed()))
}

fn look() -> Result<(u64, Option<String>), HookError> {
    let step = |what| move |source| HookError::Step { what, source };
    let mut nft = Socket::open(Protocol::Netfilter).map_err(step("open an nf_tables socket"))?;
    let cookie = netns_cookie(nft.as_fd())
        .map_err(step("tell the namespace's cookie (Linux 5.14 is needed)"))?;
    Ok((cookie, guarded_for(&mut nft)?))
}

/// New sockets. A program of the sandbox may have taken a port while there was no router: with BPF the listener takes a
/// fresh one; the port that `tproxy` names in its rules, and that of DNS, have to be free.
fn sockets(told: &Handover) -> Result<Sockets, HookError> {
    let opened = match Sockets::open() {
        Err(HookError::Socket {
            port: LISTENER_PORT,
            source: Errno::EADDRINUSE,
            ..
        }) if told.capture != Wish::Tproxy => Sockets::open_on(ANY_PORT),
        other => other,
    };
    let taken = |protocol, what, port| match squat::holder(&squat::sockets_on(protocol, port)) {
        Some(squatter) => HookError::Squatted {
            what,
            port,
            squatter,
        },
        None => HookError::Socket {
            what,
            port,
            source: Errno::EADDRINUSE,
        },
    };
    opened.map_err(|error| match error {
        HookError::Socket {
            port: DNS_PORT,
            what,
            source: Errno::EADDRINUSE,
        } => taken("udp", what, DNS_PORT),
        HookError::Socket {
            port: LISTENER_PORT,
            what,
            source: Errno::EADDRINUSE,
        } => taken("tcp", what, LISTENER_PORT),
        other => other,
    })
}
