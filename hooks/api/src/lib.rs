//! What passes over the router's unix socket, and the audit event's shape.
//!
//! One connection carries one request and one answer: a 32-bit little-endian length, then that many bytes of JSON.
//! Descriptors (SCM_RIGHTS) ride on the first byte of a `register` request, in the order of [`RegisterFds`].

pub mod approvals;
pub mod audit;
pub mod client;
mod descriptors;
mod sys;
pub mod wire;

pub use descriptors::{RegisterFds, WrongDescriptors};

use std::path::PathBuf;

use nemoclaw_policy::handover::Handover;
use serde::{Deserialize, Serialize};

/// The largest request or answer, bytes: a policy text is at most 1 MiB, a box has few of them.
pub const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Request {
    /// Take over a box's traffic. Comes with descriptors.
    Register {
        /// What the runtime said about the box.
        handover: Handover,
        /// Host pid of the box's first process.
        pid: i32,
        /// SO_NETNS_COOKIE of its network namespace.
        netns_cookie: u64,
        /// The back-end in use.
        capture: Backend,
    },
    /// Forget a box and close its sockets. Unknown names are no error.
    Release {
        /// The box.
        sandbox: String,
    },
    /// All boxes.
    List,
    /// The router itself.
    Status,
    /// What waits for a person, and what stands.
    Approvals {
        /// Of this sandbox only.
        sandbox: Option<String>,
    },
    /// A person's answer.
    Decide {
        /// The proposal's id, or that of a standing approval.
        id: String,
        /// The answer.
        decision: approvals::Decision,
    },
    /// Numbers about the router and its boxes.
    Metrics,
    /// Sign every audit log now, so that none has a record without a signature.
    Seal,
    /// Drain and end.
    Stop,
}

/// The capture back-end in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// BPF `sk_lookup`: descriptors are listener, dns, netns, pidfd, link, map.
    SkLookup,
    /// nf_tables `tproxy`: descriptors are listener, dns, netns, pidfd.
    Tproxy,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Response {
    /// To `register`.
    Registered {
        /// Policy generation, from 1.
        generation: u64,
        /// The box's CA certificate, PEM.
        ca_pem: String,
    },
    /// To `release`, `decide`, `seal` and `stop`.
    Done,
    /// To `list`.
    Boxes {
        /// Sorted by name.
        boxes: Vec<BoxStatus>,
    },
    /// To `approvals`.
    Approvals {
        /// Not yet answered, the oldest first.
        proposals: Vec<approvals::Proposal>,
        /// What stands.
        approvals: Vec<approvals::Approval>,
    },
    /// To `status`.
    Router(RouterStatus),
    /// To `metrics`.
    Metrics {
        /// OpenMetrics text.
        text: String,
    },
    /// Any request that failed: one sentence.
    Error {
        /// The sentence.
        message: String,
    },
}

/// One box as the router sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoxStatus {
    /// Its name.
    pub sandbox: String,
    /// Host pid of its first process.
    pub pid: i32,
    /// Names of the policies in force.
    pub policies: Vec<String>,
    /// Files watched.
    pub files: Vec<PathBuf>,
    /// Policy generation, from 1; +1 with every accepted change.
    pub generation: u64,
    /// The fault of the last refused change, with its caret; `None` when the file in force is the file on disk.
    pub fault: Option<String>,
    /// Back-end in use.
    pub capture: Backend,
    /// Decisions so far.
    pub allowed: u64,
    /// Refusals so far.
    pub denied: u64,
    /// Open connections.
    pub connections: u64,
    /// Bytes from the box, of flows that have ended.
    #[serde(default)]
    pub bytes_out: u64,
    /// Bytes to the box.
    #[serde(default)]
    pub bytes_in: u64,
    /// What it spent on models in the last 24 hours; `None` where its policy asks none.
    #[serde(default)]
    pub models: Option<ModelSpend>,
    /// The last refusal.
    pub last_denial: Option<audit::Event>,
    /// RFC 3339.
    pub since: String,
}

/// What a sandbox spent on models in the last 24 hours, beside what it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSpend {
    /// Tokens, sent and received together, with what requests in flight have reserved.
    pub tokens: u64,
    /// Requests.
    pub requests: u64,
    /// Cost, in millionths of the currency of the providers' prices.
    pub cost_micro: u64,
    /// The limit of tokens, where the policy has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_limit: Option<u64>,
    /// The limit of requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_limit: Option<u64>,
    /// The limit of cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_micro_limit: Option<u64>,
}

/// The router itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterStatus {
    /// Crate version.
    pub version: String,
    /// Pid of the warden.
    pub warden_pid: i32,
    /// Pid of the worker, `None` while it is started again.
    pub worker_pid: Option<i32>,
    /// How often a worker was started again.
    pub restarts: u64,
    /// Boxes registered.
    pub boxes: u64,
    /// RFC 3339.
    pub since: String,
    /// Directory of the audit files, `<sandbox>.jsonl`.
    pub audit_dir: PathBuf,
    /// Why the audit log cannot be written, so that nothing new passes; `None` when it can.
    #[serde(default)]
    pub audit_fault: Option<String>,
    /// Providers whose credentials are held.
    #[serde(default)]
    pub providers: Vec<String>,
    /// Why providers or credentials on disk are not those in force; `None` when they are.
    #[serde(default)]
    pub providers_fault: Option<String>,
}
