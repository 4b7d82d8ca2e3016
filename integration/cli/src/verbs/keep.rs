//! `keep` (hidden): the small process that holds a detached sandbox, and how `run -d` starts it.
//!
//! The runtime leaves after create, so somebody must be the parent of the first process: read its output, know its exit
//! code, and delete the container at its end. The keeper is a session leader of its own and a subreaper.

use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{ExitCode, Stdio};

use nix::fcntl::OFlag;
use nix::unistd::{Pid, dup2, pipe2, setsid};
use serde::{Deserialize, Serialize};

use crate::args::Target;
use crate::direct::boxes::{Ended, Record, Sandbox, now};
use crate::direct::engine::{Engine, Streams};
use crate::direct::log::{Log, Stream};
use crate::direct::process::Process;
use crate::direct::relay;
use crate::direct::signals::Signals;
use crate::direct::terminal::ConsoleSocket;
use crate::fault::{self, Fault, OURS};
use crate::node::Node;
use crate::printer::Printer;
use crate::verbs::run::clear;

/// File with the keeper's own fault, if it had one after the start.
pub const FAULT: &str = "keeper.error";

/// The keeper's one line on stdout.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    Started,
    Failed {
        sentence: String,
        causes: Vec<String>,
        hints: Vec<String>,
        code: u8,
    },
}

/// Start a keeper, wait for its word, print the sandbox's name.
pub fn launch(node: &Node, sandbox: &Sandbox, printer: Printer) -> anyhow::Result<ExitCode> {
    let mut command = node.command(&std::env::current_exe()?);
    command
        .arg("keep")
        .arg(&sandbox.name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut keeper = command.spawn()?;
    let mut line = String::new();
    if let Some(output) = keeper.stdout.take() {
        BufReader::new(output).read_line(&mut line)?;
    }
    match serde_json::from_str(&line) {
        Ok(Word::Started) => {
            printer.data(&sandbox.name)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Word::Failed {
            sentence,
            causes,
            hints,
            code,
        }) => {
            keeper.wait()?;
            let mut fault = Fault::new(sentence).exit(code);
            if !causes.is_empty() {
                fault = fault.because(causes.join(": "));
            }
            Err(hints.into_iter().fold(fault, Fault::hint).into())
        }
        Err(error) => {
            let status = keeper.wait()?;
            let fault = Fault::new(format!(
                "the keeper of sandbox `{}` ended with {status}",
                sandbox.name
            ));
            Err(fault
                .because(error)
                .hint(format!("run `nemoclaw rm -f {}`", sandbox.name))
                .into())
        }
    }
}

/// Be the keeper.
pub fn run(node: &Node, target: &Target, printer: Printer) -> anyhow::Result<ExitCode> {
    setsid()?;
    let name = target
        .name
        .as_deref()
        .ok_or_else(|| Fault::new("a keeper needs a name"))?;
    let sandbox = Sandbox::new(node, name);
    let record = sandbox.record()?;
    let engine = Engine::new(node)?;
    let mut signals = Signals::take()?;
    let (pid, pipes) = match begin(node, &engine, &sandbox, &record) {
        Ok(begun) => begun,
        Err(error) => {
            let (sentence, causes, hints) = fault::lines(&error);
            let deleted = engine.delete(&sandbox);
            clear(&sandbox, printer);
            say(
                printer,
                &Word::Failed {
                    sentence,
                    causes,
                    hints,
                    code: fault::code(&error, OURS),
                },
            )?;
            deleted?;
            return Ok(ExitCode::FAILURE);
        }
    };
    say(printer, &Word::Started)?;
    let kept = hold(&engine, &sandbox, pid, &mut signals, pipes);
    if let Err(error) = &kept {
        sandbox.write(FAULT, &format!("{error:#}"))?;
    }
    let deleted = engine.delete(&sandbox);
    if let Err(error) = &deleted {
        sandbox.write(FAULT, &format!("{error:#}"))?;
    }
    record_end(&sandbox, kept?)?;
    deleted?;
    Ok(ExitCode::SUCCESS)
}

/// Say the word, then let go of the pipe, so that a script that reads it sees its end.
fn say(printer: Printer, word: &Word) -> anyhow::Result<()> {
    printer.data(serde_json::to_string(word)?)?;
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    dup2(null.as_raw_fd(), std::io::stdout().as_raw_fd())?;
    Ok(())
}

type Begun = (Pid, Vec<(Stream, OwnedFd)>);

fn begin(
    node: &Node,
    engine: &Engine,
    sandbox: &Sandbox,
    record: &Record,
) -> anyhow::Result<Begun> {
    let policy = record.policy.as_deref();
    let (pid, pipes) = if record.terminal {
        let console = ConsoleSocket::bind(node)?;
        let path = console.path().to_owned();
        let pid = engine.create(sandbox, policy, Some(&path), Streams::none())?;
        (pid, vec![(Stream::Terminal, console.receive()?)])
    } else {
        let (out, out_end) = pipe2(OFlag::O_CLOEXEC)?;
        let (err, err_end) = pipe2(OFlag::O_CLOEXEC)?;
        let streams = Streams {
            stdin: Stdio::null(),
            stdout: out_end.into(),
            stderr: err_end.into(),
        };
        let pid = engine.create(sandbox, policy, None, streams)?;
        (pid, vec![(Stream::Stdout, out), (Stream::Stderr, err)])
    };
    sandbox.write("started.json", &Process::of(pid.as_raw())?)?;
    engine.start(sandbox)?;
    Ok((pid, pipes))
}

fn hold(
    engine: &Engine,
    sandbox: &Sandbox,
    pid: Pid,
    signals: &mut Signals,
    pipes: Vec<(Stream, OwnedFd)>,
) -> anyhow::Result<u8> {
    let mut log = Log::open(&sandbox.directory)?;
    let code = relay::wait_with_log(pid, signals, pipes, &mut log);
    if code.is_err() {
        // Nobody would read its output any more: it would stop at a full pipe.
        engine.kill(sandbox, "KILL")?;
    }
    code
}

/// Record how it ended.
pub fn record_end(sandbox: &Sandbox, code: u8) -> anyhow::Result<()> {
    sandbox.write("ended.json", &Ended { code, at: now() })
}
