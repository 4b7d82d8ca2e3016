//! The plan: everything that will be done to a box, as a value, before anything is done.
//!
//! Pure: (engine's config.json, policy, host facts) in, [`Plan`] or one sentence why not out. Snapshot-tested with
//! configs that real engines wrote.

use std::path::{Path, PathBuf};

use nemoclaw_policy::handover::{Handover, PolicyText};
use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::policy::Policy;
use nemoclaw_policy::provider::Providers;
use oci_spec::runtime::{Hook, LinuxSeccomp, PosixRlimit, Spec};
use serde::{Deserialize, Serialize};

mod added;
mod annotations;
mod devices;
mod disk;
mod environment;
mod exec;
mod facts;
mod hooks;
pub mod host;
mod landlock;
mod limits;
mod make;
mod masks;
mod mounts;
mod namespaces;
mod paths;
mod places;
mod pod;
mod privileged;
mod process;
mod refuse;
mod request;
mod resources;
mod sources;
mod sysctl;
mod trust;
mod unconfined;
mod update;
mod users;
mod writable;

pub use annotations::engine_annotations;
pub use environment::CA_BUNDLE_PATHS;
pub use exec::exec_process;
pub use facts::{
    Account, HostFacts, JoinedNamespace, PathKind, RootfsFacts, SourceFacts, SourceKind,
};
pub use limits::resource_number;
pub use make::make;
pub use paths::paths_of_interest;
pub use refuse::Refusal;
pub use request::policy_request;
pub use resources::{CpuTime, ResourceLimits};
pub use trust::RESOLV_CONF;
pub use update::meet_resources;

/// All that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Container id, which is the sandbox's name.
    pub id: &'a str,
    /// The engine's config.json.
    pub spec: &'a Spec,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Its texts, for the router.
    pub texts: &'a [PolicyText],
    /// The node's configuration.
    pub node: &'a NodeConfig,
    /// The node's providers, where the policy binds any.
    pub providers: &'a Providers,
    /// This machine.
    pub host: &'a HostFacts,
    /// The image.
    pub rootfs: &'a RootfsFacts,
    /// The engine's bundle directory, absolute.
    pub bundle: &'a Path,
    /// The box's state directory, `<state_dir>/boxes/<id>`.
    pub box_dir: &'a Path,
}

/// The whole plan of one box.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The configuration that the box is built from: paths absolute, our mounts added, capabilities replaced,
    /// `linux.seccomp` removed (it is in `confinement`).
    pub spec: Spec,
    /// The egress hook's calls, after the engine's hooks; `None` for a box that has no network of its own.
    pub egress: Option<EgressHooks>,
    /// Mount work in the box's mount namespace after create; `None` under `unconfined`.
    pub walls: Option<Walls>,
    /// What init and every exec'ed process get just before their program runs.
    pub confinement: Confinement,
    /// For the egress hook; `None` under `unconfined` and for a container that joins a guarded network namespace.
    pub handover: Option<Handover>,
    /// What to write to the log: relaxations, skipped paths.
    pub remarks: Vec<String>,
    /// What a later `update` may not lift; kept in the box's state.
    pub limits: ResourceLimits,
    /// Directories to make in the image before the mounts.
    pub directories: Vec<NewDirectory>,
    /// What goes into the box's CA bundle and `resolv.conf`; `None` where no router answers.
    pub trust: Option<Trust>,
}

/// The calls of the egress hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressHooks {
    /// After the createRuntime hooks.
    pub create: Hook,
    /// After the poststop hooks.
    pub release: Hook,
}

/// A directory that the image lacks. User and group are the host's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDirectory {
    /// Path inside the image.
    pub path: PathBuf,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Where the first part of the box's CA bundle comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The image's own bundle; `None` = it has none.
    pub image_bundle: Option<PathBuf>,
    /// The state directory of the sandbox whose network namespace is joined: its router's CA is taken from its bundle.
    pub joined_box: Option<PathBuf>,
}

/// The mount work: everything that is not listed becomes recursively read-only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walls {
    /// Policy paths that stay writable (image directories are bound onto themselves).
    pub writable: Vec<PathBuf>,
    /// Kernel file systems that keep their own flags: `/proc`, `/dev/pts`, `/dev/shm`, `/dev/mqueue`.
    pub kept: Vec<PathBuf>,
    /// Paths below a writable one that become read-only again.
    pub readonly: Vec<PathBuf>,
    /// The engine asked for a read-only root: image directories below `writable` stay read-only, mounts there do not.
    pub readonly_root: bool,
    /// The root layer stays writable (policy `dev`): only mounts outside `writable` become read-only.
    pub writable_root: bool,
    /// Mounts that become read-only here and nowhere else: each must be found at its place, reached without a link.
    #[serde(default)]
    pub mounts: Vec<PathBuf>,
}

/// What a process gets just before its program runs. Stored in the box's state; init and exec use the same value.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// Landlock; `None` only under `unconfined`, and never because it is missing in a file.
    #[serde(deserialize_with = "Option::deserialize")]
    pub landlock: Option<LandlockPlan>,
    /// Seccomp profiles to stack: the engine's (OCI shape) and, unless `unconfined`, ours.
    pub seccomp: SeccompPlan,
    /// `no_new_privs`; false only under `unconfined` when the engine did not ask.
    pub no_new_privileges: bool,
    /// Capability names (`CAP_CHOWN`) every set is cut down to; `None` = the engine's sets as they stand (`unconfined`).
    #[serde(deserialize_with = "Option::deserialize")]
    pub capabilities: Option<Vec<String>>,
    /// Variables set in init and merged into every exec's environment (CA variables, `HOME` when forced).
    pub environment: Vec<(String, String)>,
    /// Placeholders of credentials, by variable: for processes that have no such variable of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placeholders: Vec<(String, String)>,
    /// User and group that the policy forces, on every exec too.
    #[serde(deserialize_with = "Option::deserialize")]
    pub user: Option<(u32, u32)>,
    /// Limits of init, which an exec without its own gets too.
    pub rlimits: Vec<PosixRlimit>,
    /// The most open files that an exec's own limits may say, by the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nofile: Option<u32>,
}

/// Landlock rules, most general first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandlockPlan {
    /// Lowest ABI the policy accepts.
    pub minimum_abi: u32,
    /// Go on with less (shown as degraded).
    pub best_effort: bool,
    /// Rules.
    pub rules: Vec<LandlockRule>,
    /// Scopes (abstract sockets, signals), only where the network or pid namespace is shared with others.
    pub scoped: bool,
}

/// One path and what is granted below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandlockRule {
    /// Path inside the box.
    pub path: PathBuf,
    /// Rights.
    pub grant: Grant,
    /// Missing (or a symbolic link) is skipped when false, and stops the start when true.
    pub required: bool,
    /// Device and inode seen at create; exec refuses on another. `None` before create and for skipped paths.
    #[serde(deserialize_with = "Option::deserialize")]
    pub identity: Option<(u64, u64)>,
}

/// Bundles of Landlock rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// Read, list, execute.
    Read,
    /// Everything but ioctl on devices.
    Write,
    /// Everything but execute (`/dev/shm`, `/dev/mqueue`).
    WriteNoExecute,
    /// Read, write, truncate, ioctl: device nodes.
    Device,
    /// Read, write of existing files: `/proc`.
    ReadWriteFiles,
}

/// The filters to stack.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SeccompPlan {
    /// The engine's profile, if it gave one.
    pub engine: Option<LinuxSeccomp>,
    /// Whether our allow-list (`nemoclaw_policy::seccomp::agent()`) is stacked on it.
    pub agent: bool,
}
