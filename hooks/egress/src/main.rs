//! `nemoclaw-egress`: the OCI hook that makes the router a sandbox's only way out.
//!
//! `create` stands last in `createRuntime`, `release` in `poststop`. The hook runs on the host's side, in one process
//! without threads, and depends on nothing of the image: no `ip`, no `nft`, no shell.

mod capture;
mod error;
mod fence;
mod hook;
mod namespace;
mod netlink;
mod printer;
mod resume;
mod sockets;
mod squat;
mod state;
mod sys;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use nemoclaw_api::Backend;
use nemoclaw_policy::handover;

use crate::error::{HookError, sentence};
use crate::hook::Guarded;
use crate::state::State;

/// Which capture was taken and how long it took, in the box's state directory.
const LOG_FILE: &str = "egress.log";

const HELP: &str = "\
Makes the router a sandbox's only way out. An OCI hook: engines run it, not people.

usage: nemoclaw-egress create  < STATE    in `createRuntime`, after all other hooks
       nemoclaw-egress release < STATE    in `poststop`; always ends with 0
       nemoclaw-egress resume  < STATE    by a router that was started anew: new sockets, the fence untouched
       nemoclaw-egress --version | --help";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match (words.next().as_deref(), words.next()) {
        (Some("create"), None) => guard(hook::create),
        (Some("resume"), None) => guard(resume::resume),
        (Some("release"), None) => release(),
        (Some("--version"), None) => told(concat!("nemoclaw-egress ", env!("CARGO_PKG_VERSION"))),
        (Some("--help" | "-h"), None) => told(HELP),
        _ => {
            printer::talk(&format!("no such command\n{HELP}"));
            ExitCode::from(2)
        }
    }
}

fn told(text: &str) -> ExitCode {
    printer::data(text);
    ExitCode::SUCCESS
}

fn guard(verb: fn(&State, &Path) -> Result<Guarded, HookError>) -> ExitCode {
    let state =
        match State::read(std::io::stdin()).and_then(|state| Ok((state.directory()?, state))) {
            Ok(state) => state,
            Err(error) => return failed(&error, None),
        };
    let (directory, state) = state;
    match verb(&state, &directory) {
        Ok(guarded) => {
            let by = match guarded.backend {
                Some(Backend::SkLookup) => "sk_lookup",
                Some(Backend::Tproxy) => "tproxy",
                None => "offline",
            };
            let (took, router) = (guarded.took.as_micros(), guarded.router.as_micros());
            let name = guarded.sandbox;
            note(
                &directory,
                &format!(
                    "`{name}` is guarded: {by}, {took} us, of these {router} us in the router"
                ),
            );
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error, Some(&directory)),
    }
}

/// Success is silent: engines that inherit their hooks' standard error would show it to the box's user.
fn note(directory: &Path, line: &str) {
    if let Err(error) = std::fs::write(directory.join(LOG_FILE), format!("{line}\n")) {
        printer::talk(&format!("cannot write `{LOG_FILE}`: {error}"));
    }
}

/// The sentence goes to the runtime twice: as a file, so that it is told in its own words, and as talk.
fn failed(error: &HookError, directory: Option<&Path>) -> ExitCode {
    let text = sentence(error);
    printer::talk(&text);
    if let Some(Err(error)) =
        directory.map(|directory| std::fs::write(directory.join(handover::ERROR_FILE), &text))
    {
        printer::talk(&format!("cannot write `{}`: {error}", handover::ERROR_FILE));
    }
    ExitCode::FAILURE
}

/// A failing `poststop` would keep the engine from deleting the container; the router sees the process's end anyway.
fn release() -> ExitCode {
    if let Err(error) = State::read(std::io::stdin()).and_then(|state| hook::release(&state)) {
        printer::talk(&sentence(&error));
    }
    ExitCode::SUCCESS
}
