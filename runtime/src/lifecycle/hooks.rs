//! The hooks that verbs run on the host: the engine's, and the egress hook after them.

use std::path::Path;

use anyhow::{Result, anyhow};
use nemoclaw_policy::handover::STATE_ANNOTATION;
use oci_spec::runtime::Hook;

use super::context::Context;
use crate::raise::hooks::{self, HookError, Running, Stage, View};
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

/// Run the engine's hooks of create that belong on the host.
///
/// # Errors
/// The first that fails.
pub fn creating(state: &BoxState, lists: &[&[Hook]], pid: i32) -> Result<()> {
    let text = hooks::state(&view(state), Stage::Creating, Some(pid));
    for list in lists {
        hooks::run_all(list, &text, Some(&state.bundle))?;
    }
    Ok(())
}

/// The egress hook at its work.
pub struct Fencing<'a> {
    running: Running,
    box_dir: &'a Path,
}

/// Start the egress hook for the box with the first process `pid`.
///
/// # Errors
/// It cannot be run.
pub fn begin_fence<'a>(
    hook: &Hook,
    state: &BoxState,
    pid: i32,
    box_dir: &'a Path,
) -> Result<Fencing<'a>> {
    let text = egress_state(state, Stage::Creating, Some(pid), box_dir);
    let running = hooks::begin(hook, &text, None).map_err(|error| told(error, box_dir))?;
    Ok(Fencing { running, box_dir })
}

impl Fencing<'_> {
    /// Wait until the fence stands.
    ///
    /// # Errors
    /// It failed, in its own words where it left some.
    pub fn end(self) -> Result<()> {
        let box_dir = self.box_dir;
        self.running.end().map_err(|error| told(error, box_dir))
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
        && let Err(error) = hooks::run(
            hook,
            &egress_state(state, Stage::Stopped, None, box_dir),
            None,
        )
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
fn egress_state(state: &BoxState, stage: Stage, pid: Option<i32>, box_dir: &Path) -> Vec<u8> {
    let mut told = view(state);
    let place = box_dir.display().to_string();
    told.annotations.insert(STATE_ANNOTATION.to_owned(), place);
    hooks::state(&told, stage, pid)
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
