//! Hooks: the engine's are wrapped, ours come last.
//!
//! libcontainer tells hooks the private bundle's path and drops a failing hook's text. So each hook of the engine is run
//! by our own binary (`nemoclaw-runtime hook -- PATH ARG0 ARGS…`), which restores the engine's view and keeps the text.

use std::path::Path;

use oci_spec::runtime::{Hook, Hooks};

use super::Refusal;

/// Seconds our hook may take.
const EGRESS_TIMEOUT: i64 = 5;
/// First arguments of a wrapped hook.
const WRAPPER: [&str; 3] = ["nemoclaw-runtime", "hook", "--"];

/// The planned hooks: `egress` is the hook to put last in createRuntime and in poststop, if the box has one.
#[allow(deprecated)] // prestart is what Docker uses
pub fn planned(given: Option<&Hooks>, runtime: &Path, egress: Option<&Path>) -> Hooks {
    let mut hooks = given.cloned().unwrap_or_default();
    let wrap_all = |list: &mut Option<Vec<Hook>>| {
        list.iter_mut()
            .flatten()
            .for_each(|hook| wrap(hook, runtime))
    };
    // Not startContainer: its paths are the image's, where our binary is not.
    wrap_all(hooks.prestart_mut());
    wrap_all(hooks.create_runtime_mut());
    wrap_all(hooks.create_container_mut());
    wrap_all(hooks.poststart_mut());
    wrap_all(hooks.poststop_mut());
    if let Some(egress) = egress {
        hooks
            .create_runtime_mut()
            .get_or_insert_default()
            .push(egress_hook(egress, "create"));
        hooks
            .poststop_mut()
            .get_or_insert_default()
            .push(egress_hook(egress, "release"));
    }
    hooks
}

/// Refuses hooks that would run inside the box before its walls stand.
pub fn check(given: Option<&Hooks>) -> Result<(), Refusal> {
    let inside = given
        .and_then(|hooks| hooks.start_container().as_ref())
        .and_then(|list| list.first());
    match inside {
        Some(hook) => Err(Refusal::StartContainerHook(hook.path().clone())),
        None => Ok(()),
    }
}

/// The hook's own path, of a wrapped one too.
pub fn own_path(hook: &Hook) -> &Path {
    let args = hook.args().as_deref().unwrap_or_default();
    match args.strip_prefix(&WRAPPER.map(str::to_owned)) {
        Some([path, ..]) => Path::new(path),
        _ => hook.path(),
    }
}

fn wrap(hook: &mut Hook, runtime: &Path) {
    let path = hook.path().display().to_string();
    let given = hook
        .args()
        .clone()
        .filter(|args| !args.is_empty())
        .unwrap_or_else(|| vec![path.clone()]);
    let args = WRAPPER
        .iter()
        .map(|word| (*word).to_owned())
        .chain([path])
        .chain(given)
        .collect();
    hook.set_path(runtime.to_path_buf()).set_args(Some(args));
}

fn egress_hook(path: &Path, verb: &str) -> Hook {
    let mut hook = Hook::default();
    hook.set_path(path.to_path_buf())
        .set_args(Some(vec!["nemoclaw-egress".to_owned(), verb.to_owned()]))
        .set_timeout(Some(EGRESS_TIMEOUT));
    hook
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(path: &str, args: Option<&[&str]>) -> Hook {
        let mut hook = Hook::default();
        hook.set_path(path.into())
            .set_args(args.map(|args| args.iter().map(|arg| (*arg).to_owned()).collect()));
        hook
    }

    #[test]
    fn the_engines_hooks_are_wrapped_and_ours_come_last() {
        let mut given = Hooks::default();
        given.set_create_runtime(Some(vec![
            hook("/bin/a", Some(&["a", "-x"])),
            hook("/bin/b", None),
        ]));
        let hooks = planned(
            Some(&given),
            Path::new("/usr/bin/rt"),
            Some(Path::new("/usr/bin/eg")),
        );
        let list = hooks.create_runtime().clone().unwrap_or_default();
        assert_eq!(list.len(), 3);
        assert_eq!(list[0].path(), Path::new("/usr/bin/rt"));
        assert_eq!(
            list[0].args().clone().unwrap(),
            ["nemoclaw-runtime", "hook", "--", "/bin/a", "a", "-x"]
        );
        assert_eq!(
            list[1].args().clone().unwrap(),
            ["nemoclaw-runtime", "hook", "--", "/bin/b", "/bin/b"]
        );
        assert_eq!(list[2].path(), Path::new("/usr/bin/eg"));
        let paths: Vec<_> = list.iter().map(own_path).collect();
        assert_eq!(paths, ["/bin/a", "/bin/b", "/usr/bin/eg"].map(Path::new));
        assert_eq!(list[2].timeout(), Some(5));
        assert_eq!(hooks.poststop().as_ref().map(Vec::len), Some(1));
    }

    #[test]
    fn hooks_that_run_inside_the_box_are_refused() {
        let mut given = Hooks::default();
        given.set_start_container(Some(vec![hook("/in", None)]));
        assert_eq!(
            check(Some(&given)),
            Err(Refusal::StartContainerHook("/in".into()))
        );
        assert_eq!(check(None), Ok(()));
    }
}
