//! What the runtime tells the egress hook about a box: the file `egress.json` in the box's state directory.
//!
//! `runtime` and `hooks` import no code of each other; this file, the OCI state on the hook's stdin and the
//! `nemoclaw.dev/state` annotation (the directory's path) are all that passes between them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Annotation that names a box's state directory, `<state_dir>/boxes/<id>`.
pub const STATE_ANNOTATION: &str = "nemoclaw.dev/state";
/// Annotation (and, with [`POLICY_ENVIRONMENT`], the only one a user may give) that names a policy.
pub const POLICY_ANNOTATION: &str = "nemoclaw.dev/policy";
/// Environment variable that names a policy.
pub const POLICY_ENVIRONMENT: &str = "NEMOCLAW_POLICY";
/// The hand-over's file name in the state directory.
pub const FILE: &str = "egress.json";
/// Where the hook leaves its one sentence when it fails.
pub const ERROR_FILE: &str = "egress.error";
/// CA bundle that is mounted into the box; the runtime writes the image's part, the hook appends ours.
pub const CA_BUNDLE_FILE: &str = "ca-bundle.pem";
/// `resolv.conf` that is mounted into the box.
pub const RESOLV_CONF_FILE: &str = "resolv.conf";
/// The address that `resolv.conf` names; every query to port 53 is captured, whatever its address.
pub const DNS_ADDRESS: &str = "198.18.0.53";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// 1.
    pub version: u32,
    /// The box's name: its container id.
    pub sandbox: String,
    /// Fence only (policy `offline`), or fence and router.
    pub egress: Egress,
    /// The policies that were met, in order; the router watches those with a path.
    pub policies: Vec<PolicyText>,
    /// Unix socket of the router.
    pub router_socket: PathBuf,
    /// Which capture to use.
    pub capture: Capture,
    /// Ports that may be reached from outside; `None` = any TCP port.
    pub inbound: Option<Vec<u16>>,
}

/// How traffic leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// By the router.
    Router,
    /// Not at all: fenced, and every interface but `lo` set down.
    Offline,
}

/// The capture back-end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capture {
    /// `sk_lookup` where BPF can be loaded and has `ingress_ifindex`, else `tproxy`.
    #[default]
    Auto,
    /// BPF `sk_lookup` only.
    SkLookup,
    /// nf_tables `tproxy` only.
    Tproxy,
}

/// One policy text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyText {
    /// The name it was chosen by.
    pub name: String,
    /// The file to watch, absolute; `None` = embedded, never changes.
    pub path: Option<PathBuf>,
    /// Its text at create.
    pub text: String,
}
