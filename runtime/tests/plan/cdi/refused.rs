//! CDI requests and files that are refused, and the sentence that says so.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nemoclaw_runtime::cdi::inject;
use serde_json::json;

use super::super::World;
use super::{Files, HOOK, pattern};

#[test]
fn a_device_that_nobody_describes_is_refused_with_what_helps() {
    let files = Files::new();
    let said = files.sentence();
    assert!(
        said.contains("/etc`") && said.contains("/run`") && said.contains("vendor's CDI file"),
        "{said}"
    );
    let said = files
        .world("docker20-bridge", "nvidia.com/gpu=all")
        .err()
        .unwrap();
    assert!(said.contains("run `nvidia-ctk cdi generate"), "{said}");
    files.write(
        "etc/broken.yaml",
        "cdiVersion: 0.5.0\nkind: vendor.com/dev\nsurprise: 1\ndevices: []\n",
    );
    let said = files.sentence();
    assert!(
        said.contains("broken.yaml:3:1") && said.contains("surprise"),
        "{said}"
    );
    files.vendor("etc/whole.json", &json!({}));
    let mut world = World::of("docker20-bridge");
    world.config["annotations"] = json!({ "cdi.k8s.io/a": "vendor.com/dev=a" });
    let injected = inject(world.spec(), &files.node, &world.policy).unwrap();
    assert!(
        injected
            .faults
            .iter()
            .all(|fault| fault.contains("broken.yaml"))
    );
    assert_eq!((injected.faults.len(), injected.remarks.len()), (1, 1));
}

#[test]
fn annotations_get_only_what_the_node_lists() {
    let mut files = Files::new();
    files.vendor("etc/a.json", &json!({}));
    files.node.devices.clear();
    assert!(files.sentence().contains("list it under `cdi_devices`"));
    files.node.devices = vec![pattern("vendor.com/dev=b")];
    assert!(files.sentence().contains("`vendor.com/dev=a`"));
    files.node.devices = vec![pattern("vendor.com/dev=a")];
    assert!(files.world("docker20-bridge", "vendor.com/dev=a").is_ok());
}

#[test]
fn a_file_or_directory_that_others_can_write_is_not_believed() {
    let files = Files::new();
    let path = files.vendor("etc/a.json", &json!({}));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(files.sentence().contains("can be written by others"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(files.dir.path().join("etc"), open).unwrap();
    assert!(files.sentence().contains("its directory"));
    fs::set_permissions(
        files.dir.path().join("etc"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    assert!(files.world("docker20-bridge", "vendor.com/dev=a").is_ok());
    if nix::unistd::geteuid().is_root() {
        // A link in a stranger's directory may lead elsewhere tomorrow.
        let link = files.dir.path().join("link");
        fs::create_dir(&link).unwrap();
        std::os::unix::fs::symlink(files.dir.path().join("etc"), link.join("cdi")).unwrap();
        std::os::unix::fs::chown(&link, Some(12345), None).unwrap();
        let mut linked = Files::new();
        linked.node.dirs = vec![link.join("cdi")];
        assert!(linked.sentence().contains("belongs to user 12345"));
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(files.sentence().contains("belongs to user 12345"));
    }
}

#[test]
fn a_link_in_a_directory_leads_only_to_what_root_alone_can_write() {
    let files = Files::new();
    let real = files.dir.path().join("elsewhere.json");
    let link = files.dir.path().join("etc/link.json");
    let target = files.vendor("elsewhere.json", &json!({ "env": ["FROM=link"] }));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert!(files.world("docker20-bridge", "vendor.com/dev=a").is_ok());
    fs::set_permissions(&target, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(
        files
            .sentence()
            .contains("link.json` is not believed, since it can be written")
    );
    fs::remove_file(&target).unwrap();
    let said = files.sentence();
    assert!(said.contains("link.json` cannot be read"), "{said}");
    if nix::unistd::geteuid().is_root() {
        // What a user may replace tomorrow is not believed today.
        let theirs = files.dir.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        let file = files.vendor("theirs/x.json", &json!({}));
        std::os::unix::fs::chown(&theirs, Some(12345), None).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(files.sentence().contains("belongs to user 12345"));
    }
}

#[test]
fn edits_that_a_sandbox_cannot_have_are_refused_by_name() {
    for (edits, part) in [
        (
            json!({ "netDevices": [{ "hostInterfaceName": "eth7", "name": "x" }] }),
            "eth7",
        ),
        (json!({ "intelRdt": { "closID": "c" } }), "intelRdt"),
        (json!({ "env": ["=x"] }), "`=x`"),
        (
            json!({ "hooks": [{ "hookName": "createContainer", "path": "/bin/sh" }] }),
            "cdi_hooks",
        ),
        (
            json!({ "hooks": [{ "hookName": "startContainer", "path": HOOK }] }),
            "startContainer",
        ),
        (
            json!({ "hooks": [{ "hookName": "never", "path": HOOK }] }),
            "`never`",
        ),
        (
            json!({ "mounts": [{ "hostPath": "a", "containerPath": "/a" }] }),
            "`a`",
        ),
        (
            json!({ "mounts": [{ "hostPath": "/a", "containerPath": "/a/../b" }] }),
            "`..`",
        ),
        (
            json!({ "deviceNodes": [{ "path": "/dev/no-such-node" }] }),
            "/dev/no-such-node",
        ),
        (
            json!({ "deviceNodes": [{ "path": "/dev/null", "type": "b" }] }),
            "another type",
        ),
        (
            json!({ "deviceNodes": [{ "path": "/dev/null", "permissions": "rx" }] }),
            "`rx`",
        ),
    ] {
        let files = Files::new();
        files.vendor("etc/a.json", &edits);
        let said = files.sentence();
        assert!(said.contains(part) && said.contains("a.json"), "{said}");
    }
}

#[test]
fn the_plans_refusals_hold_for_described_nodes_and_mounts() {
    for (edits, part) in [
        (
            json!({ "deviceNodes": [{ "path": "/dev/x", "type": "b", "major": 8, "minor": 0 }] }),
            "block device",
        ),
        (
            json!({ "deviceNodes": [{ "path": "/dev/x", "type": "c", "major": 1, "minor": 1 }] }),
            "memory",
        ),
        (
            json!({ "deviceNodes": [{ "path": "/sandbox/x", "type": "c", "major": 1, "minor": 3 }] }),
            "not below /dev",
        ),
        (
            json!({ "mounts": [{ "hostPath": "/proc", "containerPath": "/data" }] }),
            "cannot mount `/proc`",
        ),
    ] {
        let files = Files::new();
        files.vendor("etc/a.json", &edits);
        let world = files.world("docker20-bridge", "vendor.com/dev=a").unwrap();
        let said = world.plan().unwrap_err().to_string();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn in_a_user_namespace_a_node_must_be_the_hosts_own() {
    let files = Files::new();
    let node = |path: &str| json!({ "deviceNodes": [{ "path": path, "hostPath": "/dev/zero" }] });
    files.vendor("etc/a.json", &node("/dev/vendor0"));
    let said = files
        .world("docker20-userns-remap", "vendor.com/dev=a")
        .err()
        .unwrap();
    assert!(said.contains("user namespace"), "{said}");
    files.vendor("etc/a.json", &node("/dev/zero"));
    assert!(
        files
            .world("docker20-userns-remap", "vendor.com/dev=a")
            .is_ok()
    );
}
