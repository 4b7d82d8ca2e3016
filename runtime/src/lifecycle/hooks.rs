//! The hooks that verbs run on the host: the engine's, and the egress hook after them.

use std::path::Path;

use anyhow::{Result, anyhow};
use nemoclaw_policy::handover::STATE_ANNOTATION;
use oci_spec::runtime::Hook;

use super::context::Context;
use crate::raise::hooks::{self, HookError, Stage, View};
use crate::state::BoxState;

/// The container as the engine's hooks are told of it.
#[must_use]
pub fn view(state: &BoxState) -> View {
    View {
        id: state.id.clone(),
        bundle: state.bundle.clone(),
        annotations: state.annotations.clone().into_iter().collect(),
    }
}

/// Run the hooks of create that belong on the host, the egress hook last.
///
/// # Errors
/// The first that fails, in its own words where it left some.
pub fn creating(
    state: &BoxState,
    engine: &[&[Hook]],
    egress: Option<&Hook>,
    pid: i32,
    box_dir: &Path,
) -> Result<()> {
    let text = hooks::state(&view(state), Stage::Creating, Some(pid));
    for list in engine {
        hooks::run_all(list, &text, Some(&state.bundle))?;
    }
    match egress {
        Some(hook) => run_egress(hook, state, Stage::Creating, Some(pid), box_dir)
            .map_err(|error| told(error, box_dir)),
        None => Ok(()),
    }
}

/// Run all poststart hooks; a failing one is only logged: the program runs.
pub fn poststart(context: &Context, state: &BoxState) {
    let text = hooks::state(&view(state), Stage::Running, Some(state.pid()));
    each(context, "poststart", state, &text);
}

/// Run all poststop hooks, each whatever became of the one before, and release the box's network; a failing one is
/// only logged.
pub fn poststop(context: &Context, state: &BoxState, box_dir: &Path) {
    let text = hooks::state(&view(state), Stage::Stopped, None);
    each(context, "poststop", state, &text);
    if let Some(hook) = &state.hooks.release
        && let Err(error) = run_egress(hook, state, Stage::Stopped, None, box_dir)
    {
        warn(context, "poststop", &error.into());
    }
}

fn each(context: &Context, kind: &str, state: &BoxState, text: &[u8]) {
    let list = match kind {
        "poststart" => &state.hooks.poststart,
        _ => &state.hooks.poststop,
    };
    for hook in list {
        if let Err(error) = hooks::run(hook, text, Some(&state.bundle)) {
            warn(context, kind, &error.into());
        }
    }
}

fn warn(context: &Context, kind: &str, error: &anyhow::Error) {
    context.log.warning(&format!("a {kind} hook: {error:#}"));
}

/// Only the egress hook is told where the box's own directory lies.
fn run_egress(
    hook: &Hook,
    state: &BoxState,
    stage: Stage,
    pid: Option<i32>,
    box_dir: &Path,
) -> Result<(), HookError> {
    let mut told = view(state);
    let place = box_dir.display().to_string();
    told.annotations.insert(STATE_ANNOTATION.to_owned(), place);
    hooks::run(hook, &hooks::state(&told, stage, pid), None)
}

/// The sentence that the egress hook left, else what is known of its end.
fn told(error: HookError, box_dir: &Path) -> anyhow::Error {
    let left = std::fs::read_to_string(box_dir.join(nemoclaw_policy::handover::ERROR_FILE));
    match left.map(|text| text.trim().to_owned()) {
        Ok(sentence) if !sentence.is_empty() => anyhow!(sentence),
        _ => {
            let said = anyhow::Error::from(error);
            anyhow!(
                "the egress hook failed: {said:#}; the node's configuration names it as `egress_hook`: correct that file \
                 or the hook"
            )
        }
    }
}
