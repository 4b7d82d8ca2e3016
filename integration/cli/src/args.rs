//! The command line: the one place that names verbs, options and examples.
//!
//! Each verb's help ends with real examples; a test runs the parser over every one of them.

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand, ValueEnum};

mod approvals;
mod audit;
mod inference;
mod policy;
mod privacy;
mod provider;
mod register;

pub use approvals::{Allow, Approvals};
pub use audit::{Audit, Verify};
pub use inference::{Change, Inference, Replay};
pub use policy::{Ask, Diff, Include, Policy};
pub use privacy::{Explain, Privacy, Scan};
pub use provider::{Detect, Provider, Set};
pub use register::{Cluster, ClusterEngine, Named, Register, Registration, Removal, Unregister};

/// Run agents in sandboxes and see what they did.
#[derive(Debug, Parser)]
#[command(name = "nemoclaw", version, disable_help_subcommand = true)]
pub struct Args {
    /// The node's configuration (else NEMOCLAW_CONFIG, else /etc/nemoclaw/config.yaml); stands before the verb.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Never ask; print the command that would answer.
    #[arg(long, global = true)]
    pub no_input: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a command in a new sandbox, without Docker.
    #[command(after_help = "Examples:
  nemoclaw run -- python3 -c 'print(1 + 1)'
  nemoclaw run -t -v $PWD:/sandbox -- bash
  nemoclaw run -d --name worker --policy strict -e LANG=C -- sleep 600")]
    Run(Run),
    /// List the sandboxes of the direct engine, and those of other engines that the router knows.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:
  nemoclaw list
  nemoclaw list --output json"
    )]
    List(Output),
    /// Show what holds for a sandbox now: process, router, policy generation, last refusal.
    #[command(after_help = "Examples:
  nemoclaw status
  nemoclaw status worker --output json

Exit code 1: a sandbox is degraded.")]
    Status(Status),
    /// Show what a detached sandbox printed, or what was refused.
    #[command(after_help = "Examples:
  nemoclaw logs worker --follow
  nemoclaw logs worker --denied
  nemoclaw logs --denied --json")]
    Logs(Logs),
    /// Run a command in a running sandbox, behind the same walls.
    #[command(after_help = "Examples:
  nemoclaw exec worker -- ps
  nemoclaw exec -t worker -- bash")]
    Exec(Exec),
    /// Open a shell in a running sandbox, behind the same walls.
    #[command(after_help = "Examples:
  nemoclaw connect worker")]
    Connect(Target),
    /// Stop a sandbox: SIGTERM, 10 seconds, SIGKILL.
    #[command(after_help = "Examples:
  nemoclaw stop worker")]
    Stop(Target),
    /// Remove a sandbox and its /sandbox directory.
    #[command(after_help = "Examples:
  nemoclaw rm worker
  nemoclaw rm -f worker")]
    Rm(Rm),
    /// Check this machine, and say what helps where something is missing.
    #[command(after_help = "Examples:
  nemoclaw doctor
  nemoclaw doctor --output json

Exit code 1: a check failed.")]
    Doctor(Output),
    /// Read, compare and explain policies, and change that of a sandbox.
    #[command(subcommand)]
    Policy(Policy),
    /// See what waits for a person, and answer it.
    #[command(subcommand)]
    Approvals(Approvals),
    /// Start, stop and look at the router.
    #[command(subcommand)]
    Router(Router),
    /// Keep credentials outside of sandboxes.
    #[command(subcommand)]
    Provider(Provider),
    /// See and change which models sandboxes may ask.
    #[command(subcommand)]
    Inference(Inference),
    /// See what is sensitive in a text, and what becomes of it on its way to a model.
    #[command(subcommand)]
    Privacy(Privacy),
    /// Watch the sandboxes: connections, decisions, traffic, the latest refusals. `q` ends it.
    #[command(after_help = "Examples:
  nemoclaw top
  nemoclaw top --interval 5
  nemoclaw top --once

Keys: q or Ctrl-C ends, s changes the order, the arrows move.")]
    Top(Top),
    /// Show and verify what the router recorded.
    #[command(subcommand)]
    Audit(Audit),
    /// Make an engine know the runtime.
    #[command(subcommand)]
    Register(Register),
    /// Take the runtime out of an engine's configuration again.
    #[command(subcommand)]
    Unregister(Unregister),
    /// Hold a detached sandbox (started by `run -d`).
    #[command(hide = true)]
    Keep(Target),
    /// Become the router in a session of its own (started by `router start`).
    #[command(hide = true)]
    BecomeRouter,
}

