//! `audit`: what the router recorded, and whether it is still what was recorded.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand};

use super::Output;

/// `audit`.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Show all that is on record of a sandbox, the oldest first; `logs --denied` shows the refusals.
    #[command(after_help = "Examples:
  nemoclaw audit show worker
  nemoclaw audit show worker --json")]
    Show {
        /// A sandbox, or the beginning of its name; the only one when omitted.
        name: Option<String>,
        /// The recorded lines as they stand, one JSON value a line.
        #[arg(long)]
        json: bool,
    },
    /// Check that no record was changed, dropped, moved, inserted or cut off; name the first that was.
    #[command(after_help = "Examples:
  nemoclaw audit verify
  nemoclaw audit verify worker --output json
  nemoclaw audit verify ./worker.jsonl.1 --key audit.pub

A file that was copied from elsewhere needs `--key`: the file `audit.pub` of its node.
Exit code: 0 all is as it was written, 1 it is not, 2 cannot tell.")]
    Verify(Verify),
}

/// `audit verify`.
#[derive(Debug, Arguments)]
pub struct Verify {
    /// A sandbox, the beginning of its name, or a file (with `/` or `.jsonl` in it); all sandboxes when omitted.
    #[arg(value_name = "SANDBOX|FILE")]
    pub target: Option<String>,
    /// Public keys of the router that wrote the log; `audit.pub` of this node when omitted.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}
