//! The policy as a checked value: whoever holds a [`Policy`] need not check it again.

mod filesystem;
mod host;
mod load;
mod network;
mod request;

use std::path::PathBuf;
use std::sync::Arc;

use crate::device::Devices;
use crate::glob::Glob;
use crate::index::HostIndex;
use crate::source::{Diagnostic, Location, Source};

pub use filesystem::{BASELINE_READ_ONLY, BASELINE_READ_WRITE, Level};
pub(crate) use load::device;
pub use load::{Authority, GRANTABLE, NEVER};

/// A checked policy. Equality ignores locations.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The name it was chosen by (`default`, or the file's path); a met policy joins names with ` & `.
    pub name: String,
    /// How strong: see [`Mode`].
    pub mode: Mode,
    /// Which paths the box may read and write.
    pub filesystem: Filesystem,
    /// Landlock's minimum.
    pub landlock: Landlock,
    /// The user of the first process.
    pub process: Process,
    /// Which devices it gets, and which it may have at most.
    pub devices: Devices,
    /// Rules for traffic. Every layer must allow a flow: a policy from one file has one layer, `meet` joins them.
    pub network: Vec<NetworkLayer>,
}

/// What kind of box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// No network but loopback: fenced, no router.
    Offline,
    /// The usual box: every wall, egress by the router.
    Confined,
    /// Confined, but with a writable root layer and the capabilities that builds need (policy `dev`).
    Relaxed,
    /// A plain OCI runtime: no hardening, no hook (policy `unconfined`).
    Unconfined,
}

/// Path rules. The most specific listed path wins; an unlisted path has no access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Readable and executable paths, absolute and normal.
    pub read_only: Vec<PathBuf>,
    /// Writable paths, absolute and normal, never `/` (but in [`Mode::Relaxed`]).
    pub read_write: Vec<PathBuf>,
    /// Whether the process's working directory is writable too.
    pub include_workdir: bool,
}

/// Landlock's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Landlock {
    /// Below `minimum_abi`: start all the same (shown everywhere as degraded), or refuse.
    pub best_effort: bool,
    /// The lowest kernel ABI this policy accepts, from 1.
    pub minimum_abi: u32,
}

/// Who the first process runs as; `None` keeps the engine's or the image's choice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    /// User.
    pub run_as_user: Option<Identity>,
    /// Group.
    pub run_as_group: Option<Identity>,
    /// Capabilities kept (names without `CAP_`); empty but in [`Mode::Relaxed`].
    pub capabilities: Vec<String>,
}

/// A user or group: the image's `sandbox` account, or a number that is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The account named `sandbox` in the image.
    Sandbox,
    /// A numeric id, 1..=2^32-2.
    Id(u32),
}

/// One file's network rules. Any entry may admit a flow; a matching deny rule beats every allow.
#[derive(Debug, Clone, Default)]
pub struct NetworkLayer {
    /// The policy it came from.
    pub policy: String,
    /// Entries in file order.
    pub entries: Vec<NetworkEntry>,
    /// Finds the endpoints of a host without walking all entries.
    pub(crate) index: HostIndex,
}

impl NetworkLayer {
    /// A layer with its index.
    pub fn new(policy: impl Into<String>, entries: Vec<NetworkEntry>) -> NetworkLayer {
        let index = HostIndex::new(&entries);
        NetworkLayer {
            policy: policy.into(),
            entries,
            index,
        }
    }
}

impl PartialEq for NetworkLayer {
    fn eq(&self, other: &Self) -> bool {
        self.policy == other.policy && self.entries == other.entries
    }
}

/// `network_policies.<key>`.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkEntry {
    /// The key, shown in every verdict.
    pub key: Arc<str>,
    /// `name`: a title for people, where one is given.
    pub name: Option<String>,
    /// Its endpoints in file order.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of an entry.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Host names it covers.
    pub host: HostPattern,
    /// Ports, at least one.
    pub ports: Vec<u16>,
    /// Protocol.
    pub protocol: Protocol,
    /// What TLS does.
    pub tls: Tls,
    /// Refuse, or only record.
    pub enforcement: Enforcement,
    /// Path glob that chooses among endpoints of one host and port; `/x/**` covers `/x` too.
    pub path: Option<PathChoice>,
    /// Allowed requests; empty means all (protocol tcp, or `access: full`).
    pub rules: Vec<HttpRule>,
    /// Refused requests, before any allow.
    pub deny_rules: Vec<HttpRule>,
    /// Where it stands.
    pub at: Location,
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        (
            &self.host,
            &self.ports,
            self.protocol,
            self.tls,
            self.enforcement,
        ) == (
            &other.host,
            &other.ports,
            other.protocol,
            other.tls,
            other.enforcement,
        ) && (&self.path, &self.rules, &self.deny_rules)
            == (&other.path, &other.rules, &other.deny_rules)
    }
}

/// An endpoint's `path`, compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct PathChoice {
    /// As written.
    pub text: String,
    pub(crate) glob: Glob,
}

/// A host pattern: exact, `*.x.y` (one label), `a.*.y`, or `**.x.y` (one label or more). Lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPattern(pub(crate) String);

/// `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Bytes: only host and port are looked at (SNI must still agree).
    Tcp,
    /// HTTP requests are looked at, TLS is opened.
    Rest,
}

/// `tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Opened where a rule needs it.
    Auto,
    /// Never opened.
    Skip,
}

/// `enforcement`; omitted means `Enforce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// A request outside the rules is refused.
    Enforce,
    /// A request outside the rules passes and is recorded.
    Audit,
}

/// One request rule.
#[derive(Debug, Clone)]
pub struct HttpRule {
    /// Upper case, or `*`.
    pub method: String,
    /// Glob on the path: `*` and `**` cross `/`; `?`; classes.
    pub path: String,
    /// Where it stands.
    pub at: Location,
    pub(crate) glob: Glob,
}

impl PartialEq for HttpRule {
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method && self.path == other.path
    }
}

impl Policy {
    /// Read and check `source`. The first fault is returned; nothing is ever ignored.
    ///
    /// A loaded policy grants nothing by itself: whether its author may relax the box (key `box`) is asked where a
    /// box gets its policy, by [`Policy::load_as`].
    ///
    /// # Errors
    /// The first fault in the text, with its place.
    pub fn load(source: &Source) -> Result<Policy, Box<Diagnostic>> {
        load::load(source, Authority::Operator).map(|(policy, _)| policy)
    }

    /// As [`Policy::load`], for an author with `authority`; also what a person should know about the text, such as
    /// an old word that was read as a new one.
    ///
    /// # Errors
    /// As [`Policy::load`], or the text relaxes the box and its author may not.
    pub fn load_as(
        source: &Source,
        authority: Authority,
    ) -> Result<(Policy, Vec<Diagnostic>), Box<Diagnostic>> {
        load::load(source, authority)
    }
}
