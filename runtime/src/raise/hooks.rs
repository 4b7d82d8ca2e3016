//! Running a hook: with the container's state on its standard input, within its time.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MemFdCreateFlag, memfd_create};
use nix::unistd::Pid;
use oci_spec::runtime::Hook;
use serde_json::{Value, json};

use crate::sys::fork;
use crate::sys::pidfd::PidFd;

/// How much of what a failing hook prints becomes part of the sentence.
const LONGEST_TAIL: usize = 2048;
/// How much a hook may print before the beginning is forgotten.
const LONGEST_TEXT: usize = 64 << 10;
/// The version of the specification that states are written in.
pub const OCI_VERSION: &str = "1.2.1";

/// The container as its hooks are told of it.
#[derive(Debug, Clone)]
pub struct View {
    /// Id.
    pub id: String,
    /// The engine's bundle.
    pub bundle: PathBuf,
    /// The engine's annotations.
    pub annotations: HashMap<String, String>,
}

/// How far the container has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Being built.
    Creating,
    /// Waits for its start.
    Created,
    /// Runs.
    Running,
    /// Has ended.
    Stopped,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Stage::Creating => "creating",
            Stage::Created => "created",
            Stage::Running => "running",
            Stage::Stopped => "stopped",
        }
    }
}

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// It could not be run or followed.
    #[error("cannot run the hook `{}`", path.display())]
    Run {
        /// Its program.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// It did not end in time.
    #[error("the hook `{}` took longer than {} s and was killed", path.display(), limit.as_secs())]
    TimedOut {
        /// Its program.
        path: PathBuf,
        /// Its limit.
        limit: Duration,
    },
    /// It ended with an error.
    #[error("the hook `{}` failed ({status}){}", path.display(), said(.words))]
    Failed {
        /// Its program.
        path: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it printed last on its standard error.
        words: String,
    },
}

fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

/// The container's state in the OCI's form.
#[must_use]
pub fn state(view: &View, stage: Stage, pid: Option<i32>) -> Vec<u8> {
    state_value(view, stage, pid).to_string().into_bytes()
}

/// What a seccomp listener is told with its descriptor, in the OCI's form.
#[must_use]
pub fn process_state(
    view: &View,
    stage: Stage,
    pid: Option<i32>,
    metadata: Option<&str>,
) -> String {
    json!({
        "ociVersion": OCI_VERSION,
        "fds": ["seccompFd"],
        "pid": pid.unwrap_or(0),
        "metadata": metadata.unwrap_or_default(),
        "state": state_value(view, stage, pid),
    })
    .to_string()
}

fn state_value(view: &View, stage: Stage, pid: Option<i32>) -> Value {
    let mut state = json!({
        "ociVersion": OCI_VERSION,
        "id": view.id,
        "status": stage.word(),
        "bundle": view.bundle,
    });
    if let Some(pid) = pid {
        state["pid"] = pid.into();
    }
    if !view.annotations.is_empty() {
        state["annotations"] = json!(view.annotations);
    }
    state
}

/// Run `hooks` in their order, in `directory`, until one fails.
///
/// # Errors
/// The first that fails.
pub fn run_all(hooks: &[Hook], state: &[u8], directory: Option<&Path>) -> Result<(), HookError> {
    hooks
        .iter()
        .try_for_each(|hook| run(hook, state, directory))
}

/// Run one hook.
///
/// # Errors
/// It cannot be run, takes too long, or ends with an error.
pub fn run(hook: &Hook, state: &[u8], directory: Option<&Path>) -> Result<(), HookError> {
    begin(hook, state, directory)?.end()
}

/// A hook that runs while its caller does something else. Ended by [`Running::end`]; dropped, it is killed.
pub struct Running {
    path: PathBuf,
    child: Child,
    limit: Option<Duration>,
}

/// Start one hook.
///
/// # Errors
/// It cannot be run.
pub fn begin(hook: &Hook, state: &[u8], directory: Option<&Path>) -> Result<Running, HookError> {
    let path = hook.path().clone();
    let child = start(hook, state, directory).map_err(|source| HookError::Run {
        path: path.clone(),
        source,
    })?;
    let limit = hook
        .timeout()
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs);
    Ok(Running { path, child, limit })
}

impl Running {
    /// Wait for its end.
    ///
    /// # Errors
    /// It takes too long, or ends with an error.
    pub fn end(mut self) -> Result<(), HookError> {
        let path = self.path.clone();
        let failed = |source| HookError::Run {
            path: path.clone(),
            source,
        };
        let Some(words) = follow(&mut self.child, self.limit).map_err(failed)? else {
            self.kill().map_err(failed)?;
            return Err(HookError::TimedOut {
                path,
                limit: self.limit.unwrap_or_default(),
            });
        };
        let status = self.child.wait().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(HookError::Failed {
            path,
            status,
            words: tail(&words),
        })
    }

    fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has been waited for is gone, and there is nothing to kill.
        self.kill().ok();
    }
}

fn start(hook: &Hook, state: &[u8], directory: Option<&Path>) -> std::io::Result<Child> {
    let mut command = Command::new(hook.path());
    if let Some((zeroth, rest)) = hook.args().as_deref().unwrap_or_default().split_first() {
        command.arg0(zeroth).args(rest);
    }
    let variables = hook.env().iter().flatten();
    command
        .env_clear()
        .envs(variables.filter_map(|entry| entry.split_once('=')))
        .stdin(Stdio::from(input(state)?))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    fork::die_with_parent(&mut command);
    command.spawn()
}

/// A file in memory: a hook that reads nothing holds nobody up.
fn input(state: &[u8]) -> std::io::Result<File> {
    let fd = memfd_create(c"state", MemFdCreateFlag::MFD_CLOEXEC)?;
    let mut file = File::from(fd);
    file.write_all(state)?;
    file.rewind()?;
    Ok(file)
}

/// Collect what the hook prints until it ends; `None` when its time is over.
fn follow(child: &mut Child, limit: Option<Duration>) -> std::io::Result<Option<Vec<u8>>> {
    let end = limit.map(|limit| Instant::now() + limit);
    let held = PidFd::open(Pid::from_raw(child.id().cast_signed()))?;
    let mut stderr = child.stderr.take();
    if let Some(stderr) = &stderr {
        fcntl(stderr.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let mut text = Vec::new();
    loop {
        let left = match end.map(|end| end.saturating_duration_since(Instant::now())) {
            None => PollTimeout::NONE,
            Some(Duration::ZERO) => return Ok(None),
            // Rounded up: a poll of zero milliseconds would turn in circles.
            Some(left) => {
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut fds = vec![PollFd::new(held.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            stderr
                .as_ref()
                .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)),
        );
        match poll(&mut fds, left) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = fds[0].any().unwrap_or(false);
        drop(fds);
        if let Some(stream) = &mut stderr
            && !read_some(stream, &mut text)?
        {
            stderr = None;
        }
        // What the hook left running may hold its stream open for ever.
        if ended {
            return Ok(Some(text));
        }
    }
}

/// Read what is there; false at the end.
fn read_some(stream: &mut impl Read, text: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(length) => {
                text.extend_from_slice(&buffer[..length]);
                let too_many = text.len().saturating_sub(LONGEST_TEXT);
                text.drain(..too_many);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The last whole lines of `text`, or the end of its last line when that is too long itself.
#[must_use]
pub fn tail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    let from = text.len().saturating_sub(LONGEST_TAIL);
    let rest = &text[text.ceil_char_boundary(from)..];
    match rest.split_once('\n') {
        Some((_, whole)) if from > 0 => whole.to_owned(),
        _ => rest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(script: &str, timeout: Option<i64>) -> Hook {
        let mut hook = Hook::default();
        hook.set_path("/bin/sh".into())
            .set_args(Some(vec!["sh".into(), "-c".into(), script.into()]))
            .set_env(Some(vec!["PATH=/bin:/usr/bin".into(), "WORD=given".into()]))
            .set_timeout(timeout);
        hook
    }

    fn view() -> View {
        View {
            id: "a".to_owned(),
            bundle: "/b".into(),
            annotations: HashMap::new(),
        }
    }

    #[test]
    fn a_hook_gets_the_state_its_own_variables_and_its_directory() {
        let state = state(&view(), Stage::Creating, Some(7));
        let script = "grep -q '\"pid\":7' && test \"$WORD\" = given && test -z \"$HOME\" && test \"$PWD\" = /tmp";
        run(&hook(script, None), &state, Some(Path::new("/tmp"))).expect("passes");
    }

    #[test]
    fn a_failing_hooks_last_words_are_told() {
        let error = run(
            &hook("echo first >&2; echo why >&2; exit 3", None),
            b"{}",
            None,
        );
        let text = error.expect_err("fails").to_string();
        assert!(
            text.contains("exit status: 3") && text.contains("why"),
            "{text}"
        );
    }

    #[test]
    fn a_hook_that_takes_too_long_is_killed_and_one_that_leaves_a_child_is_not_waited_for() {
        let began = Instant::now();
        let error = run(&hook("sleep 30", Some(1)), b"{}", None).expect_err("too long");
        assert!(matches!(error, HookError::TimedOut { .. }));
        run(&hook("sleep 5 & exit 0", None), b"{}", None).expect("passes");
        assert!(began.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_long_text_ends_with_whole_lines_cut_between_characters() {
        let text = format!("{}\nlast one\nlast two\n", "x".repeat(LONGEST_TAIL));
        assert_eq!(tail(text.as_bytes()), "last one\nlast two");
        let line = "ä".repeat(LONGEST_TAIL);
        let end = tail(line.as_bytes());
        assert!(end.len() <= LONGEST_TAIL && line.ends_with(&end));
    }
}
