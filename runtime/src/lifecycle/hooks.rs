//! Running the hooks that libcontainer would run wrongly, and collecting what hooks said.

use std::path::Path;

use libcontainer::container::{ContainerStatus, State};
use libcontainer::oci_spec::runtime::{Hook, Spec};

use super::context::Context;
use crate::state::BoxState;

/// Where a wrapped hook of the engine leaves its sentence.
pub const ERROR_FILE: &str = "hook.error";

/// Run all poststop hooks, each whatever became of the one before; a failing one is only logged.
pub fn poststop(context: &Context, state: &BoxState, box_dir: &Path) {
    let Some(spec) = private_spec(box_dir) else {
        return;
    };
    let list = spec
        .hooks()
        .as_ref()
        .and_then(|hooks| hooks.poststop().clone())
        .unwrap_or_default();
    for hook in list {
        let name = hook.path().display().to_string();
        if let Err(error) = run(&[hook], state, box_dir, &spec) {
            context
                .log
                .warning(&format!("the poststop hook `{name}` failed: {error}"));
        }
    }
}

/// Run all poststart hooks.
///
/// # Errors
/// The first that fails.
pub fn poststart(state: &BoxState, box_dir: &Path) -> Result<(), libcontainer::hooks::HookError> {
    let Some(spec) = private_spec(box_dir) else {
        return Ok(());
    };
    let list = spec
        .hooks()
        .as_ref()
        .and_then(|hooks| hooks.poststart().clone())
        .unwrap_or_default();
    run(&list, state, box_dir, &spec)
}

fn run(
    hooks: &[Hook],
    state: &BoxState,
    box_dir: &Path,
    spec: &Spec,
) -> Result<(), libcontainer::hooks::HookError> {
    let pid = state.pid();
    let status = if pid == 0 {
        ContainerStatus::Stopped
    } else {
        ContainerStatus::Running
    };
    let mut view = State::new(
        &state.id,
        status,
        (pid != 0).then_some(pid),
        crate::bundle::config_dir(box_dir),
    );
    view.annotations = spec.annotations().clone();
    libcontainer::hooks::run_hooks(Some(&hooks.to_vec()), Some(&view), None, None, None)
}

/// The private bundle's config; `None` when `create` ended before it was written.
fn private_spec(box_dir: &Path) -> Option<Spec> {
    Spec::load(crate::bundle::config_dir(box_dir).join("config.json")).ok()
}

/// What a failing hook left: the egress hook's sentence, else an engine's hook's.
#[must_use]
pub fn sentence(box_dir: &Path) -> Option<String> {
    let files = [nemoclaw_policy::handover::ERROR_FILE, ERROR_FILE];
    files.iter().find_map(|name| {
        let text = std::fs::read_to_string(box_dir.join(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    })
}
