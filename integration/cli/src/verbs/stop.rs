//! `stop`: SIGTERM, ten seconds, SIGKILL.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::args::Target;
use crate::direct::boxes::{Sandbox, State};
use crate::direct::engine::Engine;
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::pick;

/// How long a command may take to end by itself; Docker's default.
const GRACE: Duration = Duration::from_secs(10);
/// How long the end may take after SIGKILL.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// How long its owner may take to delete the container and write down the end; without an owner it stays lost.
const OWNER: Duration = Duration::from_secs(3);
/// How often its state is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Run it.
pub fn run(node: &Node, args: &Target, printer: Printer) -> anyhow::Result<ExitCode> {
    let sandbox = pick(node, args.name.as_deref())?;
    stop(node, &sandbox)?;
    printer.data(&sandbox.name)?;
    Ok(ExitCode::SUCCESS)
}

/// Stop it and wait until it has ended; nothing to do when it does not run.
pub fn stop(node: &Node, sandbox: &Sandbox) -> anyhow::Result<()> {
    if !matches!(sandbox.state()?, State::Running(_)) {
        return wait_for_owner(sandbox);
    }
    let engine = Engine::new(node)?;
    for (signal, patience) in [("TERM", GRACE), ("KILL", AFTER_KILL)] {
        if let Err(error) = engine.kill(sandbox, signal)
            && matches!(sandbox.state()?, State::Running(_))
        {
            return Err(error);
        }
        if ended_within(sandbox, patience)? {
            return wait_for_owner(sandbox);
        }
    }
    Err(Fault::new(format!("sandbox `{}` lives on after SIGKILL", sandbox.name)).into())
}

fn ended_within(sandbox: &Sandbox, patience: Duration) -> anyhow::Result<bool> {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        // A foreground sandbox without a name has no directory any more when it has ended.
        if !sandbox.directory.exists() || !matches!(sandbox.state()?, State::Running(_)) {
            return Ok(true);
        }
        std::thread::sleep(TICK);
    }
    Ok(false)
}

fn wait_for_owner(sandbox: &Sandbox) -> anyhow::Result<()> {
    let begin = Instant::now();
    while sandbox.directory.exists() && sandbox.state()? == State::Lost && begin.elapsed() < OWNER {
        std::thread::sleep(TICK);
    }
    Ok(())
}
