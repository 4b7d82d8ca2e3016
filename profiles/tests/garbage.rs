//! Hostile text: random bytes and mutated policies give a policy or a fault, never a panic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::{Policy, Source, builtin, normalise_path};
use proptest::prelude::*;

fn try_all(text: &str) {
    let source = Source::text("x", text);
    if let Err(fault) = Policy::load(&source) {
        assert!(fault.at.line >= 1 && fault.at.column >= 1);
        assert!(!fault.to_string().is_empty() && !fault.message.is_empty());
    }
    if let Err(fault) = NodeConfig::parse(&source) {
        assert!(!fault.to_string().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<Vec<u8>>()) {
        try_all(&String::from_utf8_lossy(&text));
    }

    #[test]
    fn yaml_like_text_is_read_or_refused(text in "[a-z:\\-{}\\[\\],&*!|>'\"# \n0-9]{0,200}") {
        try_all(&format!("version: 1\n{text}"));
    }

    #[test]
    fn mutated_policies_are_read_or_refused(
        which in 0usize..5, cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let name = builtin::policy_names()[which];
        let mut bytes = builtin::policy(name).unwrap_or_default().as_bytes().to_vec();
        for (at, byte) in cuts {
            let at = at.index(bytes.len());
            match byte % 3 {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        try_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_path_has_one_form_and_keeps_it(raw in "/[a-z./%2F5cCeE@;~é \\\\]{0,40}") {
        if let Ok(form) = normalise_path(&raw) {
            prop_assert_eq!(normalise_path(&form), Ok(form.clone()));
            prop_assert!(form.starts_with('/') && !form.contains("//") && !form.contains("/../") && !form.contains("/./"));
            prop_assert!(!form.ends_with("/..") && !form.ends_with("/."));
        }
    }
}