/// `run`.
#[derive(Debug, Arguments)]
pub struct Run {
    /// Leave it running and print its name.
    #[arg(short, long)]
    pub detach: bool,
    /// Its name; a named sandbox keeps its /sandbox until `nemoclaw rm`.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Policy: a name, or a file.
    #[arg(long, value_name = "NAME|FILE")]
    pub policy: Option<String>,
    /// The root file system: `host` (this machine's programs, read-only) or a directory.
    #[arg(long, value_name = "host|DIR", default_value = "host")]
    pub rootfs: String,
    /// Mount a directory or file of this machine.
    #[arg(short, long = "volume", value_name = "SRC:DST[:ro]")]
    pub volumes: Vec<String>,
    /// Set a variable; without a value it is taken from here.
    #[arg(short, long = "env", value_name = "KEY[=VALUE]")]
    pub environment: Vec<String>,
    /// Give the command a terminal.
    #[arg(short, long)]
    pub terminal: bool,
    /// The command.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `list`, `doctor`.
#[derive(Debug, Arguments)]
pub struct Output {
    /// How to print.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: stable keys, and a `version`.
    Json,
}

/// `status`.
#[derive(Debug, Arguments)]
pub struct Status {
    /// A sandbox, or the beginning of its name; all when omitted.
    pub name: Option<String>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// `logs`.
#[derive(Debug, Arguments)]
pub struct Logs {
    /// A sandbox, or the beginning of its name; the only one when omitted.
    pub name: Option<String>,
    /// Go on until it ends.
    #[arg(short, long)]
    pub follow: bool,
    /// Only what the router refused.
    #[arg(long)]
    pub denied: bool,
    /// The recorded lines as they stand, one JSON value a line.
    #[arg(long)]
    pub json: bool,
}

/// `top`.
#[derive(Debug, Arguments)]
pub struct Top {
    /// Print one picture as text, and end; needs no terminal.
    #[arg(long)]
    pub once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub interval: u64,
}

/// `exec`.
#[derive(Debug, Arguments)]
pub struct Exec {
    /// A sandbox, or the beginning of its name.
    pub name: String,
    /// Give the command a terminal.
    #[arg(short, long)]
    pub terminal: bool,
    /// Set a variable; without a value it is taken from here.
    #[arg(short, long = "env", value_name = "KEY[=VALUE]")]
    pub environment: Vec<String>,
    /// The command.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// A sandbox by name.
#[derive(Debug, Arguments)]
pub struct Target {
    /// A sandbox, or the beginning of its name; the only one when omitted.
    pub name: Option<String>,
}

/// `rm`.
#[derive(Debug, Arguments)]
pub struct Rm {
    /// A sandbox, or the beginning of its name.
    pub name: String,
    /// Stop it first when it runs.
    #[arg(short, long)]
    pub force: bool,
}

/// `router`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Router {
    /// Start the router in the background; no error when it runs.
    #[command(after_help = "Examples:
  nemoclaw router start")]
    Start,
    /// Drain and end the router; sandboxes lose their way out until it is started again.
    #[command(after_help = "Examples:
  nemoclaw router stop")]
    Stop,
    /// Print numbers about the router and its sandboxes, as OpenMetrics text.
    #[command(after_help = "Examples:
  nemoclaw router metrics

`router.metrics: 127.0.0.1:9464` in the node's configuration serves them at http://127.0.0.1:9464/metrics.")]
    Metrics,
    /// Show the router. Exit code 1 when it does not answer.
    #[command(after_help = "Examples:
  nemoclaw router status")]
    Status,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Every example line of a command and those below it.
    fn examples(command: &clap::Command, into: &mut Vec<String>) {
        if let Some(help) = command.get_after_help() {
            let help = help.to_string();
            into.extend(
                help.lines()
                    .map(str::trim)
                    .filter(|line| line.starts_with("nemoclaw "))
                    .map(str::to_owned),
            );
        }
        for inner in command.get_subcommands() {
            examples(inner, into);
        }
    }

    /// Split as a shell does, single quotes only.
    fn words(line: &str) -> Vec<String> {
        let mut out = Vec::new();
        for (index, part) in line.split('\'').enumerate() {
            if index % 2 == 1 {
                out.push(part.to_owned());
            } else {
                out.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        out
    }

    #[test]
    fn the_interface_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_example_in_the_help_parses() {
        let mut lines = Vec::new();
        examples(&Args::command(), &mut lines);
        assert!(lines.len() >= 20, "{lines:?}");
        for line in lines {
            Args::try_parse_from(words(&line)).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn every_verb_people_see_has_an_example() {
        fn check(command: &clap::Command) {
            for inner in command
                .get_subcommands()
                .filter(|inner| !inner.is_hide_set())
            {
                let mut lines = Vec::new();
                examples(inner, &mut lines);
                assert!(!lines.is_empty(), "`{}` has no example", inner.get_name());
                check(inner);
            }
        }
        check(&Args::command());
    }
}
