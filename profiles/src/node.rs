//! The node's configuration: `/etc/nemoclaw/config.yaml`, read strictly. A missing file means all defaults.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::handover::Capture;
use crate::source::Diagnostic;

/// Where the file is looked for when neither `--config` nor `NEMOCLAW_CONFIG` names one.
pub const DEFAULT_PATH: &str = "/etc/nemoclaw/config.yaml";
/// The environment variable that names the file.
pub const ENVIRONMENT: &str = "NEMOCLAW_CONFIG";

/// The whole file (keys as the fields; `version: 1` is required in a file).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// `default_policy`: a name or an absolute path; `default` when omitted.
    pub default_policy: String,
    /// `selectable`: names that an annotation or the environment may choose.
    pub selectable: Vec<Selectable>,
    /// `policy_dir`: files `NAME.yaml` here go before embedded policies of that name; `/etc/nemoclaw/policies`.
    pub policy_dir: PathBuf,
    /// `state_dir`; `/run/nemoclaw`.
    pub state_dir: PathBuf,
    /// `data_dir`; `/var/lib/nemoclaw`.
    pub data_dir: PathBuf,
    /// `egress_hook`: path of `nemoclaw-egress`; beside the running binary when omitted.
    pub egress_hook: Option<PathBuf>,
    /// `capture`.
    pub capture: Capture,
    /// `router`.
    pub router: RouterConfig,
    /// The file it came from; `None` = defaults.
    pub path: Option<PathBuf>,
}

/// An entry of `selectable`: `- strict`, or `- {name: dev, widens: true}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selectable {
    /// The policy's name.
    pub name: String,
    /// Replaces the handler's policy instead of being met with it.
    pub widens: bool,
}

/// `router:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    /// `socket`; `<state_dir>/router.sock`.
    pub socket: PathBuf,
    /// `user`: the worker's account, a name or a number; `nobody` when omitted.
    pub user: String,
    /// `resolvers`: DNS servers; the host's `/etc/resolv.conf` when empty.
    pub resolvers: Vec<IpAddr>,
    /// `hosts`: fixed addresses of names, before any resolver.
    pub hosts: BTreeMap<String, Vec<IpAddr>>,
    /// `extra_ca`: PEM files trusted beside the public roots when dialling out.
    pub extra_ca: Vec<PathBuf>,
}

impl NodeConfig {
    /// Read `explicit`, else `NEMOCLAW_CONFIG`, else [`DEFAULT_PATH`] if it is there, else defaults.
    ///
    /// # Errors
    /// A named file that cannot be read, a fault in it, or a file that others than root or the caller may write.
    pub fn load(explicit: Option<&Path>) -> Result<NodeConfig, NodeError> {
        let _ = explicit;
        unimplemented!()
    }
}

/// Why the node's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// Cannot be read.
    #[error("cannot read the node configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// A fault in the text.
    #[error("{0}")]
    Fault(Box<Diagnostic>),
    /// Writable by others.
    #[error("the file `{}` can be written by others: run `chmod go-w {}` and make root its owner", path.display(), path.display())]
    Writable {
        /// The file.
        path: PathBuf,
    },
}
