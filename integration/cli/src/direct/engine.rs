//! Calls of `nemoclaw-runtime`, in the shape engines use. A failing call becomes the runtime's own sentence.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use nix::unistd::Pid;
use serde_json::Value;

use crate::direct::boxes::Sandbox;
use crate::direct::disk;
use crate::fault::{Fault, OURS};
use crate::node::{ENVIRONMENT_RUNTIME, Node, binary};

/// Exit code when the command is there and cannot be run.
const CANNOT_RUN: u8 = 126;
/// Exit code when the command is not there.
const NOT_FOUND: u8 = 127;

/// The runtime with this node's directories.
#[derive(Debug)]
pub struct Engine {
    node: Node,
    runtime: PathBuf,
}

/// What a first process gets as its standard streams.
#[derive(Debug)]
pub struct Streams {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
}

impl Streams {
    /// Those of this process; none for a command that gets a terminal, so that only the terminal is heard.
    pub fn of(terminal: bool) -> Self {
        if terminal {
            Self::none()
        } else {
            Self {
                stdin: Stdio::inherit(),
                stdout: Stdio::inherit(),
                stderr: Stdio::inherit(),
            }
        }
    }

    /// None at all.
    pub fn none() -> Self {
        Self {
            stdin: Stdio::null(),
            stdout: Stdio::null(),
            stderr: Stdio::null(),
        }
    }
}

/// A command in a running sandbox.
#[derive(Debug)]
pub struct Tenant<'a> {
    /// File with its OCI process.
    pub process: &'a Path,
    /// Console socket, if it gets a terminal.
    pub console: Option<&'a Path>,
}

impl Engine {
    /// Find the runtime.
    pub fn new(node: &Node) -> anyhow::Result<Self> {
        Ok(Self {
            node: node.clone(),
            runtime: binary("nemoclaw-runtime", ENVIRONMENT_RUNTIME)?,
        })
    }

    /// Create: walls, hook and all; the command waits for `start`. Gives the first process's pid.
    pub fn create(
        &self,
        sandbox: &Sandbox,
        policy: Option<&str>,
        console: Option<&Path>,
        streams: Streams,
    ) -> anyhow::Result<Pid> {
        let log = sandbox.path("create.log.json");
        let pid_file = sandbox.path("pid");
        let mut command = self.call(Some(&log), policy);
        command
            .arg("create")
            .arg("--bundle")
            .arg(sandbox.path("bundle"))
            .arg("--pid-file")
            .arg(&pid_file);
        if let Some(console) = console {
            command.arg("--console-socket").arg(console);
        }
        command
            .arg(&sandbox.name)
            .stdin(streams.stdin)
            .stdout(streams.stdout)
            .stderr(streams.stderr);
        let status = disk::beside(sandbox, || run(&mut command))?;
        succeed(status, &log, || {
            format!("cannot create sandbox `{}`", sandbox.name)
        })?;
        read_pid(&pid_file)
    }

    /// Let the command begin.
    pub fn start(&self, sandbox: &Sandbox) -> anyhow::Result<()> {
        let log = sandbox.path("start.log.json");
        let mut command = self.call(Some(&log), None);
        let status = run(quiet(command.arg("start").arg(&sandbox.name)))?;
        succeed(status, &log, || {
            format!("cannot start sandbox `{}`", sandbox.name)
        })
    }

    /// Run a command in a running sandbox. Gives its pid.
    pub fn exec(
        &self,
        sandbox: &Sandbox,
        tenant: &Tenant<'_>,
        streams: Streams,
    ) -> anyhow::Result<Pid> {
        let pid_file = tenant.process.with_extension("pid");
        let log = tenant.process.with_extension("log");
        let mut command = self.call(Some(&log), None);
        command
            .arg("exec")
            .arg("--process")
            .arg(tenant.process)
            .arg("--detach")
            .arg("--pid-file")
            .arg(&pid_file);
        if let Some(console) = tenant.console {
            command.arg("--console-socket").arg(console);
        }
        command
            .arg(&sandbox.name)
            .stdin(streams.stdin)
            .stdout(streams.stdout)
            .stderr(streams.stderr);
        let status = run(&mut command)?;
        let result = succeed(status, &log, || {
            format!("cannot run the command in sandbox `{}`", sandbox.name)
        });
        let pid = result.and_then(|()| read_pid(&pid_file));
        remove_file(&log)?;
        remove_file(&pid_file)?;
        pid
    }

