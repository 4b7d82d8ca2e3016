//! `nemoclaw-router`: the only way out of a sandbox.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nemoclaw_router::{warden, worker};

/// A request takes some eighty allocations, and that of musl takes a lock and often a system call for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The router of NemoClaw's sandboxes.
#[derive(Debug, Parser)]
#[command(name = "nemoclaw-router", version)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve in the foreground until SIGTERM, SIGINT or `nemoclaw router stop`.
    #[command(
        after_help = "Examples:\n  nemoclaw-router run\n  nemoclaw-router run --config /etc/nemoclaw/config.yaml"
    )]
    Run {
        /// The node's configuration; NEMOCLAW_CONFIG or /etc/nemoclaw/config.yaml when omitted.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The process that speaks to the network; `run` starts it.
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    match Args::parse().verb {
        Verb::Worker => worker::run(),
        Verb::Run { config } => match warden::run(config.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Nobody is left to tell when standard error is closed.
                let _ = writeln!(std::io::stderr(), "error: {}", worker::event::told(&error));
                ExitCode::FAILURE
            }
        },
    }
}
