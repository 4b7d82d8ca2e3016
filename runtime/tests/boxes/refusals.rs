//! Configurations that cannot be a box: one sentence each, and nothing left.

use serde_json::{Value, json};

use crate::harness::{Node, id, node};

/// Create must fail with exactly one sentence, which is given back.
#[track_caller]
fn refused(node: &Node, change: impl FnOnce(&mut Value)) -> String {
    let box_id = id();
    let before = node.errors().len();
    node.config("true", change);
    assert_eq!(node.create(&box_id).code, 1);
    let said = node.errors().split_off(before);
    assert_eq!(said.len(), 1, "{said:?}");
    node.assert_nothing_left(&box_id);
    said.concat()
}

#[test]
fn the_hosts_mount_namespace_is_refused() {
    let Some(node) = node() else { return };
    let kinds = |mount: Option<Value>| {
        let others = ["pid", "network", "ipc", "uts"].map(|kind| json!({ "type": kind }));
        others.into_iter().chain(mount).collect::<Value>()
    };
    let path = format!("/proc/{}/ns/mnt", std::process::id());
    let hosts = json!({ "type": "mount", "path": path });
    for given in [None, Some(hosts)] {
        let said = refused(&node, |config| {
            config["linux"]["namespaces"] = kinds(given);
        });
        assert!(said.contains("mount namespace"), "{said}");
    }
}

#[test]
fn a_profile_too_long_for_the_kernel_is_refused() {
    let Some(node) = node() else { return };
    let rule = |value: u32| {
        json!({ "names": ["personality"], "action": "SCMP_ACT_ERRNO",
                "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] })
    };
    let said = refused(&node, |config| {
        config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": (0..1500).map(rule).collect::<Vec<_>>() });
    });
    assert!(said.contains("4096"), "{said}");
}

#[test]
fn a_profile_with_a_listener_is_refused() {
    let Some(node) = node() else { return };
    let said = refused(&node, |config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/listener",
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }]
        });
    });
    assert!(said.contains("SCMP_ACT_NOTIFY"), "{said}");
}

#[test]
fn a_policy_that_needs_a_newer_landlock_is_refused() {
    let Some(node) = node() else { return };
    let policy = "version: 1\nlandlock: {minimum_abi: 16}\n";
    std::fs::write(node.path().join("policies/newer.yaml"), policy).expect("policy");
    let said = refused(&node.under("newer"), |_| {});
    assert!(said.contains("Landlock ABI 16"), "{said}");
}
