//! What warden and worker say to each other, over a socket pair, framed as on the router's own socket.
//!
//! The warden trusts nothing the worker says beyond what the worker is for: names of sandboxes are looked up, sizes
//! are bounded, no path ever comes from it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nemoclaw_api::ModelSpend;
use nemoclaw_api::approvals::Question;
use nemoclaw_api::audit::Event;
use nemoclaw_policy::handover::PolicyText;
use nemoclaw_policy::node::PrivacyConfig;
use serde::{Deserialize, Serialize};

use crate::meters::Measured;
use crate::secret::Secret;

/// From the warden. It may hold secrets, so it has no printed form.
#[derive(Serialize, Deserialize)]
pub enum ToWorker {
    /// The first message, before the worker confines itself.
    Settings(Box<Settings>),
    /// Take a sandbox. Comes with five descriptors: listener, DNS socket, the file of what it has spent, that of what it
    /// has spent on models, and the memory in which it keeps its pseudonyms.
    Register {
        /// Its name.
        sandbox: String,
        /// The policies that are met.
        texts: Vec<PolicyText>,
        /// Their generation.
        generation: u64,
        /// What an earlier worker left.
        saved: Saved,
    },
    /// These are the policies now on disk.
    Policies {
        /// The sandbox.
        sandbox: String,
        /// Comes back with the answer.
        sequence: u64,
        /// All policies of the sandbox.
        texts: Vec<PolicyText>,
    },
    /// The host's DNS servers changed.
    Resolvers(Vec<IpAddr>),
    /// The node's provider entries, and the secrets that could be read.
    Providers {
        /// The file's name, for its faults.
        name: String,
        /// Its text.
        text: String,
        /// By provider.
        secrets: BTreeMap<String, Secret>,
    },
    /// Forget a sandbox and cut what it has open.
    Release {
        /// Its name.
        sandbox: String,
    },
    /// The answer to [`FromWorker::WhoIs`].
    Program {
        /// Which question.
        id: u64,
        /// Every process that holds the connection (at least one), or why they are not known.
        found: Result<Vec<Program>, Unknown>,
    },
    /// Whether decisions can be written to disk; nothing new passes while they cannot.
    Recording(bool),
    /// The answer to [`FromWorker::Ask`]; [`Answer::Waiting`] comes first where a person must say.
    Answer {
        /// Which question.
        ticket: u64,
        /// The answer.
        answer: Answer,
    },
    /// Serve the port for metrics, a listener that comes with this message.
    ServeMetrics,
    /// The page that [`FromWorker::MetricsAsked`] asks for.
    Metrics(String),
    /// Take no new connection and end when those open are done, or soon.
    Drain,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It waits for a person under this proposal.
    Waiting(String),
    /// It may pass, by this proposal.
    Allowed(String),
    /// It may not, by this proposal.
    Refused(String),
    /// Too many wait already.
    Crowded,
}

/// What the worker must know before it closes the door behind it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Settings {
    /// User to become.
    pub uid: u32,
    /// Group to become.
    pub gid: u32,
    /// Fixed addresses of names.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// DNS servers.
    pub resolvers: Vec<IpAddr>,
    /// PEM bundles that are trusted: the host's own, and what the operator added.
    pub roots: Vec<String>,
    /// Whether the host has no bundle of its own, so that the public roots inside the binary are trusted instead.
    pub public_roots: bool,
    /// The proxy that leads outside.
    pub proxy: Option<ProxySettings>,
    /// The operator's lists, documents and services, for policies that name them.
    pub privacy: PrivacyConfig,
}

/// The proxy that leads outside.
#[derive(Clone, Serialize, Deserialize)]
pub struct ProxySettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `USER:PASSWORD`.
    pub credentials: Option<String>,
    /// Names that are dialled without it, each with all names below it.
    pub direct: Vec<String>,
}

impl std::fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxySettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A sandbox's identity: it outlives a worker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Saved {
    /// The CA, once made.
    pub ca: Option<SavedCa>,
    /// Names that have a virtual address.
    pub names: Vec<SavedName>,
}

/// A CA as PEM.
#[derive(Clone, Serialize, Deserialize)]
pub struct SavedCa {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl std::fmt::Debug for SavedCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SavedCa").finish_non_exhaustive()
    }
}

/// A name with its virtual address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedName {
    /// Lower case, no trailing dot.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// When it was given out, seconds since 1970.
    pub since: u64,
    /// Whether a wildcard admitted it, so that it counts against the budget.
    pub wildcard: bool,
}

