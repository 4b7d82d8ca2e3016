//! The hook's two verbs: `create` guards a sandbox's network, `release` lets the router forget it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nemoclaw_api::client::Client;
use nemoclaw_api::{Backend, RegisterFds, Request};
use nemoclaw_policy::handover::{self, Egress, Handover};

use crate::capture::{self, Capture};
use crate::error::{HookError, sentence};
use crate::fence::{self, Facts, Guard, Plan, Way, guarded_for};
use crate::namespace::Namespace;
use crate::netlink::{Protocol, Socket, route};
use crate::sockets::Sockets;
use crate::state::State;
use crate::sys::socket::netns_cookie;
use crate::{printer, verify};

/// A guarded sandbox, for the log.
pub struct Guarded {
    /// Its name.
    pub sandbox: String,
    /// The capture; `None` is offline.
    pub backend: Option<Backend>,
    /// From the hand-over to the last step.
    pub took: Duration,
    /// Of that, waiting for the router.
    pub router: Duration,
}

/// One run of `create`.
struct Job<'a> {
    told: &'a Handover,
    pid: i32,
    directory: &'a Path,
    namespace: &'a Namespace,
    cookie: u64,
    facts: Facts,
}

/// Netlink sockets opened in the namespace: they serve it also after the hook went home.
struct Links {
    route: Socket,
    nft: Socket,
}

/// Guard the sandbox that `state` is of.
///
/// # Errors
/// Any step fails; nothing is left behind then.
pub fn create(state: &State, directory: &Path) -> Result<Guarded, HookError> {
    let start = Instant::now();
    let told = state.handover(directory)?;
    let pid = state.process()?;
    let namespace = Namespace::of(pid)?;
    let (mut links, cookie, facts) = namespace.inside(look)?;
    let job = Job {
        told: &told,
        pid,
        directory,
        namespace: &namespace,
        cookie,
        facts,
    };
    let (backend, router) = match told.egress {
        Egress::Offline => (job.close(&mut links).map(|()| None)?, Duration::ZERO),
        Egress::Router => job.open(&mut links)?,
    };
    Ok(Guarded {
        sandbox: told.sandbox,
        backend,
        took: start.elapsed(),
        router,
    })
}

/// Let the router forget the sandbox that `state` is of.
///
/// # Errors
/// The hand-over is gone, or the router is.
pub fn release(state: &State) -> Result<(), HookError> {
    let told = state.handover(&state.directory()?)?;
    match told.egress {
        Egress::Offline => Ok(()),
        Egress::Router => Ok(Client::connect(&told.router_socket)?.release(&told.sandbox)?),
    }
}

fn look() -> Result<(Links, u64, Facts), HookError> {
    let step = |what| move |source| HookError::Step { what, source };
    let mut route = Socket::open(Protocol::Route).map_err(step("open a route socket"))?;
    let nft = Socket::open(Protocol::Netfilter).map_err(step("open an nf_tables socket"))?;
    let cookie = netns_cookie(route.as_fd())
        .map_err(step("tell the namespace's cookie (Linux 5.14 is needed)"))?;
    let interfaces = route::interfaces(&mut route).map_err(step("list its interfaces"))?;
    let ipv6 = Path::new("/proc/thread-self/net/if_inet6").exists();
    Ok((Links { route, nft }, cookie, Facts { interfaces, ipv6 }))
}

