//! `hook`: run an engine's hook with the engine's view, and keep what it says when it fails.
//!
//! libcontainer shows hooks our private bundle and drops their text. This stands between: it restores the bundle's path
//! and hides our annotations.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use nemoclaw_policy::handover::STATE_ANNOTATION;
use serde_json::Value;

use crate::cli::Hook;
use crate::lifecycle::hooks::ERROR_FILE;
use crate::plan::{BUNDLE_ANNOTATION, engine_annotations};
use crate::sys::fork;

/// How much of a failing hook's text is kept.
const LONGEST_TEXT: usize = 2048;

/// Run the verb; the hook's exit code.
pub fn run(args: &Hook) -> Result<u8> {
    let (path, rest) = args.command.split_first().context("no hook is named")?;
    let mut input = Vec::new();
    std::io::stdin()
        .read_to_end(&mut input)
        .context("cannot read the container's state")?;
    let mut state: Value =
        serde_json::from_slice(&input).context("the container's state is not valid")?;
    let box_dir = annotation(&state, STATE_ANNOTATION);
    restore(&mut state);
    let mut command = Command::new(path);
    if let Some((zeroth, more)) = rest.split_first() {
        command.arg0(zeroth).args(more);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    fork::die_with_parent(&mut command);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run the hook `{}`", Path::new(path).display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook need not read its input.
        stdin.write_all(&serde_json::to_vec(&state)?).ok();
    }
    let output = child
        .wait_with_output()
        .context("cannot wait for the hook")?;
    // The text also goes where libcontainer would let it go.
    std::io::stderr().write_all(&output.stderr).ok();
    if output.status.success() {
        return Ok(0);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    let tail = &said[said.ceil_char_boundary(said.len().saturating_sub(LONGEST_TEXT))..];
    let sentence = format!(
        "the hook `{}` failed ({}): {tail}",
        Path::new(path).display(),
        output.status
    );
    if let Some(box_dir) = box_dir {
        std::fs::write(
            Path::new(&box_dir).join(ERROR_FILE),
            sentence.trim_end_matches(": "),
        )
        .context("cannot keep the hook's text")?;
    }
    Ok(output
        .status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
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
