//! The worker: it parses everything that comes from a network, and may do nothing else.

pub mod addresses;
mod answer;
mod approve;
mod authority;
mod body;
mod budget;
mod carry;
pub mod confine;
mod credentials;
mod denial;
mod dial;
pub mod dns;
pub mod event;
mod forward;
mod frames;
pub mod framing;
pub mod hello;
mod http;
mod inbox;
mod inference;
pub mod inspect;
mod judge;
mod listen;
mod message;
mod metrics;
mod names;
mod pass;
mod policy;
mod pool;
mod program;
mod proxy;
mod reach;
mod request;
mod resolve;
mod sandbox;
mod serve;
mod sink;
mod tasks;
mod tickets;
mod tls;
mod wanted;
mod watched;
mod websocket;
mod window;

use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use nemoclaw_api::wire;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::limits;
use crate::link::{FromWorker, Settings, ToWorker};
use crate::meters::Meters;
use dial::Dialer;
use inference::Words;
use proxy::{Proxy, Unsendable};
use resolve::Resolver;
use sandbox::Node;

/// Port of DNS servers.
const DNS_PORT: u16 = 53;

/// Why the worker cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum StartError {
    #[error("the worker is started by `nemoclaw-router run` only")]
    Alone(#[source] wire::WireError),
    #[error("the trusted certificates cannot be read")]
    Roots(#[from] rustls::pki_types::pem::Error),
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Proxy(#[from] Unsendable),
    #[error(transparent)]
    Confine(#[from] confine::ConfineError),
    #[error("the worker cannot be set up")]
    System(#[from] std::io::Error),
    #[error("the worker cannot unblock its signals")]
    Signals(#[source] nix::Error),
}

/// A line for the operator.
pub(crate) fn log(line: &str) {
    // Where the log is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "nemoclaw-router worker: {line}");
}

/// Run the worker on the link that is its standard input.
#[must_use]
pub fn run() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&event::told(&error));
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<(), StartError> {
    nix::sys::signal::SigSet::empty()
        .thread_set_mask()
        .map_err(StartError::Signals)?;
    let link = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let (first, _) = wire::receive::<ToWorker>(&link).map_err(StartError::Alone)?;
    let ToWorker::Settings(settings) = first else {
        return Err(StartError::Alone(wire::WireError::Ended));
    };
    match prepare(*settings) {
        Ok(prepared) => serve(link, prepared),
        Err(error) => {
            // The warden is told in its own words; a broken link ends both anyway.
            let _ = wire::send(&link, &FromWorker::Unfit(event::told(&error)), &[]);
            Err(error)
        }
    }
}

/// All that needs files, then the door is closed.
fn prepare(settings: Settings) -> Result<Prepared, StartError> {
    let words = Arc::new(Words::read(&settings.privacy));
    let roots = dial::roots(&settings.roots, settings.public_roots)?;
    let resolver = Resolver::new(settings.hosts, servers(&settings.resolvers));
    let proxy = settings.proxy.map(Proxy::new).transpose()?;
    let dialer = Dialer::new(resolver, roots, proxy)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(limits::MODEL_THREADS)
        .build()?;
    confine::confine(settings.uid, settings.gid)?;
    Ok(Prepared {
        dialer,
        words,
        runtime,
    })
}

/// What was made while files could be read.
struct Prepared {
    dialer: Dialer,
    words: Arc<Words>,
    runtime: tokio::runtime::Runtime,
}

pub(crate) fn servers(addresses: &[std::net::IpAddr]) -> Vec<SocketAddr> {
    addresses
        .iter()
        .map(|address| SocketAddr::new(*address, DNS_PORT))
        .collect()
}

fn serve(link: UnixStream, prepared: Prepared) -> Result<(), StartError> {
    let Prepared {
        dialer,
        words,
        runtime,
    } = prepared;
    let reader = link.try_clone()?;
    let sink = sink::Sink::default();
    let (commands, inbox) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("from-warden".into())
        .spawn(move || inbox::read(&reader, &words, &commands))?;
    let node = Arc::new(Node {
        dialer,
        sink: sink.clone(),
        vault: ArcSwap::default(),
        connections: Arc::new(Semaphore::new(limits::CONNECTIONS)),
        requests: Arc::new(Semaphore::new(limits::REQUESTS)),
        pipes: Semaphore::new(limits::PIPES),
        model_bytes: Arc::new(Semaphore::new(limits::MODEL_BYTES)),
        breakers: Arc::default(),
        waiting: approve::Waiting::default(),
        recorded: AtomicBool::new(true),
        meters: Meters::default(),
        board: metrics::Board::default(),
        draining: watch::Sender::new(false),
        questions: program::Questions::default(),
    });
    sink.send(FromWorker::Ready);
    runtime.block_on(async {
        tokio::select! {
            error = sink.deliver(&link) => log(&format!("the warden takes nothing more: {}", event::told(&error))),
            () = serve::Worker::new(node).run(inbox) => {}
        }
    });
    Ok(())
}
