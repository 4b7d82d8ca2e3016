//! `policy`: what a policy says and decides, and changes to that of a sandbox.

use std::path::PathBuf;

use clap::{Args as Arguments, Subcommand};

use super::Format;

/// `policy`.
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Read a policy strictly; the first fault is shown with line, column and caret.
    #[command(after_help = "Examples:
  nemoclaw policy validate research.yaml
  nemoclaw policy validate strict --output json")]
    Validate {
        /// A file, or the name of a policy.
        policy: String,
        /// How to print.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Format,
    },
    /// Say what a policy decides on one request.
    #[command(after_help = "Examples:
  nemoclaw policy check research.yaml --host api.github.com --method GET --path /user
  nemoclaw policy check worker --host pypi.org --method GET --path /simple/ --program /usr/bin/pip
  nemoclaw policy check default --host example.org

Exit code: 0 allowed, 1 denied, 2 cannot tell, or a person is asked.")]
    Check(Ask),
    /// Say which rule decides a request, what each policy of the chain says, and what would change the verdict.
    #[command(after_help = "Examples:
  nemoclaw policy explain worker --host api.github.com --method POST --path /user/repos
  nemoclaw policy explain research.yaml --host db.example.org --port 5432

Exit code: 0 allowed, 1 denied, 2 cannot tell, or a person is asked.")]
    Explain(Ask),
    /// Show the policies in force for a sandbox, or the text of a policy.
    #[command(after_help = "Examples:
  nemoclaw policy show
  nemoclaw policy show worker
  nemoclaw policy show default --output json")]
    Show {
        /// A sandbox, a policy or a file; all sandboxes when omitted.
        name: Option<String>,
        /// How to print.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Format,
    },
    /// Say in what the second of two policies allows more or less than the first.
    #[command(after_help = "Examples:
  nemoclaw policy diff strict default
  nemoclaw policy diff worker research.yaml --all --output json

Exit code: 0 the same or narrowed, 1 widened or both ways, 2 cannot tell.")]
    Diff(Diff),
    /// List the policies and presets there are.
    #[command(after_help = "Examples:
  nemoclaw policy list
  nemoclaw policy list --output json")]
    List {
        /// How to print.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        output: Format,
    },
    /// Print the JSON Schema of policies, for editors.
    #[command(after_help = "Examples:
  nemoclaw policy schema")]
    Schema,
    /// Include a preset in the policy file of a running sandbox.
    #[command(after_help = "Examples:
  nemoclaw policy add worker pypi
  nemoclaw policy add worker github --dry-run")]
    Add(Include),
    /// Take a preset out of the policy file of a running sandbox.
    #[command(after_help = "Examples:
  nemoclaw policy remove worker pypi")]
    Remove(Include),
    /// Put a file's text in the place of the policy file of a running sandbox.
    #[command(after_help = "Examples:
  nemoclaw policy set worker wider.yaml --dry-run
  nemoclaw policy set worker wider.yaml")]
    Set {
        /// A sandbox, or the beginning of its name.
        sandbox: String,
        /// The file with the new text.
        file: PathBuf,
        /// Say what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Edit the policy file of a running sandbox with $VISUAL or $EDITOR.
    #[command(after_help = "Examples:
  nemoclaw policy edit worker")]
    Edit {
        /// A sandbox, or the beginning of its name.
        sandbox: String,
        /// Say what would change, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Draft the narrowest policy that would let pass what was refused. Nothing is applied.
    #[command(after_help = "Examples:
  nemoclaw policy learn worker
  nemoclaw policy learn worker --since 2h
  nemoclaw policy learn worker --since 2026-01-31T12:00:00Z")]
    Learn {
        /// A sandbox, or the beginning of its name.
        sandbox: String,
        /// Only what was refused since then: a time, or so long ago.
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
    },
}

/// `policy check`, `policy explain`.
#[derive(Debug, Arguments)]
pub struct Ask {
    /// A file, the name of a policy, or a sandbox.
    pub policy: String,
    /// Host name.
    #[arg(long)]
    pub host: String,
    /// Port.
    #[arg(long, default_value_t = 443)]
    pub port: u16,
    /// HTTP method.
    #[arg(long)]
    pub method: Option<String>,
    /// HTTP path.
    #[arg(long)]
    pub path: Option<String>,
    /// Query, without `?`.
    #[arg(long)]
    pub query: Option<String>,
    /// The program that asks, as the sandbox sees it.
    #[arg(long)]
    pub program: Option<String>,
    /// The request asks to become a WebSocket.
    #[arg(long)]
    pub upgrade: bool,
}

/// `policy diff`.
#[derive(Debug, Arguments)]
pub struct Diff {
    /// The first: a file, the name of a policy, or a sandbox.
    pub first: String,
    /// The second.
    pub second: String,
    /// Show what is the same too.
    #[arg(long)]
    pub all: bool,
    /// How to print.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
}

/// `policy add`, `policy remove`.
#[derive(Debug, Arguments)]
pub struct Include {
    /// A sandbox, or the beginning of its name.
    pub sandbox: String,
    /// The preset: `nemoclaw policy list` shows them.
    pub preset: String,
    /// Say what would change, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}