impl Job<'_> {
    /// No way out: fence, and every device down.
    fn close(&self, links: &mut Links) -> Result<(), HookError> {
        let own = self.is_own(links)?;
        if own {
            self.forget();
        }
        let mut guard = self.guard(links, own)?;
        guard.raise(&fence::plan(&self.told.sandbox, &self.facts, &Way::Offline))?;
        self.namespace.inside(|| verify::offline(&self.facts))?;
        guard.keep();
        Ok(())
    }

    /// One way out: sockets, capture, fence, probes, and all of it into the router's hands.
    fn open(&self, links: &mut Links) -> Result<(Option<Backend>, Duration), HookError> {
        let own = self.is_own(links)?;
        if own {
            self.connect()?.release(&self.told.sandbox)?; // its former sockets hold our ports
        }
        let router = self.connect()?; // absent: said before anything is touched
        let mut guard = self.guard(links, own)?;
        let sockets = self.namespace.inside(Sockets::open)?;
        let capture = self.choose(&sockets)?;
        let backend = capture.backend();
        guard.raise(&self.plan(capture.as_ref()))?;
        self.namespace
            .inside(|| verify::captured(&sockets).and_then(|()| verify::fenced(&self.facts)))?;
        let start = Instant::now();
        let certificate = self.register(router, sockets, capture)?;
        let waited = start.elapsed();
        if let Err(error) = append(&self.directory.join(handover::CA_BUNDLE_FILE), &certificate) {
            self.forget();
            return Err(error);
        }
        guard.keep();
        Ok((Some(backend), waited))
    }

    fn connect(&self) -> Result<Client, HookError> {
        Ok(Client::connect(&self.told.router_socket)?)
    }

    /// Whether an earlier run for this sandbox guards the namespace already. One that another sandbox has is refused.
    fn is_own(&self, links: &mut Links) -> Result<bool, HookError> {
        match guarded_for(&mut links.nft)? {
            None => Ok(false),
            Some(owner) if owner == self.told.sandbox => Ok(true),
            Some(owner) => Err(HookError::Guarded { owner }),
        }
    }

    /// A guard for the fence to come; what an earlier run for this sandbox left is taken down first.
    fn guard<'a>(&'a self, links: &'a mut Links, own: bool) -> Result<Guard<'a>, HookError> {
        let mut guard = Guard::new(
            self.namespace,
            &mut links.route,
            &mut links.nft,
            printer::talk,
        );
        if own {
            let way = Way::Router {
                chains: Vec::new(),
                inbound: None,
            };
            guard.clear(&fence::plan(&self.told.sandbox, &self.facts, &way))?;
        }
        Ok(guard)
    }

    fn choose(&self, sockets: &Sockets) -> Result<Box<dyn Capture>, HookError> {
        let chosen = capture::choose(self.told.capture, sockets, self.namespace.fd())
            .map_err(HookError::Capture)?;
        if let Some(why) = chosen.passed_over {
            printer::talk(&format!("capture is by tproxy, because {}", sentence(&why)));
        }
        Ok(chosen.capture)
    }

    fn plan(&self, capture: &dyn Capture) -> Plan {
        let inbound = self.told.inbound.clone();
        let way = Way::Router {
            chains: capture.chains(&self.facts),
            inbound,
        };
        fence::plan(&self.told.sandbox, &self.facts, &way)
    }

    fn register(
        &self,
        router: Client,
        sockets: Sockets,
        capture: Box<dyn Capture>,
    ) -> Result<String, HookError> {
        let (netns, pidfd) = self.namespace.descriptors()?;
        let request = Request::Register {
            handover: self.told.clone(),
            pid: self.pid,
            netns_cookie: self.cookie,
            capture: capture.backend(),
        };
        let Sockets { listener, dns } = sockets;
        let descriptors = RegisterFds {
            listener,
            dns,
            netns,
            pidfd,
            bpf: capture.into_descriptors(),
        };
        match router.register(&request, &descriptors) {
            Ok(registration) => Ok(registration.ca_pem),
            Err(error) => {
                self.forget(); // it may have taken the sandbox over although its answer did not come
                Err(error.into())
            }
        }
    }

    fn forget(&self) {
        let told = Client::connect(&self.told.router_socket)
            .and_then(|router| router.release(&self.told.sandbox));
        if let Err(error) = told {
            printer::talk(&format!(
                "the router could not be told to forget the sandbox: {}",
                sentence(&error)
            ));
        }
    }
}

/// Append the certificate in place: the file is mounted in the sandbox already, so its inode has to stay.
fn append(path: &Path, certificate: &str) -> Result<(), HookError> {
    let append = || {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        let old = file.metadata()?.len();
        let break_line = if ends_line(&mut file, old)? { "" } else { "\n" };
        let written = file.write_all(format!("{break_line}{certificate}").as_bytes());
        written.or_else(|error| file.set_len(old).and(Err(error)))
    };
    append().map_err(|source| HookError::Bundle {
        path: path.into(),
        source,
    })
}

fn ends_line(file: &mut File, length: u64) -> io::Result<bool> {
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