    /// Send a signal to the first process.
    pub fn kill(&self, sandbox: &Sandbox, signal: &str) -> anyhow::Result<()> {
        let log = sandbox.path("kill.log.json");
        let mut command = self.call(Some(&log), None);
        let status = run(quiet(command.arg("kill").arg(&sandbox.name).arg(signal)))?;
        succeed(status, &log, || {
            format!("cannot signal sandbox `{}`", sandbox.name)
        })
    }

    /// Remove everything the runtime made for it; no error when there is nothing.
    pub fn delete(&self, sandbox: &Sandbox) -> anyhow::Result<()> {
        let log = sandbox.path("delete.log.json");
        let mut command = self.call(Some(&log), None);
        let status = run(quiet(
            command.arg("delete").arg("--force").arg(&sandbox.name),
        ))?;
        succeed(status, &log, || {
            format!("cannot delete sandbox `{}`", sandbox.name)
        })
    }

    fn call(&self, log: Option<&Path>, policy: Option<&str>) -> Command {
        let mut command = self.node.command(&self.runtime);
        command.arg("--root").arg(self.node.runtime_root());
        if let Some(log) = log {
            command
                .arg("--log")
                .arg(log)
                .arg("--log-format")
                .arg("json");
        }
        if let Some(policy) = policy {
            command.arg("--policy").arg(policy);
        }
        // A Ctrl-C in the terminal is ours to forward; it must not end the runtime in the middle of a step.
        command.process_group(0);
        command
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

fn run(command: &mut Command) -> anyhow::Result<ExitStatus> {
    command.status().map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        Fault::new(format!("cannot run `{program}`"))
            .because(error)
            .exit(OURS)
            .into()
    })
}

/// Turn a failed call into its sentence and exit code, and remove the log of a good one.
fn succeed(status: ExitStatus, log: &Path, what: impl Fn() -> String) -> anyhow::Result<()> {
    if status.success() {
        return remove_file(log);
    }
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let sentence = last_error(&text)
        .unwrap_or_else(|| format!("nemoclaw-runtime ended with {status} and said nothing"));
    let code = exit_code(&sentence);
    Err(Fault::new(what()).because(sentence).exit(code).into())
}

fn remove_file(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// The `msg` of the last line with `level: error`, as containerd reads it.
fn last_error(log: &str) -> Option<String> {
    let lines = log
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut errors = lines.filter(|line| line["level"] == "error");
    errors.find_map(|line| line["msg"].as_str().map(str::to_owned))
}

/// Docker's mapping of the runtime's words to exit codes.
fn exit_code(sentence: &str) -> u8 {
    let executable = sentence.contains("exec: ") || sentence.contains("exec:\"");
    if sentence.contains("executable file not found")
        || (executable && sentence.contains("no such file or directory"))
    {
        NOT_FOUND
    } else if executable
        && (sentence.contains("permission denied") || sentence.contains("is a directory"))
    {
        CANNOT_RUN
    } else {
        OURS
    }
}

fn read_pid(path: &Path) -> anyhow::Result<Pid> {
    let fault =
        || Fault::new(format!("the runtime wrote no pid to `{}`", path.display())).exit(OURS);
    let text = std::fs::read_to_string(path).map_err(|error| fault().because(error))?;
    Ok(Pid::from_raw(text.trim().parse().map_err(
        |error: std::num::ParseIntError| fault().because(error),
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_line_is_the_sentence() {
        let log = "{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"second\"}\n{\"level\":\"info\",\"msg\":\"x\"}\nrubbish";
        assert_eq!(last_error(log).as_deref(), Some("second"));
        assert_eq!(last_error("rubbish"), None);
    }

    #[test]
    fn a_missing_and_a_forbidden_command_have_docker_s_codes() {
        assert_eq!(
            exit_code("exec: \"x\": executable file not found in $PATH"),
            127
        );
        assert_eq!(exit_code("exec: \"/x\": permission denied"), 126);
        assert_eq!(exit_code("the router is not running"), 125);
        assert_eq!(exit_code("cannot write `/run`: permission denied"), 125);
    }
}
