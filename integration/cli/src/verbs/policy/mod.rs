//! `policy`: what policies say and decide, and changes to the one of a running sandbox.

pub mod change;
pub mod check;
mod diff;
mod draft;
mod edit;
mod explain;
pub mod find;
mod learn;
mod list;
mod replace;
mod show;
mod validate;

use std::process::ExitCode;

pub use check::CANNOT_TELL;

use crate::args::{Args, Policy};
use crate::printer::Printer;

/// Run it.
pub fn run(args: &Args, verb: &Policy, printer: Printer) -> anyhow::Result<ExitCode> {
    let config = args.config.as_deref();
    match verb {
        Policy::Validate { policy, output } => validate::run(config, policy, *output, printer),
        Policy::Check(ask) => check::run(config, ask, printer),
        Policy::Explain(ask) => explain::run(config, ask, printer),
        Policy::Show { name, output } => show::run(config, name.as_deref(), *output, printer),
        Policy::Diff(diff) => diff::run(config, diff, printer),
        Policy::List { output } => list::run(config, *output, printer),
        Policy::Schema => {
            printer.bytes(nemoclaw_policy::schema::TEXT.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Policy::Add(include) => change::include(config, include, change::Turn::Add, printer),
        Policy::Remove(include) => change::include(config, include, change::Turn::Remove, printer),
        Policy::Set {
            sandbox,
            file,
            dry_run,
        } => change::set(config, sandbox, file, *dry_run, printer),
        Policy::Edit { sandbox, dry_run } => {
            edit::run(config, sandbox, *dry_run, args.no_input, printer)
        }
        Policy::Learn { sandbox, since } => learn::run(config, sandbox, since.as_deref(), printer),
    }
}
