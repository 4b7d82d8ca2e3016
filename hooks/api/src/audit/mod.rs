//! The audit event: what the router decided, or what happened to a sandbox.
//!
//! Inside the router and over its socket an [`Event`] is flat and short. On disk, in `<data_dir>/audit/<sandbox>.jsonl`,
//! each is a line in the form of the Open Cybersecurity Schema Framework ([`record`]), chained to the line before it
//! ([`chain`]), so that a change to the file shows ([`verify`]).

#[cfg(feature = "records")]
pub mod chain;
#[cfg(feature = "records")]
mod form;
mod model;
#[cfg(feature = "records")]
mod ocsf;
#[cfg(feature = "records")]
pub mod record;
#[cfg(feature = "records")]
pub mod verify;

use serde::{Deserialize, Serialize};

pub use model::{FoundCount, ModelCall, REFUSED, SENT};

/// The phase of a line that is written when a flow begins.
pub const OPEN: &str = "open";
/// The phase of a line that is written when that flow ends.
pub const CLOSE: &str = "close";

/// The kind of an event about the router or the sandbox itself: it began, it ended, the worker was started again.
pub const ROUTER: &str = "router";
/// The kind of an event about a sandbox's policy.
pub const POLICY: &str = "policy";

/// The verdict of what passed.
pub const ALLOW: &str = "allow";
/// The verdict of what was refused.
pub const DENY: &str = "deny";
/// The verdict of what would be refused, but the endpoint only records.
pub const AUDIT: &str = "audit";

/// One decision. Never holds a query string, a header or a body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// RFC 3339 with microseconds, UTC.
    pub time: String,
    /// The box.
    pub sandbox: String,
    /// Host pid of the process, where it was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The program of that process, where it was looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<Box<Program>>,
    /// `dns`, `tcp`, `tls`, `http` and whatever else carries a decision, or [`ROUTER`] or [`POLICY`].
    pub kind: String,
    /// Host name, or the address where no name is known.
    pub host: String,
    /// Port; 0 for `dns`, [`ROUTER`] and [`POLICY`].
    pub port: u16,
    /// HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// HTTP path without query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// [`ALLOW`], [`DENY`] or [`AUDIT`].
    pub verdict: String,
    /// [`OPEN`] or [`CLOSE`] for a flow that has two lines: one when it is allowed, one with its bytes when it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The deciding rule, `entry key / METHOD path (file:line:col)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The proposal that a person may allow or deny, or that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
    /// The kind of attack or leak that was found, such as `rebinding`; makes the line a finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// What is to be said of a call to a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Box<ModelCall>>,
    /// How many events like this one the line stands for, where it stands for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When the first of those several was, as `time`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Policy generation.
    pub generation: u64,
    /// Bytes from the box, when the flow ended.
    pub bytes_out: u64,
    /// Bytes to the box.
    pub bytes_in: u64,
}

/// The program that asked, as the warden found it: an attribution, no boundary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Path of the executable, as the sandbox sees it.
    pub path: String,
    /// Path of the script, where the executable is its interpreter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub script: Option<String>,
    /// SHA-256 of the executable, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
}
