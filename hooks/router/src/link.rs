//! What warden and worker say to each other, over a socket pair, framed as on the router's own socket.
//!
//! The warden trusts nothing the worker says beyond what the worker is for: names of sandboxes are looked up, sizes
//! are bounded, no path ever comes from it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use nemoclaw_api::audit::Event;
use nemoclaw_policy::handover::PolicyText;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// From the warden. It may hold secrets, so it has no printed form.
#[derive(Serialize, Deserialize)]
pub enum ToWorker {
    /// The first message, before the worker confines itself.
    Settings(Box<Settings>),
    /// Take a sandbox. Comes with two descriptors: listener, DNS socket.
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
    /// Whether decisions can be written to disk; nothing new passes while they cannot.
    Recording(bool),
    /// Take no new connection and end when those open are done, or soon.
    Drain,
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
    /// Patterns of hosts that are dialled without it.
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
    /// Decisions.
    Audit(Vec<Event>),
    /// Open connections, where they changed.
    Connections(Vec<(String, u64)>),
}
