//! Annotations: a user's `nemoclaw.dev/*` are dropped but for the policy's name.

use std::collections::HashMap;

use nemoclaw_policy::handover::POLICY_ANNOTATION;

/// What all of ours begin with.
const PREFIX: &str = "nemoclaw.dev/";

/// The annotations an engine, a user or a hook may see: theirs, and the policy's name.
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
    fn spoofed_annotations_are_dropped_and_the_policys_name_is_kept() {
        let given: HashMap<String, String> = [
            ("nemoclaw.dev/state", "/etc"),
            ("nemoclaw.dev/other", "y"),
            ("nemoclaw.dev/policy", "strict"),
            ("com.example/a", "b"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let all = engine_annotations(Some(&given));
        assert_eq!(all["nemoclaw.dev/policy"], "strict");
        assert_eq!(all["com.example/a"], "b");
        assert_eq!(all.len(), 2);
    }
}
