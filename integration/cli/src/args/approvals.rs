//! `approvals`: what waits for a person.

use clap::{Args as Arguments, Subcommand};

use super::Format;

/// `approvals`.
#[derive(Debug, Subcommand)]
pub enum Approvals {
    /// List what waits for an answer, and what stands.
    #[command(after_help = "Examples:
  nemoclaw approvals list
  nemoclaw approvals list --sandbox worker --output json")]
    List {
        /// Of this sandbox only.
        #[arg(long, value_name = "NAME")]
        sandbox: Option<String>,
        /// How to print.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Format,
    },
    /// Let a request pass: this one only, unless an option says more.
    #[command(after_help = "Examples:
  nemoclaw approvals allow 3f9c01ab77
  nemoclaw approvals allow 3f9c01ab77 --for 1h
  nemoclaw approvals allow 3f9c01ab77 --always")]
    Allow(Allow),
    /// Refuse a request.
    #[command(after_help = "Examples:
  nemoclaw approvals deny 3f9c01ab77")]
    Deny {
        /// The proposal's id.
        id: String,
    },
    /// End a standing approval.
    #[command(after_help = "Examples:
  nemoclaw approvals revoke 3f9c01ab77")]
    Revoke {
        /// The approval's id.
        id: String,
    },
}

/// `approvals allow`.
#[derive(Debug, Arguments)]
pub struct Allow {
    /// The proposal's id.
    pub id: String,
    /// This request, query and body included, and no other (the default).
    #[arg(long, conflicts_with_all = ["duration", "always"])]
    pub once: bool,
    /// Every request to this host, port and path with this method, for so long.
    #[arg(long = "for", value_name = "TIME", conflicts_with = "always")]
    pub duration: Option<String>,
    /// The same for as long as the sandbox lives; what shall outlive it belongs into its policy.
    #[arg(long)]
    pub always: bool,
}
