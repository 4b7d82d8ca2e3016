//! `exec`: a command in a running sandbox, behind the same walls.

use std::process::ExitCode;

use crate::args::Exec;
use crate::direct::boxes::{Sandbox, State};
use crate::direct::bundle;
use crate::direct::engine::{Engine, Streams, Tenant};
use crate::direct::relay;
use crate::direct::signals::Signals;
use crate::direct::terminal::{ConsoleSocket, Terminal};
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::pick;

/// Run it.
pub fn run(node: &Node, args: &Exec, printer: Printer) -> anyhow::Result<ExitCode> {
    let sandbox = pick(node, Some(&args.name))?;
    let environment = bundle::variables(&args.environment, |key| std::env::var(key).ok())?;
    enter(
        node,
        &sandbox,
        &Command {
            words: &args.command,
            environment: &environment,
            terminal: args.terminal,
        },
        printer,
    )
}

/// What runs.
#[derive(Debug)]
pub struct Command<'a> {
    /// Program and arguments.
    pub words: &'a [String],
    /// Variables beside the sandbox's.
    pub environment: &'a [String],
    /// Whether it gets a terminal.
    pub terminal: bool,
}

/// Run a command in a sandbox, and end with its exit code.
pub fn enter(
    node: &Node,
    sandbox: &Sandbox,
    command: &Command<'_>,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let state = sandbox.state()?;
    if !matches!(state, State::Running(_)) {
        let fault = Fault::new(format!(
            "sandbox `{}` is not running: it is {}",
            sandbox.name,
            state.word()
        ));
        return Err(fault.hint("run `nemoclaw list`").into());
    }
    let file = format!("exec-{}.json", std::process::id());
    let config = serde_json::from_slice(&std::fs::read(sandbox.path("bundle/config.json"))?)?;
    let process = bundle::exec_process(
        &config,
        command.words,
        command.environment,
        command.terminal,
    )?;
    sandbox.write(&file, &process)?;
    let result = live(node, sandbox, &file, command.terminal, printer);
    std::fs::remove_file(sandbox.path(&file))?;
    result.map(ExitCode::from)
}

fn live(
    node: &Node,
    sandbox: &Sandbox,
    file: &str,
    terminal: bool,
    printer: Printer,
) -> anyhow::Result<u8> {
    let engine = Engine::new(node)?;
    let mut signals = Signals::take()?;
    let console = terminal.then(|| ConsoleSocket::bind(node)).transpose()?;
    let path = console.as_ref().map(|socket| socket.path().to_owned());
    let tenant = Tenant {
        process: &sandbox.path(file),
        console: path.as_deref(),
    };
    let pid = engine.exec(sandbox, &tenant, Streams::of(terminal))?;
    match console
        .map(ConsoleSocket::receive)
        .transpose()?
        .map(Terminal::attach)
        .transpose()?
    {
        Some(terminal) => relay::wait_with_terminal(pid, &mut signals, terminal, printer),
        None => relay::wait(pid, &mut signals),
    }
}
