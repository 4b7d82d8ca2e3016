//! `docs/policy.md`: its examples are policies, and it has a word on every key.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use nemoclaw_policy::node::NodeConfig;
use nemoclaw_policy::provider::Providers;
use nemoclaw_policy::{Policy, Source, detector};

const TEXT: &str = include_str!("../../docs/policy.md");

#[test]
fn every_example_of_the_reference_is_a_policy() {
    let blocks: Vec<&str> = TEXT.split("```").skip(1).step_by(2).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let text = block.strip_prefix("yaml\n").unwrap();
        let source = |name: &str| Source::text(name, text);
        match text.lines().next() {
            Some("# /etc/nemoclaw/providers.yaml") => {
                let read = Providers::parse(&source("/providers.yaml"));
                drop(read.unwrap_or_else(|fault| panic!("{fault}")));
                continue;
            }
            Some("# /etc/nemoclaw/config.yaml") => {
                let read = NodeConfig::parse(&source("/config.yaml"));
                drop(read.unwrap_or_else(|fault| panic!("{fault}")));
                continue;
            }
            _ => {}
        }
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
        ("version: 1\ninference: { no_such_key: 1 }\n", 5),
        (
            "version: 1\ninference: { routes: [{ no_such_key: 1 }] }\n",
            6,
        ),
        (
            "version: 1\ninference: { budgets: { no_such_key: 1 } }\n",
            3,
        ),
        (
            "version: 1\ninference: {}\nprivacy: { no_such_key: 1 }\n",
            9,
        ),
        (
            "version: 1\ninference: {}\nprivacy: { rules: [{ no_such_key: 1 }] }\n",
            7,
        ),
        (
            "version: 1\ninference: {}\nprivacy: { rules: [{ do: block, when: { no_such_key: 1 } }] }\n",
            7,
        ),
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

#[test]
fn the_reference_has_every_detector_with_its_class() {
    for one in detector::all() {
        let row = TEXT
            .lines()
            .find(|line| line.starts_with(&format!("| `{}`", one.class)));
        let row = row.unwrap_or_default();
        assert!(
            row.contains(&format!("`{}`", one.name)),
            "`{}` is not in the row of {}",
            one.name,
            one.class
        );
    }
}
