//! The audit event: one JSON line per decision in `<data_dir>/audit/<sandbox>.jsonl`.

use serde::{Deserialize, Serialize};

/// The phase of a line that is written when a flow begins.
pub const OPEN: &str = "open";
/// The phase of a line that is written when that flow ends.
pub const CLOSE: &str = "close";

/// One decision. Never holds a query string, a header or a body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339 with microseconds, UTC.
    pub time: String,
    /// The box.
    pub sandbox: String,
    /// Host pid of the process, where it was looked up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pid: Option<i32>,
    /// `dns`, `tcp`, `tls`, `http`, or `router` (a policy change, a worker's restart).
    pub kind: String,
    /// Host name, or the address where no name is known.
    pub host: String,
    /// Port; 0 for `dns` and `router`.
    pub port: u16,
    /// HTTP method.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub method: Option<String>,
    /// HTTP path without query.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// `allow`, `deny`, or `audit` (would be refused, but the endpoint only records).
    pub verdict: String,
    /// [`OPEN`] or [`CLOSE`] for a flow that has two lines: one when it is allowed, one with its bytes when it ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase: Option<String>,
    /// The deciding rule, `entry key / METHOD path (file:line:col)`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Policy generation.
    pub generation: u64,
    /// Bytes from the box, when the flow ended.
    pub bytes_out: u64,
    /// Bytes to the box.
    pub bytes_in: u64,
}
