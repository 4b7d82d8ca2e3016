//! CDI devices in real boxes: a vendor's node, variable and files, in `run` and in `exec`, and only where asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::{Node, id, node};

/// What a program does with the vendor's things.
const PROBE: &str = "echo VENDOR=$VENDOR; cat /opt/vendor/lib 2>&1; \
                     busybox head -c 4 /dev/vendor0 2>&1 | busybox od -An -tx1; \
                     echo x 2>&1 > /dev/vendor0 && echo written; \
                     { echo x > /opt/vendor/lib; } 2>/dev/null || echo read-only;";

const THERE: &str = "VENDOR=1\nvendor's own\n 00 00 00 00\nwritten\nread-only\n";

/// A node whose vendor offers one device: `/dev/zero` under another name, a variable, a writable mount, a hook.
fn with_vendor() -> Option<Node> {
    let node = node()?;
    let at = node.path().display().to_string();
    let library = node.path().join("vendor-lib");
    fs::write(&library, "vendor's own\n").expect("library");
    let hook = node.path().join("vendor-hook.sh");
    fs::write(&hook, format!("#!/bin/sh\ncat > {at}/hook-ran\n")).expect("hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("mode");
    let yaml = format!(
        "cdiVersion: 0.6.0\nkind: vendor.com/dev\ndevices:\n- name: \"0\"\n  containerEdits:\n    deviceNodes:\n    \
         - {{path: /dev/vendor0, type: c, major: 1, minor: 5, fileMode: 438}}\ncontainerEdits:\n  env: [VENDOR=1]\n  \
         mounts:\n  - {{hostPath: {}, containerPath: /opt/vendor/lib, options: [rbind, rw]}}\n  \
         hooks:\n  - {{hookName: createContainer, path: {at}/vendor-hook.sh, args: [hook]}}\n",
        library.display()
    );
    let dir = node.path().join("cdi");
    fs::create_dir(&dir).expect("cdi");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("mode");
    fs::write(dir.join("vendor.yaml"), yaml).expect("vendor.yaml");
    fs::set_permissions(dir.join("vendor.yaml"), fs::Permissions::from_mode(0o644)).expect("mode");
    let config = node.path().join("node.yaml");
    let text = fs::read_to_string(&config).expect("node.yaml");
    let more = format!(
        "cdi_dirs: [{at}/cdi]\ncdi_devices: [vendor.com/dev=0]\ncdi_hooks: [{at}/vendor-hook.sh]\n"
    );
    fs::write(&config, text + &more).expect("node.yaml");
    Some(node)
}

fn asks(node: &Node, script: &str, device: &str) {
    node.config(script, |config| {
        config["annotations"] = json!({ "cdi.k8s.io/test": device });
        // As engines do: nothing may be opened that is not allowed again.
        let nothing = json!([{ "allow": false, "access": "rwm" }]);
        config["linux"]["resources"] = json!({ "devices": nothing });
    });
}

#[test]
fn a_vendors_device_works_in_run_and_in_exec() {
    let Some(node) = with_vendor() else { return };
    let box_id = id();
    asks(&node, PROBE, "vendor.com/dev=0");
    let first = node.run(&box_id);
    assert_eq!(first.out, THERE, "{}", first.err);
    let state = fs::read_to_string(node.path().join("hook-ran")).expect("the hook's input");
    assert!(state.contains(&box_id), "{state}");
    asks(&node, "sleep 60", "vendor.com/dev=0");
    node.up(&box_id);
    let later = node.call(&["exec", &box_id, "sh", "-c", PROBE]);
    assert_eq!(later.out, THERE, "{}", later.err);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
    assert_eq!(
        fs::read_to_string(node.path().join("vendor-lib")).expect("library"),
        "vendor's own\n"
    );
}

#[test]
fn without_a_request_there_is_no_trace_of_the_device() {
    let Some(node) = with_vendor() else { return };
    let box_id = id();
    let script = "echo VENDOR=$VENDOR; for path in /dev/vendor0 /opt/vendor/lib; do test -e $path && echo $path; done; true";
    node.config(script, |config| {
        config["process"]["env"]
            .as_array_mut()
            .expect("env")
            .push(json!("NVIDIA_VISIBLE_DEVICES=all"));
    });
    let said = node.run(&box_id);
    assert_eq!(said.out, "VENDOR=\n", "{}", said.err);
    assert!(!node.path().join("hook-ran").exists());
}

#[test]
fn a_request_that_the_node_does_not_list_or_nobody_describes_is_refused_and_leaves_nothing() {
    let Some(node) = with_vendor() else { return };
    let box_id = id();
    asks(&node, "true", "vendor.com/dev=1");
    let said = node.run(&box_id);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(said.err.contains("`cdi_devices`"), "{}", said.err);
    fs::remove_file(node.path().join("cdi/vendor.yaml")).expect("remove");
    asks(&node, "true", "vendor.com/dev=0");
    let said = node.run(&box_id);
    assert!(said.err.contains("no file in"), "{}", said.err);
    node.assert_nothing_left(&box_id);
}
