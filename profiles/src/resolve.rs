//! Which policy a box gets, in the order of the design: handler, node, built-in; then names that may narrow.

use std::path::PathBuf;

use crate::handover::PolicyText;
use crate::node::NodeConfig;
use crate::policy::Policy;

/// Who asked for what.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--policy NAME|FILE`, or the name in argv[0] (`nemoclaw-runtime.NAME`).
    pub handler: Option<String>,
    /// The annotation `nemoclaw.dev/policy`.
    pub annotation: Option<String>,
    /// `NEMOCLAW_POLICY` in the process's environment (an image may set it: it never widens).
    pub environment: Option<String>,
    /// Host directories that the box can write (mount sources): a policy file below one of them is refused.
    pub writable_mounts: Vec<PathBuf>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The policy in force.
    pub policy: Policy,
    /// Its texts, for the router.
    pub texts: Vec<PolicyText>,
    /// What to write to the log (a relaxation was chosen, a request was clipped).
    pub remarks: Vec<String>,
}

/// Choose and load. `unconfined` needs an entry in `selectable`, whoever asks.
///
/// # Errors
/// An unknown or unselectable name, a fault in a file, a file that the box or others could write: one sentence each.
pub fn resolve(request: &Request, node: &NodeConfig) -> Result<Resolved, ResolveError> {
    let _ = (request, node);
    unimplemented!()
}

/// Why no policy could be chosen; `Display` is one whole sentence with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Not made yet.
    #[error("placeholder")]
    Placeholder,
}
