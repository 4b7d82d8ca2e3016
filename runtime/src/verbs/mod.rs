//! One file a verb: it translates arguments, `lifecycle` does the work.

mod checkpoint;
mod create;
mod delete;
mod devices;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod pause;
mod printer;
mod ps;
mod resume;
mod run;
mod spec;
mod start;
mod state;
mod update;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

use crate::cli::{Cli, Verb, log_options, policy_in_name, usage_sentence};
use crate::lifecycle::context::Context;
use crate::log::Log;
use crate::sys::seal;

/// What a failed command exits with.
const FAILED: u8 = 1;
/// What a failed `exec` exits with, as runc's does.
const EXEC_FAILED: u8 = 255;

/// The whole program.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments),
    };
    let log = match Log::open(
        cli.global.log.as_deref(),
        cli.global.log_format,
        cli.global.debug,
    ) {
        Ok(log) => log,
        Err(error) => {
            Log::default().error(&format!("cannot open the log file: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let named = arguments.first().and_then(|name| policy_in_name(name));
    let handler = cli.global.policy.clone().or(named);
    let context = Context {
        log,
        global: cli.global,
        handler,
    };
    match dispatch(&context, &cli.verb) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let sentence = one_line(&error);
            context.log.error(&sentence);
            if matches!(cli.verb, Verb::Update(_)) {
                context.log.aloud(&sentence);
            }
            ExitCode::from(if matches!(cli.verb, Verb::Exec(_)) {
                EXEC_FAILED
            } else {
                FAILED
            })
        }
    }
}

fn dispatch(context: &Context, verb: &Verb) -> Result<u8> {
    if verb.enters() {
        seal::ensure().context("cannot seal this program against the container")?;
    }
    match verb {
        Verb::Create(args) => create::run(context, args)?,
        Verb::Start(args) => start::run(context, &args.id)?,
        Verb::State(args) => state::run(context, args)?,
        Verb::Kill(args) => kill::run(context, args)?,
        Verb::Delete(args) => delete::run(context, args)?,
        Verb::Run(args) => return run::run(context, args),
        Verb::Exec(args) => return exec::run(context, args),
        Verb::Ps(args) => ps::run(context, args)?,
        Verb::Pause(args) => pause::run(context, &args.id)?,
        Verb::Resume(args) => resume::run(context, &args.id)?,
        Verb::Update(args) => update::run(context, args)?,
        Verb::Events(args) => events::run(context, args)?,
        Verb::List(args) => list::run(context, args)?,
        Verb::Checkpoint(args) => checkpoint::checkpoint(context, args)?,
        Verb::Restore(args) => checkpoint::restore(args)?,
        Verb::Features => features::run()?,
        Verb::Devices => devices::run(context)?,
        Verb::Spec(args) => spec::run(args)?,
    }
    Ok(0)
}

/// The error with its causes, without line breaks: a log line holds one sentence.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text = if text.is_empty() {
                cause
            } else {
                format!("{text}: {cause}")
            };
        }
    }
    text.trim().replace('\n', "; ")
}

/// Help and version go to standard output with 0; anything else is a failed command, told where its errors belong.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        // There is nobody left to tell when the stream is closed.
        error.print().ok();
        return ExitCode::SUCCESS;
    }
    let (path, format) = log_options(arguments);
    match path.map(|path| Log::open(Some(&path), format, false)) {
        Some(Ok(log)) => log.error(&usage_sentence(error)),
        Some(Err(error)) => Log::default().error(&format!("cannot open the log file: {error}")),
        None => drop(error.print()),
    }
    ExitCode::from(FAILED)
}
