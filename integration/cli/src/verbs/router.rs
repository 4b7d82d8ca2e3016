//! `router start|stop|status|metrics`: the node's router. `run` starts it too, when it is needed and absent.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nemoclaw_api::client::{Client, ClientError};
use nemoclaw_api::{BoxStatus, RouterStatus};

use crate::args::Router;
use crate::fault::Fault;
use crate::node::{ENVIRONMENT_ROUTER, Node, binary};
use crate::printer::{Printer, Tone, table};

/// How long the router may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked.
const TICK: Duration = Duration::from_millis(10);

/// Run it.
pub fn run(node: &Node, verb: Router, printer: Printer) -> anyhow::Result<ExitCode> {
    match verb {
        Router::Start => match status(node) {
            Ok(status) => printer.note(format_args!(
                "the router runs already, pid {}",
                status.warden_pid
            )),
            Err(_) => started(&start(node)?, printer),
        },
        Router::Stop => {
            let pid = status(node)?.warden_pid;
            Client::connect(&node.config.router.socket)?.stop()?;
            wait_until_gone(node, pid)?;
            printer.labelled(Tone::Good, "stopped", format_args!("the router, pid {pid}"));
        }
        Router::Metrics => {
            let page = Client::connect(&node.config.router.socket)?.metrics()?;
            printer.bytes(page.as_bytes())?;
        }
        Router::Status => show(&status(node)?, printer)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The router's own words about itself.
pub fn status(node: &Node) -> Result<RouterStatus, ClientError> {
    Client::connect(&node.config.router.socket)?.status()
}

/// All sandboxes the router knows.
pub fn boxes(node: &Node) -> Result<Vec<BoxStatus>, ClientError> {
    Client::connect(&node.config.router.socket)?.list()
}

/// Start the router unless it answers, and say so.
pub fn ensure_running(node: &Node, printer: Printer) -> anyhow::Result<()> {
    match status(node) {
        Ok(_) => Ok(()),
        Err(ClientError::Absent { .. }) => {
            started(&start(node)?, printer);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn started(status: &RouterStatus, printer: Printer) {
    printer.labelled(
        Tone::Good,
        "started",
        format_args!("the router, pid {}", status.warden_pid),
    );
}

/// Start it and wait until it answers.
fn start(node: &Node) -> anyhow::Result<RouterStatus> {
    // Fail here, with our sentence, rather than in the child.
    binary("nemoclaw-router", ENVIRONMENT_ROUTER)?;
    std::fs::create_dir_all(&node.config.state_dir)?;
    let path = node.router_log();
    let log = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)?;
    let mut command = node.command(&std::env::current_exe()?);
    command
        .arg("become-router")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut child = command.current_dir("/").spawn()?;
    wait_until_ready(node, &mut child, &path)
}

fn wait_until_ready(node: &Node, child: &mut Child, log: &Path) -> anyhow::Result<RouterStatus> {
    let begin = Instant::now();
    loop {
        let silent = match status(node) {
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        let ended = child.try_wait()?;
        if ended.is_none() && begin.elapsed() < PATIENCE {
            std::thread::sleep(TICK);
            continue;
        }
        let fault = match ended {
            Some(status) => Fault::new(format!("the router did not start: it ended with {status}")),
            None => {
                child.kill()?;
                child.wait()?;
                Fault::new(format!(
                    "the router did not answer within {} s",
                    PATIENCE.as_secs()
                ))
                .because(silent)
            }
        };
        let fault = match last_line(log) {
            Some(line) => Fault::new("cannot start the router").because(fault.because(line)),
            None => Fault::new("cannot start the router").because(fault),
        };
        return Err(fault.hint(format!("read `{}`", log.display())).into());
    }
}

fn last_line(log: &Path) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let line = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())?;
    Some(line.strip_prefix("error: ").unwrap_or(line).to_owned())
}

fn wait_until_gone(node: &Node, pid: i32) -> anyhow::Result<()> {
    let begin = Instant::now();
    while matches!(status(node), Ok(status) if status.warden_pid == pid) {
        if begin.elapsed() > PATIENCE {
            return Err(Fault::new(format!(
                "the router, pid {pid}, still answers after {} s",
                PATIENCE.as_secs()
            ))
            .into());
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}

/// Become the router in a session of its own, so that no terminal can end it.
pub fn become_router(node: &Node) -> anyhow::Result<ExitCode> {
    nix::unistd::setsid()?;
    let router = binary("nemoclaw-router", ENVIRONMENT_ROUTER)?;
    let error = node.command(&router).arg("run").exec();
    Err(Fault::new(format!("cannot run `{}`", router.display()))
        .because(error)
        .into())
}

fn show(status: &RouterStatus, printer: Printer) -> anyhow::Result<()> {
    let worker = status.worker_pid.map_or_else(
        || "being started again".to_owned(),
        |pid| format!("pid {pid}"),
    );
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let fault = status.audit_fault.clone();
    let fault = fault.map(|fault| row("fault", format!("{fault}; nothing new passes")));
    let rows = [
        row("version", status.version.clone()),
        row("warden", format!("pid {}", status.warden_pid)),
        row("worker", worker),
        row("restarts", status.restarts.to_string()),
        row("sandboxes", status.boxes.to_string()),
        row("since", status.since.clone()),
        row("audit", status.audit_dir.display().to_string()),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().chain(fault).collect();
    Ok(printer.data(table(&rows))?)
}
