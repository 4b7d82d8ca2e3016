//! `docs/policy.md`: its examples are policies, and it has a word on every key.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use nemoclaw_policy::{Policy, Source};

const TEXT: &str = include_str!("../../docs/policy.md");

#[test]
fn every_example_of_the_reference_is_a_policy() {
    let blocks: Vec<&str> = TEXT.split("```").skip(1).step_by(2).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let text = block.strip_prefix("yaml\n").unwrap();
        Policy::load(&Source::text("/example.yaml", text))
            .unwrap_or_else(|fault| panic!("{fault}"));
    }
}

#[test]
fn the_reference_has_every_key_and_every_preset() {
    // The reader names the keys that it knows in its refusal of one that it does not.
    for (text, least) in [
        ("version: 1\nno_such_key: 1\n", 12),
        (
            "version: 1\nnetwork_policies: { e: { endpoints: [{ no_such_key: 1 }] } }\n",
            20,
        ),
        ("version: 1\nresources: { no_such_key: 1 }\n", 5),
        ("version: 1\nbudgets: { no_such_key: 1 }\n", 4),
        ("version: 1\ninclude: [no_such_key]\n", 13),
    ] {
        let fault = Policy::load(&Source::text("/p.yaml", text))
            .unwrap_err()
            .to_string();
        let known = ["known keys here: ", "known presets: "];
        let known = known.iter().find_map(|words| fault.split_once(words));
        let (_, known) = known.unwrap_or_else(|| panic!("{fault}"));
        let names: Vec<&str> = known.lines().next().unwrap().split(", ").collect();
        assert!(names.len() >= least, "{names:?}");
        for name in names {
            assert!(
                TEXT.contains(&format!("`{name}`")),
                "`{name}` is not in docs/policy.md"
            );
        }
    }
}
