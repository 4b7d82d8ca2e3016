//! Policies and presets that ship inside the binaries.

const POLICIES: &[(&str, &str)] = &[
    ("default", include_str!("../policies/default.yaml")),
    ("assistant", include_str!("../policies/assistant.yaml")),
    ("strict", include_str!("../policies/strict.yaml")),
    ("dev", include_str!("../policies/dev.yaml")),
    ("gpu", include_str!("../policies/gpu.yaml")),
    ("offline", include_str!("../policies/offline.yaml")),
    ("unconfined", include_str!("../policies/unconfined.yaml")),
];

const PRESETS: &[(&str, &str)] = &[
    ("claude_code", include_str!("../presets/claude_code.yaml")),
    ("clawhub", include_str!("../presets/clawhub.yaml")),
    ("discord", include_str!("../presets/discord.yaml")),
    ("docker", include_str!("../presets/docker.yaml")),
    ("github", include_str!("../presets/github.yaml")),
    ("huggingface", include_str!("../presets/huggingface.yaml")),
    ("jira", include_str!("../presets/jira.yaml")),
    ("npm", include_str!("../presets/npm.yaml")),
    ("nvidia", include_str!("../presets/nvidia.yaml")),
    ("outlook", include_str!("../presets/outlook.yaml")),
    ("pypi", include_str!("../presets/pypi.yaml")),
    ("slack", include_str!("../presets/slack.yaml")),
    ("telegram", include_str!("../presets/telegram.yaml")),
];

/// The names of a table, in its order.
const fn names<const N: usize>(table: &[(&'static str, &'static str)]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut i = 0;
    while i < N {
        names[i] = table[i].0;
        i += 1;
    }
    names
}

const POLICY_NAMES: [&str; POLICIES.len()] = names(POLICIES);
const PRESET_NAMES: [&str; PRESETS.len()] = names(PRESETS);

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// The text of an embedded policy (`default`, `assistant`, `strict`, `dev`, `gpu`, `offline`, `unconfined`).
pub fn policy(name: &str) -> Option<&'static str> {
    find(POLICIES, name)
}

/// The text of an embedded preset (`pypi`, `npm`, …).
pub fn preset(name: &str) -> Option<&'static str> {
    find(PRESETS, name)
}

/// All policy names.
pub fn policy_names() -> &'static [&'static str] {
    &POLICY_NAMES
}

/// All preset names.
pub fn preset_names() -> &'static [&'static str] {
    &PRESET_NAMES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Authority;
    use crate::{Policy, Source};

    #[test]
    fn every_shipped_text_loads_without_a_warning() {
        for (name, text) in POLICIES.iter().chain(PRESETS) {
            match Policy::load_as(&Source::builtin(name, text), Authority::Operator) {
                Ok((policy, warnings)) => {
                    assert_eq!(policy.name, *name);
                    assert_eq!(warnings, []);
                }
                Err(fault) => panic!("{fault}"),
            }
        }
    }

    #[test]
    fn presets_need_no_operator() {
        for (name, text) in PRESETS {
            assert!(
                Policy::load_as(&Source::text(*name, text), Authority::User).is_ok(),
                "{name}"
            );
        }
    }
}
