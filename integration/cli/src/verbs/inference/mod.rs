//! `inference get|set|replay`: which models sandboxes may ask, through which providers, and what would be different.

mod get;
mod replay;
mod set;

use std::process::ExitCode;

use crate::args::{Args, Inference};
use crate::node::Node;
use crate::printer::Printer;

/// Run it.
pub fn run(args: &Args, verb: &Inference, printer: Printer) -> anyhow::Result<ExitCode> {
    let config = args.config.as_deref();
    match verb {
        Inference::Get { sandbox, output } => {
            get::run(&Node::load(config)?, sandbox.as_deref(), *output, printer)
        }
        Inference::Set(change) => set::run(config, change, printer),
        Inference::Replay(replay) => replay::run(config, replay, printer),
    }
}
