//! `nemoclaw`: the command people call. It parses, calls one verb, and prints an error once.

mod args;
mod direct;
mod engines;
mod fault;
mod kubernetes;
mod models;
mod node;
mod printer;
mod probe;
mod providers;
mod sys;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Audit, Policy, Privacy, Verb};
use crate::printer::Printer;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let printer = Printer::new();
    match verbs::dispatch(&args, printer) {
        Ok(code) => code,
        Err(error) => fault::report(printer, &error, usual_code(&args.verb)),
    }
}

/// What an error means where the verb's exit code has a meaning of its own.
fn usual_code(verb: &Verb) -> u8 {
    match verb {
        Verb::Run(_) | Verb::Exec(_) | Verb::Connect(_) => fault::OURS,
        Verb::Policy(Policy::Check(_) | Policy::Explain(_) | Policy::Diff(_)) => {
            verbs::policy::CANNOT_TELL
        }
        Verb::Privacy(Privacy::Explain(_)) => verbs::privacy::CANNOT_TELL,
        Verb::Audit(Audit::Verify(_)) => verbs::audit::CANNOT_TELL,
        _ => 1,
    }
}

/// Help and version are data; a wrong command line is an error. `run` and `exec` must not give a code that a command
/// may give, so theirs is Docker's.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody can be told that our output is closed.
    let _ = error.print();
    let verb = std::env::args().nth(1).unwrap_or_default();
    match (error.use_stderr(), verb.as_str()) {
        (false, _) => ExitCode::SUCCESS,
        (true, "run" | "exec") => ExitCode::from(fault::OURS),
        (true, _) => ExitCode::from(2),
    }
}
