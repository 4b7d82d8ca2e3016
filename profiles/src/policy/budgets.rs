//! `budgets`: how much traffic a sandbox may make in an hour.

use super::resources::least;
use crate::source::Diagnostic;
use crate::yaml::View;

type Fault = Box<Diagnostic>;

/// The greatest number a budget may be: more is no budget.
const MAX_COUNT: u64 = 1_000_000_000;

/// Limits per hour (a sliding window); `None` is no limit of the policy's, the router's own limits hold always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budgets {
    /// `requests`: HTTP requests, WebSocket texts counted too.
    pub requests: Option<u64>,
    /// `bytes_out`: bytes from the sandbox, bodies and passed-through connections.
    pub bytes_out: Option<u64>,
    /// `connections`: connections accepted from the sandbox.
    pub connections: Option<u64>,
    /// `wildcard_names`: distinct new names that only a wildcard covers. The router's own limit holds too.
    pub wildcard_names: Option<u64>,
}

impl Budgets {
    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Budgets) -> Budgets {
        Budgets {
            requests: least(self.requests, other.requests),
            bytes_out: least(self.bytes_out, other.bytes_out),
            connections: least(self.connections, other.connections),
            wildcard_names: least(self.wildcard_names, other.wildcard_names),
        }
    }
}

pub(super) fn load(view: Option<View<'_>>) -> Result<Budgets, Fault> {
    let Some(view) = view else {
        return Ok(Budgets::default());
    };
    let keys = view.fields(
        &["requests", "bytes_out", "connections", "wildcard_names"],
        &[],
    )?;
    let count = |key: &str| {
        keys.get(key)
            .map(|view| view.big_number(0, MAX_COUNT))
            .transpose()
    };
    Ok(Budgets {
        requests: count("requests")?,
        bytes_out: keys
            .get("bytes_out")
            .map(|view| super::resources::size(&view))
            .transpose()?,
        connections: count("connections")?,
        wildcard_names: count("wildcard_names")?,
    })
}
