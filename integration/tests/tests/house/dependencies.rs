//! profiles imports nobody; runtime and hooks import profiles (hooks also their own api), never each other.

use std::collections::BTreeMap;

use nemoclaw_tests::shell::run;
use nemoclaw_tests::world::workspace;

/// Crate -> the workspace crates it may import, tests included.
const RULE: &[(&str, &[&str])] = &[
    ("nemoclaw-policy", &[]),
    ("nemoclaw-runtime", &["nemoclaw-policy"]),
    ("nemoclaw-api", &["nemoclaw-policy"]),
    ("nemoclaw-egress", &["nemoclaw-policy", "nemoclaw-api"]),
    ("nemoclaw-inference", &["nemoclaw-policy"]),
    (
        "nemoclaw-privacy",
        &["nemoclaw-policy", "nemoclaw-inference"],
    ),
    (
        "nemoclaw-router",
        &[
            "nemoclaw-policy",
            "nemoclaw-api",
            "nemoclaw-inference",
            "nemoclaw-privacy",
        ],
    ),
    (
        "nemoclaw",
        &[
            "nemoclaw-policy",
            "nemoclaw-api",
            "nemoclaw-inference",
            "nemoclaw-privacy",
        ],
    ),
    (
        "nemoclaw-tests",
        &[
            "nemoclaw-policy",
            "nemoclaw-api",
            "nemoclaw-inference",
            "nemoclaw-privacy",
        ],
    ),
];

#[test]
fn crates_import_only_what_the_layering_allows() {
    let manifest = workspace().join("Cargo.toml").display().to_string();
    let text = run(
        "cargo",
        &[
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
            &manifest,
        ],
    )
    .ok()
    .stdout;
    let metadata: serde_json::Value = serde_json::from_str(&text).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    let names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package["name"].as_str())
        .collect();
    let rule: BTreeMap<&str, &[&str]> = RULE.iter().copied().collect();
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("name");
        let Some(allowed) = rule.get(name) else {
            faults.push(format!("{name} has no line in the layering rule"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let other = dependency["name"].as_str().expect("name");
            if names.contains(&other) && other != name && !allowed.contains(&other) {
                faults.push(format!("{name} must not import {other}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn versions_stand_in_the_workspace_table_only() {
    let mut faults = Vec::new();
    for manifest in super::sources::files(&["profiles", "runtime", "hooks", "integration"], "toml")
    {
        if manifest
            .path
            .file_name()
            .is_none_or(|name| name != "Cargo.toml")
        {
            continue;
        }
        let mut section = String::new();
        for line in manifest.text.lines() {
            if line.starts_with('[') {
                line.clone_into(&mut section);
            } else if section.ends_with("dependencies]")
                && line.contains('=')
                && !line.contains("workspace = true")
            {
                faults.push(format!("{}: {line}", manifest.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
