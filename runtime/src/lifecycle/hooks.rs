//! Running the hooks that libcontainer would run wrongly, and collecting what hooks said.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use libcontainer::container::{ContainerStatus, State};
use oci_spec::runtime::{Hook, Spec};

use super::aside::{self, Aside};
use super::context::Context;
use crate::plan::hook_path;
use crate::state::BoxState;

/// Where a wrapped hook of the engine leaves its sentence.
pub const ERROR_FILE: &str = "hook.error";
/// How libcontainer begins when a createRuntime hook failed.
const HOOK_FAILED: &str = "failed to run create runtime hooks: ";

/// Run all poststop hooks, each whatever became of the one before; a failing one is only logged.
pub fn poststop(context: &Context, state: &BoxState, box_dir: &Path) {
    let spec = match private_spec(box_dir) {
        Ok(Some(spec)) => spec,
        Ok(None) => return,
        Err(error) => {
            let sentence = format!("cannot run the poststop hooks: {error:#}");
            return context.log.warning(&sentence);
        }
    };
    let list = spec
        .hooks()
        .as_ref()
        .and_then(|hooks| hooks.poststop().clone())
        .unwrap_or_default();
    for hook in list {
        let name = hook_path(&hook).display().to_string();
        if let Err(error) = run(&[hook], state, box_dir, &spec) {
            context
                .log
                .warning(&format!("the poststop hook `{name}` failed: {error:#}"));
        }
    }
}

/// Run all poststart hooks.
///
/// # Errors
/// The first that fails, in its own words where it left some.
pub fn poststart(state: &BoxState, box_dir: &Path) -> Result<()> {
    let Some(spec) = private_spec(box_dir)? else {
        return Ok(());
    };
    let list = spec
        .hooks()
        .as_ref()
        .and_then(|hooks| hooks.poststart().clone())
        .unwrap_or_default();
    run(&list, state, box_dir, &spec)
}

fn run(hooks: &[Hook], state: &BoxState, box_dir: &Path, spec: &Spec) -> Result<()> {
    if hooks.is_empty() {
        return Ok(());
    }
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
    let aside = Aside::new(box_dir).context("cannot set standard error aside")?;
    let ran = libcontainer::hooks::run_hooks(Some(&hooks.to_vec()), Some(&view), None, None, None);
    drop(aside);
    ran.map_err(|error| match own_words(box_dir, ERROR_FILE) {
        Some(words) => anyhow!(words),
        None => error.into(),
    })
}

/// The private bundle's config; `None` when `create` ended before it was written.
fn private_spec(box_dir: &Path) -> Result<Option<Spec>> {
    let config = crate::bundle::config_dir(box_dir).join("config.json");
    if !config.try_exists()? {
        return Ok(None);
    }
    let spec = Spec::load(&config);
    spec.map(Some)
        .with_context(|| format!("cannot read `{}`", config.display()))
}

/// Why a hook failed, in its own words where it left some: the egress hook's sentence, an engine's hook's, else what was
/// printed last. `None` when libcontainer's first word, `cause`, is not about hooks.
#[must_use]
pub fn sentence(cause: Option<&str>, spec: &Spec, box_dir: &Path) -> Option<String> {
    let files = [nemoclaw_policy::handover::ERROR_FILE, ERROR_FILE];
    let left = files.iter().find_map(|name| own_words(box_dir, name));
    left.or_else(|| silent(cause?.strip_prefix(HOOK_FAILED)?, spec, box_dir))
}

/// The sentence for a hook that left none. An engine's hooks are wrapped and always do, so it is the egress hook.
fn silent(failure: &str, spec: &Spec, box_dir: &Path) -> Option<String> {
    let list = spec.hooks().as_ref()?.create_runtime().as_ref()?;
    let said = match aside::last_words(box_dir) {
        words if words.is_empty() => "it said nothing".to_owned(),
        words => format!("it said: {words}"),
    };
    Some(format!(
        "the egress hook `{}` failed ({failure}); {said}; the node's configuration names it as `egress_hook`: correct \
         that file or the hook",
        list.last()?.path().display()
    ))
}

/// The sentence in the file `name`, if a hook left one.
fn own_words(box_dir: &Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(box_dir.join(name)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
