//! `run`: make a sandbox, run a command in it, and end with the command's exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nemoclaw_policy::policy::Mode;
use nemoclaw_policy::resolve::{Request, Resolved, resolve};

use crate::args::Run;
use crate::direct::boxes::{Record, Sandbox, now};
use crate::direct::bundle::{self, Wish};
use crate::direct::engine::{Engine, Streams};
use crate::direct::names;
use crate::direct::own::{self, Ground};
use crate::direct::process::Process;
use crate::direct::relay;
use crate::direct::rootfs;
use crate::direct::signals::Signals;
use crate::direct::terminal::{ConsoleSocket, Terminal};
use crate::direct::user::{self, Known};
use crate::direct::volume::Volume;
use crate::fault::Fault;
use crate::node::{self, Node};
use crate::printer::{Printer, Tone};
use crate::verbs::{keep, router};

/// Run it.
pub fn run(node: &Node, args: &Run, printer: Printer) -> anyhow::Result<ExitCode> {
    let volumes = args
        .volumes
        .iter()
        .map(|text| Volume::parse(text))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => names::invent(&args.command)?,
    };
    names::check(&name)?;
    let policy = args.policy.as_deref().map(absolute_policy).transpose()?;
    let resolved = resolve(&request(policy.clone(), &volumes), &node.config)?;
    for remark in &resolved.remarks {
        printer.labelled(Tone::Warning, "warning", remark);
    }
    let sandbox = Sandbox::new(node, &name);
    let record = Record {
        version: 1,
        created: now(),
        command: args.command.clone(),
        policy,
        rootfs: root_of(&args.rootfs)?
            .map_or_else(|| "host".to_owned(), |path| path.display().to_string()),
        terminal: args.terminal,
        detached: args.detach,
    };
    if matches!(resolved.policy.mode, Mode::Confined | Mode::Relaxed) {
        router::ensure_running(node, printer)?;
    }
    sandbox.create()?;
    if let Err(error) = furnish(&sandbox, args, &record, &resolved, volumes) {
        clear(&sandbox, printer);
        return Err(error);
    }
    if args.detach {
        return keep::launch(node, &sandbox, printer);
    }
    foreground(node, &sandbox, &record, args.name.is_some(), printer)
}

/// A policy file's path is absolute in records and calls; a name stays a name.
fn absolute_policy(given: &str) -> anyhow::Result<String> {
    let is_path = given.contains('/')
        || Path::new(given)
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml");
    if !is_path {
        return Ok(given.to_owned());
    }
    let path = std::fs::canonicalize(given)
        .map_err(|error| Fault::new(format!("cannot read policy `{given}`")).because(error))?;
    Ok(path
        .into_os_string()
        .into_string()
        .map_err(|_| Fault::new(format!("the path of `{given}` is not UTF-8")))?)
}

fn request(policy: Option<String>, volumes: &[Volume]) -> Request {
    let writable = volumes.iter().filter(|volume| !volume.read_only);
    Request {
        handler: policy,
        writable_mounts: writable.map(|volume| volume.source.clone()).collect(),
        ..Request::default()
    }
}

/// The directory that `--rootfs` names; `None` is the host's own programs.
fn root_of(given: &str) -> anyhow::Result<Option<PathBuf>> {
    if given == "host" {
        return Ok(None);
    }
    let fault = || Fault::new(format!("cannot use `{given}` as the root file system"));
    let path = std::fs::canonicalize(given).map_err(|error| fault().because(error))?;
    if !path.is_dir() || path == Path::new("/") {
        return Err(fault()
            .because("it is no directory below `/`")
            .hint("give `--rootfs host` or a directory")
            .into());
    }
    Ok(Some(path))
}

/// Make all that lies in the sandbox's directory: records, root, own directories, bundle.
fn furnish(
    sandbox: &Sandbox,
    args: &Run,
    record: &Record,
    resolved: &Resolved,
    volumes: Vec<Volume>,
) -> anyhow::Result<()> {
    let root = root_of(&args.rootfs)?;
    let work = volumes
        .iter()
        .find(|volume| volume.target == Path::new("/sandbox"))
        .map(|volume| volume.source.clone());
    let work = work.or_else(|| {
        root.as_ref()
            .map(|root| root.join("sandbox"))
            .filter(|path| path.is_dir())
    });
    let owner = work.as_deref().map(user::owner).transpose()?;
    let user = user::choose(
        &resolved.policy.process,
        Known {
            owner,
            sudo: node::sudo_caller(),
        },
    );
    let own = own::make(&Ground {
        sandbox,
        root: root.as_deref(),
        volumes: &volumes,
        user,
        disk: resolved.policy.resources.disk,
    })?;
    let (root, host_binds, shared) = match root {
        Some(root) => (root, Vec::new(), false),
        None => {
            let path = sandbox.path("rootfs");
            let host = Path::new("/");
            let binds = rootfs::build(host, &path, &rootfs::plan(host)?, user)?;
            (path, binds, true)
        }
    };
    let environment = bundle::variables(&args.environment, |key| std::env::var(key).ok())?;
    let wish = Wish {
        name: sandbox.name.clone(),
        command: args.command.clone(),
        environment,
        terminal: args.terminal,
        user,
        root,
        root_read_only: shared,
        host_binds,
        own,
        volumes,
    };
    std::fs::create_dir(sandbox.path("bundle"))?;
    sandbox.write("bundle/config.json", &bundle::compose(&wish))?;
    sandbox.write("box.json", record)
}

/// Remove the directory of a sandbox that never ran.
pub fn clear(sandbox: &Sandbox, printer: Printer) {
    if let Err(error) = sandbox.remove() {
        printer.labelled(Tone::Warning, "warning", format_args!("{error:#}"));
    }
}

fn foreground(
    node: &Node,
    sandbox: &Sandbox,
    record: &Record,
    named: bool,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let engine = Engine::new(node);
    let result = match &engine {
        Ok(engine) => live(node, engine, sandbox, record, printer),
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    if let Ok(engine) = &engine
        && let Err(error) = engine.delete(sandbox)
    {
        printer.labelled(Tone::Warning, "warning", format_args!("{error:#}"));
    }
    match &result {
        Ok(code) if named => keep::record_end(sandbox, *code)?,
        _ => clear(sandbox, printer),
    }
    result.map(ExitCode::from)
}

fn live(
    node: &Node,
    engine: &Engine,
    sandbox: &Sandbox,
    record: &Record,
    printer: Printer,
) -> anyhow::Result<u8> {
    let mut signals = Signals::take()?;
    let console = record
        .terminal
        .then(|| ConsoleSocket::bind(node))
        .transpose()?;
    let path = console.as_ref().map(|socket| socket.path().to_owned());
    let pid = engine.create(
        sandbox,
        record.policy.as_deref(),
        path.as_deref(),
        Streams::of(record.terminal),
    )?;
    sandbox.write("started.json", &Process::of(pid.as_raw())?)?;
    let terminal = console
        .map(ConsoleSocket::receive)
        .transpose()?
        .map(Terminal::attach)
        .transpose()?;
    engine.start(sandbox)?;
    match terminal {
        Some(terminal) => relay::wait_with_terminal(pid, &mut signals, terminal, printer),
        None => relay::wait(pid, &mut signals),
    }
}
