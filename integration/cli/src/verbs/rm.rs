//! `rm`: remove a sandbox, with its `/sandbox` directory.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use crate::args::Rm;
use crate::direct::boxes::State;
use crate::direct::engine::Engine;
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::{pick, stop};

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
    // Its owner may have removed it meanwhile.
    if sandbox.directory.exists() {
        Engine::new(node)?.delete(&sandbox)?;
        sandbox.remove()?;
    }
    printer.data(&sandbox.name)?;
    Ok(ExitCode::SUCCESS)
}
