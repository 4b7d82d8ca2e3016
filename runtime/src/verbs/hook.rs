//! `hook`: run an engine's hook with the engine's view, and keep what it says.
//!
//! libcontainer shows hooks our private bundle and lets their text out on the box's standard error. This stands between:
//! it restores the bundle's path, hides our annotations, and puts the text into the box's directory.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};
use nemoclaw_policy::handover::STATE_ANNOTATION;
use serde_json::Value;

use crate::cli::Hook;
use crate::lifecycle::aside;
use crate::lifecycle::hooks::ERROR_FILE;
use crate::plan::{BUNDLE_ANNOTATION, engine_annotations};
use crate::sys::fork;

/// Run the verb; the hook's exit code.
pub fn run(args: &Hook) -> Result<u8> {
    let (path, rest) = args.command.split_first().context("no hook is named")?;
    let path = Path::new(path);
    let mut input = Vec::new();
    std::io::stdin()
        .read_to_end(&mut input)
        .context("cannot read the container's state")?;
    let mut state: Value =
        serde_json::from_slice(&input).context("the container's state is not valid")?;
    let Some(box_dir) = annotation(&state, STATE_ANNOTATION).map(PathBuf::from) else {
        anyhow::bail!("the container's state lacks the annotation `{STATE_ANNOTATION}`");
    };
    restore(&mut state);
    // It stands when this process is killed, as libcontainer does with a hook that takes too long.
    tell(
        &box_dir,
        Some(&format!("the hook `{}` took too long", path.display())),
    )?;
    let command = command(path, rest);
    match finished(command, &serde_json::to_vec(&state)?) {
        Ok(output) => {
            keep(&box_dir, &output.stderr)?;
            let sentence = failure(path, &output);
            tell(&box_dir, sentence.as_deref())?;
            let code = output
                .status
                .code()
                .and_then(|code| u8::try_from(code).ok());
            Ok(code.unwrap_or(1))
        }
        Err(error) => {
            let sentence = format!("cannot run the hook `{}`: {error}", path.display());
            tell(&box_dir, Some(&sentence))?;
            Ok(1)
        }
    }
}

fn command(path: &Path, words: &[std::ffi::OsString]) -> Command {
    let mut command = Command::new(path);
    if let Some((zeroth, more)) = words.split_first() {
        command.arg0(zeroth).args(more);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    fork::die_with_parent(&mut command);
    command
}

fn finished(mut command: Command, state: &[u8]) -> std::io::Result<Output> {
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(state) {
            // A hook need not read its input.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    child.wait_with_output()
}

/// The sentence about a hook that failed.
fn failure(path: &Path, output: &Output) -> Option<String> {
    if output.status.success() {
        return None;
    }
    let said = aside::tail(&output.stderr);
    let sentence = format!(
        "the hook `{}` failed ({}): {said}",
        path.display(),
        output.status
    );
    Some(sentence.trim_end_matches(": ").to_owned())
}

/// Append what a hook printed to the box's file.
fn keep(box_dir: &Path, text: &[u8]) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    may_lack_the_right(aside::open(box_dir).and_then(|mut log| log.write_all(text)))
        .context("cannot keep the hook's text")
}

/// Leave the sentence for the verb that runs the hooks, or take it back.
fn tell(box_dir: &Path, sentence: Option<&str>) -> Result<()> {
    let file = box_dir.join(ERROR_FILE);
    let told = match sentence {
        Some(sentence) => fs::write(file, sentence),
        None => fs::remove_file(file),
    };
    may_lack_the_right(told).context("cannot keep the hook's sentence")
}

/// A createContainer hook of a box with a user namespace is not root on the host: it cannot write here, and its exit code
/// alone must tell.
fn may_lack_the_right(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::NotFound
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

fn annotation(state: &Value, name: &str) -> Option<String> {
    state
        .get("annotations")?
        .get(name)?
        .as_str()
        .map(str::to_owned)
}

/// The state as the engine knows it.
fn restore(state: &mut Value) {
    let bundle = annotation(state, BUNDLE_ANNOTATION);
    let Some(object) = state.as_object_mut() else {
        return;
    };
    if let Some(bundle) = bundle {
        object.insert("bundle".to_owned(), Value::String(bundle));
    }
    if let Some(Value::Object(given)) = object.get("annotations").cloned() {
        let given = given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
            .collect();
        let kept = engine_annotations(Some(&given))
            .into_iter()
            .map(|(key, value)| (key, Value::String(value)));
        object.insert("annotations".to_owned(), Value::Object(kept.collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_hook_sees_the_engines_bundle_and_none_of_our_annotations() {
        let mut state = json!({
            "id": "a", "bundle": "/run/nemoclaw/boxes/a/config",
            "annotations": { "nemoclaw.dev/bundle": "/engine/a", "nemoclaw.dev/state": "/s", "com.example": "x" }
        });
        restore(&mut state);
        assert_eq!(
            state,
            json!({ "id": "a", "bundle": "/engine/a", "annotations": { "com.example": "x" } })
        );
    }
}
