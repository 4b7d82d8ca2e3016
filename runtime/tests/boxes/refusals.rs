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
fn a_profile_whose_listener_nobody_could_hand_on_is_refused() {
    let Some(node) = node() else { return };
    let said = refused(&node, |config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/listener",
            "syscalls": [{ "names": ["sendmsg"], "action": "SCMP_ACT_NOTIFY" }]
        });
    });
    assert!(
        said.contains("SCMP_ACT_NOTIFY") && said.contains("`sendmsg`"),
        "{said}"
    );
}

#[test]
fn a_policy_that_needs_a_newer_landlock_is_refused() {
    let Some(node) = node() else { return };
    let policy = "version: 1\nlandlock: {minimum_abi: 16}\n";
    std::fs::write(node.path().join("policies/newer.yaml"), policy).expect("policy");
    let said = refused(&node.under("newer"), |_| {});
    assert!(said.contains("Landlock ABI 16"), "{said}");
}

/// A node whose boxes have a router's files, and the image's `/etc/resolv.conf` and CA bundle as given.
fn online(links: &[(&str, &str)]) -> Option<Node> {
    let node = node()?.under("online");
    let policy = "version: 1\nfilesystem_policy:\n  read_only: [/]\n  read_write: [/sandbox, /tmp]\nnetwork_policies: {}\n";
    std::fs::write(node.path().join("policies/online.yaml"), policy).expect("policy");
    for (link, target) in links {
        let link = node.rootfs().join(link);
        std::fs::create_dir_all(link.parent().expect("parent")).expect("directory");
        std::os::unix::fs::symlink(target, link).expect("link");
    }
    Some(node)
}

const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

#[test]
fn our_files_are_found_through_the_images_links_also_where_nothing_was() {
    let outside = tempfile::tempdir().expect("a directory");
    let outside_file = outside.path().join("resolv.conf");
    for target in [
        "/run/systemd/resolve/stub-resolv.conf",
        "../../../../run/x",
        "/sandbox/resolv.conf",
        outside_file.to_str().expect("path"),
    ] {
        let links = [("etc/resolv.conf", target), (BUNDLE, "../../pki/x.pem")];
        let Some(node) = online(&links) else { return };
        let box_id = id();
        node.config(
            "cat /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; echo x >> /etc/resolv.conf || echo kept",
            |_| {},
        );
        let said = node.run(&box_id);
        assert_eq!(said.out, "nameserver 198.18.0.53\nkept\n", "{}", said.err);
        assert!(!outside_file.exists(), "nothing is made outside");
        node.assert_nothing_left(&box_id);
    }
}

#[test]
fn a_place_where_our_files_cannot_be_is_refused_in_one_sentence() {
    for (target, why) in [
        ("/proc/self/environ", "which is the kernel's"),
        ("resolv.conf", "is not a regular file"),
        ("/etc", "is not a regular file"),
    ] {
        let links = [("etc/resolv.conf", target)];
        let Some(node) = online(&links) else { return };
        let said = refused(&node, |_| {});
        assert!(said.contains(why) && !said.contains('{'), "{said}");
    }
    let links = [("etc/resolv.conf", "/sandbox/v/resolv.conf")];
    let Some(node) = online(&links) else { return };
    let volume = tempfile::tempdir().expect("a directory");
    let said = refused(&node, |config| {
        let mounts = config["mounts"].as_array_mut().expect("mounts");
        let source = volume.path().to_str().expect("path");
        mounts.push(json!({ "destination": "/sandbox/v", "type": "bind", "source": source, "options": ["rbind"] }));
    });
    assert!(said.contains("the mount on `/sandbox/v`"), "{said}");
}

#[test]
fn an_error_of_a_mount_names_its_place_and_no_values_of_our_code() {
    let Some(node) = node() else { return };
    let said = refused(&node, |config| {
        let mounts = config["mounts"].as_array_mut().expect("mounts");
        mounts.push(json!({ "destination": "/sandbox/q", "type": "tmpfs", "source": "x", "options": ["nonsense=1"] }));
    });
    assert!(!said.contains('{') && said.contains("/sandbox/q"), "{said}");
}
