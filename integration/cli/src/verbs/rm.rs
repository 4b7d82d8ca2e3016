//! `rm`: remove a sandbox, with its `/sandbox` directory.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::args::Rm;
use crate::direct::boxes::{Sandbox, State};
use crate::direct::engine::Engine;
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::{pick, stop};

/// How long the keeper may take to write down the end.
const KEEPER: Duration = Duration::from_secs(3);

/// Run it.
pub fn run(node: &Node, args: &Rm, no_input: bool, printer: Printer) -> anyhow::Result<ExitCode> {
    let sandbox = pick(node, Some(&args.name))?;
    let running = matches!(sandbox.state()?, State::Running(_));
    if running && !args.force {
        let name = &sandbox.name;
        if no_input || !std::io::stdin().is_terminal() {
            return Err(Fault::new(format!("sandbox `{name}` is running"))
                .hint(format!("run `nemoclaw rm -f {name}`"))
                .into());
        }
        printer.note(format_args!(
            "Sandbox `{name}` is running. Stop and remove it? [y/N]"
        ));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(Fault::new(format!("sandbox `{name}` is left as it is")).into());
        }
    }
    stop::stop(node, &sandbox)?;
    if sandbox.directory.exists() {
        wait_for_keeper(&sandbox)?;
    }
    // Its owner may have removed it meanwhile.
    if sandbox.directory.exists() {
        Engine::new(node)?.delete(&sandbox)?;
        sandbox.remove()?;
    }
    printer.data(&sandbox.name)?;
    Ok(ExitCode::SUCCESS)
}

/// The process has ended; the owner is still deleting the container and writing the exit code.
fn wait_for_keeper(sandbox: &Sandbox) -> anyhow::Result<()> {
    let begin = Instant::now();
    while sandbox.directory.exists() && sandbox.state()? == State::Lost && begin.elapsed() < KEEPER
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
