//! Annotations: a user's `nemoclaw.dev/*` are dropped but for the policy's name, then ours are written.

use std::collections::HashMap;
use std::path::Path;

use nemoclaw_policy::handover::{POLICY_ANNOTATION, STATE_ANNOTATION};

/// Annotation that carries the engine's bundle path, since libcontainer only knows our private one.
pub const BUNDLE_ANNOTATION: &str = "nemoclaw.dev/bundle";
/// What all of ours begin with.
const PREFIX: &str = "nemoclaw.dev/";

/// The annotations the private bundle gets.
pub fn planned(
    given: Option<&HashMap<String, String>>,
    bundle: &Path,
    box_dir: &Path,
) -> HashMap<String, String> {
    let mut all = engine_annotations(given);
    all.insert(BUNDLE_ANNOTATION.to_owned(), bundle.display().to_string());
    all.insert(STATE_ANNOTATION.to_owned(), box_dir.display().to_string());
    all
}

/// The annotations an engine or a user may see: theirs, and the policy's name. `state` prints these.
pub fn engine_annotations(given: Option<&HashMap<String, String>>) -> HashMap<String, String> {
    let theirs = |key: &str| !key.starts_with(PREFIX) || key == POLICY_ANNOTATION;
    given
        .into_iter()
        .flatten()
        .filter(|(key, _)| theirs(key))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spoofed_annotations_are_replaced_and_the_policys_name_is_kept() {
        let given: HashMap<String, String> = [
            ("nemoclaw.dev/state", "/etc"),
            ("nemoclaw.dev/bundle", "/x"),
            ("nemoclaw.dev/other", "y"),
            ("nemoclaw.dev/policy", "strict"),
            ("com.example/a", "b"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let all = planned(
            Some(&given),
            Path::new("/bundle"),
            Path::new("/run/nemoclaw/boxes/a"),
        );
        assert_eq!(all["nemoclaw.dev/state"], "/run/nemoclaw/boxes/a");
        assert_eq!(all["nemoclaw.dev/bundle"], "/bundle");
        assert_eq!(all["nemoclaw.dev/policy"], "strict");
        assert_eq!(all["com.example/a"], "b");
        assert_eq!(all.len(), 4);
    }
}