/// The program of a process that holds a connection. Paths are those that the sandbox's first process would use.
///
/// Attribution, not a boundary: what a process says of itself (its arguments) it can change, and a program can be made to
/// act for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Pid on the host.
    pub pid: i32,
    /// User of the connection's socket, as the host numbers it.
    pub uid: u32,
    /// The executable: the file at this path is the one that runs, or has the hash that was first seen there.
    pub exe: String,
    /// SHA-256 of the executable, hexadecimal.
    pub sha256: String,
    /// The script that it interprets, absolute: as it was named, and where that leads.
    pub scripts: Vec<String>,
    /// The module that it runs instead of a script (`python3 -m pip`).
    pub module: Option<String>,
    /// Executables and scripts of its ancestors in the sandbox, the nearest first.
    pub ancestors: Vec<String>,
    /// Scripts and ancestors that are not what was first seen under their path, and so stand nowhere above.
    pub changed: Vec<String>,
}

/// Why the program behind a connection is not known. A rule that asks for one then holds for none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Unknown {
    /// No socket, or one without an owner.
    #[error("the connection was closed before its program was found")]
    Closed,
    /// Nobody in the sandbox has the socket.
    #[error(
        "no process of the sandbox holds the connection: it ended, or gave the connection away"
    )]
    NoHolder,
    /// Another hash than the first.
    #[error("`{0}` is not the program that was first seen under this path")]
    Changed(String),
    /// The path names no file, or another one.
    #[error("`{0}` is not the file that runs: it was removed or replaced, or is hidden by a mount")]
    Elsewhere(String),
    /// [`limits::PROGRAM_BYTES`](crate::limits::PROGRAM_BYTES).
    #[error("`{0}` is too large to be told by its hash")]
    TooLarge(String),
    /// [`limits::PROGRAM_PINS`](crate::limits::PROGRAM_PINS).
    #[error("the sandbox has run too many programs to tell one more")]
    TooManyPrograms,
    /// [`limits::PROGRAM_PROCESSES`](crate::limits::PROGRAM_PROCESSES).
    #[error("too many processes hold the connection, or stand above its process")]
    TooManyProcesses,
    /// A rule cannot hold for one and not for the other.
    #[error("`{0}` and `{1}` both hold the connection")]
    Several(String, String),
    /// [`limits::PROGRAM_SCAN`](crate::limits::PROGRAM_SCAN) or [`limits::PROGRAM_TIME`](crate::limits::PROGRAM_TIME).
    #[error("the program was not found in time")]
    Late,
    /// [`limits::PROGRAM_QUESTIONS`](crate::limits::PROGRAM_QUESTIONS).
    #[error("too many connections of the sandbox wait for their program")]
    Busy,
    /// The kernel refuses what is needed.
    #[error("the router cannot look for the program: {0}")]
    System(String),
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// It is confined and serves.
    Ready,
    /// It cannot serve: one sentence. It ends after this.
    Unfit(String),
    /// A sandbox is served.
    Registered {
        /// The sandbox.
        sandbox: String,
        /// Its CA.
        ca: SavedCa,
    },
    /// A sandbox cannot be served: one sentence.
    Rejected {
        /// The sandbox.
        sandbox: String,
        /// The sentence.
        message: String,
    },
    /// [`ToWorker::Policies`] are in force.
    Accepted {
        /// The sandbox.
        sandbox: String,
        /// Which message.
        sequence: u64,
        /// The generation now.
        generation: u64,
    },
    /// [`ToWorker::Policies`] are faulty; what was in force stays.
    Refused {
        /// The sandbox.
        sandbox: String,
        /// Which message.
        sequence: u64,
        /// The fault with its caret.
        fault: String,
    },
    /// A name got an address.
    Named {
        /// The sandbox.
        sandbox: String,
        /// The name.
        entry: SavedName,
    },
    /// A person must say whether a request may pass.
    Ask {
        /// The sandbox.
        sandbox: String,
        /// Comes back with the answers.
        ticket: u64,
        /// What is asked.
        question: Question,
        /// The endpoint that asks, with its place.
        rule: String,
    },
    /// Nobody waits for an answer any more.
    Withdraw {
        /// Which question.
        ticket: u64,
    },
    /// Decisions.
    Audit(Vec<Event>),
    /// Which program is behind a connection? The answer is [`ToWorker::Program`].
    WhoIs {
        /// The sandbox.
        sandbox: String,
        /// Comes back with the answer.
        id: u64,
        /// Where the connection comes from.
        client: SocketAddr,
        /// Where it goes to.
        local: SocketAddr,
    },
    /// How long things took since the last such message.
    Measured(Measured),
    /// Somebody asks for the metrics.
    MetricsAsked,
    /// Open connections, where they changed.
    Connections(Vec<(String, u64)>),
    /// What sandboxes have spent on models, where it changed.
    Spends(Vec<(String, ModelSpend)>),
}
