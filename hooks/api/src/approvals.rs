//! Approvals: what waits for a person, what a person said, and how it passes over the router's socket.

use serde::{Deserialize, Serialize};

/// What a request asks for, as a person sees it and as an approval is bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Question {
    /// Host name.
    pub host: String,
    /// Port.
    pub port: u16,
    /// HTTP method.
    pub method: String,
    /// Path in the normal form, without query.
    pub path: String,
    /// SHA-256 of query and body, hex: an approval for one time is bound to it too.
    pub digest: String,
    /// Length of the body, bytes.
    pub length: u64,
}

impl Question {
    /// Whether an approval of `self` is about `other` too, whatever its query and body.
    #[must_use]
    pub fn covers(&self, other: &Question) -> bool {
        (&self.host, self.port, &self.method, &self.path)
            == (&other.host, other.port, &other.method, &other.path)
    }
}

/// Something that a person may allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its id: ten hex digits, not to be guessed.
    pub id: String,
    /// The sandbox.
    pub sandbox: String,
    /// What is asked.
    pub question: Question,
    /// The endpoint that asks, with its place.
    pub rule: String,
    /// When it was asked first, RFC 3339.
    pub since: String,
    /// Requests that wait for the answer now; 0 when the client has given up.
    pub waiting: u64,
}

/// A person's standing word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The proposal that it answers.
    pub id: String,
    /// The sandbox.
    pub sandbox: String,
    /// What is allowed.
    pub question: Question,
    /// How long.
    pub scope: Scope,
    /// When it ends, seconds since 1970; `None` with the sandbox.
    pub until: Option<u64>,
}

/// For how long something is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This request, query and body included, and no other.
    Once,
    /// Every request to this host, port and path with this method, for so many seconds.
    For(u64),
    /// The same for as long as the sandbox lives.
    Always,
}

/// A person's answer to a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may pass.
    Allow(Scope),
    /// It may not.
    Deny,
    /// A standing approval ends.
    Revoke,
}
