//! The policy as a checked value: whoever holds a [`Policy`] need not check it again.

use std::path::PathBuf;
use std::sync::Arc;

use crate::source::{Diagnostic, Location, Source};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The account named `sandbox` in the image.
    Sandbox,
    /// A numeric id, 1..=2^32-2.
    Id(u32),
}

/// One file's network rules. Any entry may admit a flow; a matching deny rule beats every allow.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkLayer {
    /// The policy it came from.
    pub policy: String,
    /// Entries in file order.
    pub entries: Vec<NetworkEntry>,
}

/// `network_policies.<key>`.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkEntry {
    /// The key, shown in every verdict.
    pub key: Arc<str>,
    /// Its endpoints in file order.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of an entry.
#[derive(Debug, Clone, PartialEq)]
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
    /// Path prefix or glob that chooses among endpoints of one host and port.
    pub path: Option<String>,
    /// Allowed requests; empty means all (protocol tcp, or `access: full`).
    pub rules: Vec<HttpRule>,
    /// Refused requests, before any allow.
    pub deny_rules: Vec<HttpRule>,
    /// Where it stands.
    pub at: Location,
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
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRule {
    /// Upper case, or `*`.
    pub method: String,
    /// Glob on the path: `*` and `**` cross `/`; `?`; classes.
    pub path: String,
    /// Where it stands.
    pub at: Location,
}

impl Policy {
    /// Read and check `source`. The first fault is returned; nothing is ever ignored.
    pub fn load(source: &Source) -> Result<Policy, Box<Diagnostic>> {
        let _ = source;
        unimplemented!()
    }
}
