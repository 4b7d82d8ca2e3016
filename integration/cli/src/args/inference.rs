//! `inference`: which models sandboxes may ask, and through which providers.

use clap::{Args as Arguments, Subcommand};

use super::{Format, Output};

/// `inference`.
#[derive(Debug, Subcommand)]
pub enum Inference {
    /// Show what is in force for a sandbox: hosts, routes with their providers, what it spent, and what models may see.
    #[command(after_help = "Examples:
  nemoclaw inference get
  nemoclaw inference get worker --output json")]
    Get {
        /// A sandbox, or the beginning of its name; the only one when omitted.
        sandbox: Option<String>,
        /// How to print.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Format,
    },
    /// Change which models a running sandbox may ask: its policy file is edited, and holds for the next request.
    #[command(after_help = "Examples:
  nemoclaw inference set worker --route 'claude-*=hosted,own/qwen3:8b' --route '*=own'
  nemoclaw inference set worker --provider own --dry-run
  nemoclaw inference set worker --tokens 2000000 --cost 5

The first route whose pattern fits gives the chain: who is asked first, and who when that one fails. Routes that are given
take the place of all that were there; one with the patterns of a former route keeps its timeout, retries and the like.
What is not given stays as it is, comments outside of what changes too.")]
    Set(Change),
    /// Decide recorded calls to models again, under another policy, and say what would be different.
    #[command(after_help = "Examples:
  nemoclaw inference replay worker --policy stricter.yaml
  nemoclaw inference replay ./worker.jsonl --policy stricter.yaml --sandbox worker --changed
  nemoclaw inference replay --policy stricter.yaml --output json")]
    Replay(Replay),
}

/// `inference set`.
#[derive(Debug, Arguments)]
pub struct Change {
    /// A sandbox, or the beginning of its name.
    pub sandbox: String,
    /// A route: patterns of models, and the chain for them.
    #[arg(long = "route", value_name = "MODEL[,…]=PROVIDER[/MODEL][,…]")]
    pub routes: Vec<String>,
    /// A provider that may be asked; given again for more.
    #[arg(long = "provider", value_name = "NAME")]
    pub providers: Vec<String>,
    /// Only providers that process there.
    #[arg(long, value_name = "WORD")]
    pub residency: Vec<String>,
    /// A host of a provider that the router answers itself.
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Most tokens in 24 hours.
    #[arg(long, value_name = "N")]
    pub tokens: Option<u64>,
    /// Most requests in 24 hours.
    #[arg(long, value_name = "N")]
    pub requests: Option<u64>,
    /// The most that they may cost in 24 hours.
    #[arg(long, value_name = "AMOUNT")]
    pub cost: Option<f64>,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `inference replay`.
#[derive(Debug, Arguments)]
pub struct Replay {
    /// A sandbox with an audit log, or a file (with `/` or `.jsonl` in it); the only sandbox when omitted.
    #[arg(value_name = "SANDBOX|AUDIT.jsonl")]
    pub target: Option<String>,
    /// The other policy: a file, the name of a policy, or a sandbox.
    #[arg(long)]
    pub policy: String,
    /// Decide as if this sandbox had asked; that of the record when omitted.
    #[arg(long, value_name = "NAME")]
    pub sandbox: Option<String>,
    /// Only calls that would go another way.
    #[arg(long)]
    pub changed: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}
