//! The warden: root, small, and deaf to networks. It holds what must outlive a worker.

mod approvals;
mod audit;
mod boxes;
mod child;
mod files;
mod keep;
mod metrics;
pub mod program;
mod providers;
mod resume;
mod settings;
mod signals;
mod socket;
mod state;
mod watch;

use std::collections::BTreeSet;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use nemoclaw_api::Request;
use nemoclaw_policy::node::{NodeConfig, NodeError};
use nix::sys::resource::{Resource, setrlimit};

use crate::limits;
use crate::link::FromWorker;
use socket::Reply;

/// Something that happened; the warden treats one at a time.
enum Happening {
    /// A client asks.
    Asked {
        request: Request,
        descriptors: Vec<OwnedFd>,
        reply: Reply,
    },
    /// A worker speaks.
    Said { worker: u64, message: FromWorker },
    /// A worker's link ended.
    WorkerGone { worker: u64 },
    /// Something changed in these directories; `None` means anywhere.
    Files(Option<BTreeSet<PathBuf>>),
    /// A sandbox's first process ended.
    Ended { sandbox: String, incarnation: u64 },
    /// A sandbox that outlived the last router cannot be served: one sentence.
    Unserved { sandbox: String, sentence: String },
    /// A sandbox that outlived the last router ended before it could be served again.
    Missed { sandbox: String },
    /// A worker's question for a program has its answer.
    Found {
        question: program::Question,
        answer: program::Answer,
    },
    /// SIGTERM or SIGINT.
    Signal,
}

/// Where the warden's threads report.
type Post = std::sync::mpsc::SyncSender<Happening>;

/// Why the router cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WardenError {
    /// The node's configuration.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Not root.
    #[error("the router must be started as root: run `sudo nemoclaw-router run`")]
    NotRoot,
    /// The worker's account.
    #[error(
        "the router's account `{user}` does not exist: create it, or set `router.user` to another"
    )]
    User {
        /// Its name.
        user: String,
    },
    /// A file with a secret that others can read.
    #[error("`{}` holds a secret, so it must be root's alone: run `chown root {}; chmod 600 {}`", path.display(), path.display(), path.display())]
    OpenSecret {
        /// The file.
        path: PathBuf,
    },
    /// A file that should hold a user and a password.
    #[error("`{}` must hold one line `USER:PASSWORD`", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
    },
    /// A file that is needed.
    #[error("cannot use `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A directory for secrets that is not root's alone.
    #[error("`{}` must be a directory of root's with mode 0700: remove it, it is made anew", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// A file that should hold the key of the audit log.
    #[error("`{}` is no ed25519 key: move it away, and a new one is made", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// Its memory cannot be hidden.
    #[error("the warden cannot keep its memory out of core dumps")]
    Hide(#[source] nix::Error),
    /// The port for metrics.
    #[error(
        "the port for metrics cannot be opened on {address}: change or leave out `router.metrics`"
    )]
    Port {
        /// Where.
        address: std::net::SocketAddr,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// Another router.
    #[error("a router is already running on `{}`: stop it with `nemoclaw router stop`", socket.display())]
    Running {
        /// Its socket.
        socket: PathBuf,
    },
    /// The worker cannot be started.
    #[error("the worker cannot be started")]
    Spawn(#[source] std::io::Error),
    /// The worker refuses to serve.
    #[error("the worker cannot serve: {0}")]
    Unfit(String),
    /// Threads or signals.
    #[error("the warden cannot be set up")]
    System(#[from] std::io::Error),
    /// The file watch.
    #[error("policy files cannot be watched")]
    Watch(#[from] notify::Error),
}

/// A line for the operator.
fn log(line: &str) {
    // Where the log is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "nemoclaw-router: {line}");
}

/// Run the router until it is told to end.
///
/// # Errors
/// It cannot begin: configuration, rights, account, socket or worker.
pub fn run(config: Option<&Path>) -> Result<(), WardenError> {
    let node = NodeConfig::load(config)?;
    if !nix::unistd::geteuid().is_root() {
        return Err(WardenError::NotRoot);
    }
    hide_memory().map_err(WardenError::Hide)?;
    let settings = settings::gather(&node.router, &node.privacy)?;
    let disk = state::Disk {
        audit: audit::AuditLog::open(&node.data_dir, node.audit)?,
        keep: keep::Keep::open(&node.state_dir)?,
    };
    let keep = disk.keep.clone();
    let hook = resume::hook(&node)?;
    let listener = socket::bind(&node.router.socket)?;
    let port = metrics_port(&node)?;
    let (post, happenings) = sync_channel(limits::LINK_QUEUE);
    signals::listen(post.clone())?;
    let watch = watch::Watch::new(post.clone())?;
    let mut state = state::State::new(&node, settings, disk, watch, post.clone());
    state.set_port(port);
    state.begin(&happenings)?;
    let living = keep.living();
    socket::serve(listener, post.clone())?;
    resume::begin(hook, keep, living, post)?;
    log(&format!("ready on {}", node.router.socket.display()));
    state.run(&happenings);
    socket::unlink(&node.router.socket);
    Ok(())
}

/// The port for metrics, where the node has one.
fn metrics_port(node: &NodeConfig) -> Result<Option<std::net::TcpListener>, WardenError> {
    let bind = |address| {
        std::net::TcpListener::bind(address).map_err(|source| WardenError::Port { address, source })
    };
    node.router.metrics.map(bind).transpose()
}

/// The sandboxes' keys are in this process: no core dump, and no look into it but by a root with all rights.
fn hide_memory() -> Result<(), nix::Error> {
    nix::sys::prctl::set_dumpable(false)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
}
