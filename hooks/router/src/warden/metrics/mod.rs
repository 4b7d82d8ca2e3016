//! Numbers about the router, as a value and as OpenMetrics text. The names here are an interface: dashboards use them.

mod tally;
mod text;

pub use tally::Tally;
pub use text::render;

use crate::meters::Counts;

/// Sandboxes that have series of their own; the others are added up as one. Bounds what a scrape costs, whoever makes
/// sandboxes.
pub const SANDBOXES: usize = 200;

/// The router now.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    /// Its version.
    pub version: String,
    /// When it was started, seconds since 1970.
    pub started: f64,
    /// Whether a worker serves.
    pub worker: bool,
    /// How often a worker was started again.
    pub restarts: u64,
    /// The audit log.
    pub audit: AuditNumbers,
    /// Time that decisions on requests took.
    pub decisions: Counts,
    /// Time that upstreams took.
    pub answers: Counts,
    /// By name.
    pub sandboxes: Vec<SandboxNumbers>,
}

/// The audit log now.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditNumbers {
    /// Lines written.
    pub records: u64,
    /// Signatures made.
    pub signatures: u64,
    /// Refusals that were counted instead of written.
    pub counted: u64,
    /// Files turned over.
    pub turns: u64,
    /// It cannot be written.
    pub faulty: bool,
}

/// A sandbox now.
#[derive(Debug, Clone, Default)]
pub struct SandboxNumbers {
    /// Its name.
    pub name: String,
    /// Open connections.
    pub connections: u64,
    /// Generation of its policies.
    pub generation: u64,
    /// The policy on disk is not the one in force.
    pub faulty: bool,
    /// What it did so far.
    pub tally: Tally,
}
