//! The policy as a checked value: whoever holds a [`Policy`] need not check it again.

mod budgets;
mod endpoint;
mod filesystem;
mod host;
mod inference;
mod load;
mod models;
mod network;
mod options;
mod places;
mod privacy;
mod request;
mod resources;
mod rule;

use std::path::PathBuf;

use crate::device::Devices;
use crate::source::{Diagnostic, Source};

pub use budgets::Budgets;
pub use endpoint::{
    Binding, Credentials, Endpoint, Enforcement, HostPattern, McpOptions, NetworkEntry,
    NetworkLayer, PathChoice, PersistedQueries, Protocol, Registered, Tls,
};
pub use filesystem::{BASELINE_READ_ONLY, BASELINE_READ_WRITE, Level};
pub use inference::{Inference, LOCAL_NAME, ModelBudgets, NoRoute, Route, Target};
pub(crate) use load::device;
pub use load::{Authority, GRANTABLE, NEVER};
pub use models::ModelLayer;
pub use options::is_provider_name;
pub use places::Places;
pub use privacy::{
    Action, Conditions, Images, Pattern, Privacy, PrivacyRule, Restore, Sticky, To, Via, Window,
};
pub(crate) use request::METHODS;
pub use request::TOOLS_CALL;
pub(crate) use resources::least;
pub use resources::{Disk, Resources, cpu_words, size_words};
pub use rule::{
    GraphqlMatcher, HttpMatcher, Matcher, OperationKind, QueryMatcher, RpcMatcher, RpcMethod, Rule,
    RuleRef, WEBSOCKET_BINARY, WEBSOCKET_TEXT,
};

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
    /// How much of the machine it may use.
    pub resources: Resources,
    /// How much traffic it may make in an hour.
    pub budgets: Budgets,
    /// TCP ports that may be reached from outside, ascending; `None` is any.
    pub ports: Option<Vec<u16>>,
    /// Rules for traffic. Every layer must allow a flow: a policy from one file has one layer, `meet` joins them.
    pub network: Vec<NetworkLayer>,
    /// Models that may be asked, and what they may see. Every layer must allow a call, as with [`Policy::network`].
    pub models: Vec<ModelLayer>,
    /// Where its keys stand.
    pub places: Places,
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
