//! Hooks: the engine's stand as they are, ours come after them.

use std::path::Path;

use oci_spec::runtime::{Hook, Hooks};

use super::{EgressHooks, Refusal};

/// Seconds our hook may take.
const EGRESS_TIMEOUT: i64 = 5;

/// The calls of the egress hook `path`.
pub fn egress(path: &Path) -> EgressHooks {
    let call = |verb: &str| {
        let mut hook = Hook::default();
        hook.set_path(path.to_path_buf())
            .set_args(Some(vec!["nemoclaw-egress".to_owned(), verb.to_owned()]))
            .set_timeout(Some(EGRESS_TIMEOUT));
        hook
    };
    EgressHooks {
        create: call("create"),
        release: call("release"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_that_run_inside_the_box_are_refused() {
        let mut hook = Hook::default();
        hook.set_path("/in".into());
        let mut given = Hooks::default();
        given.set_start_container(Some(vec![hook]));
        assert_eq!(
            check(Some(&given)),
            Err(Refusal::StartContainerHook("/in".into()))
        );
        assert_eq!(check(None), Ok(()));
    }

    #[test]
    fn the_egress_hook_is_called_at_both_ends_and_has_little_time() {
        let hooks = egress(Path::new("/usr/bin/eg"));
        for (hook, verb) in [(&hooks.create, "create"), (&hooks.release, "release")] {
            let args = hook.args().clone().unwrap();
            assert_eq!((args[1].as_str(), hook.timeout()), (verb, Some(5)));
        }
    }
}
