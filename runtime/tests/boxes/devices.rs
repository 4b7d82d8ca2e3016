//! CDI devices in real boxes: a vendor's node, variable, group and files, in `run` and in `exec`, given by a policy or
//! asked for by an annotation, and only then.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use serde_json::{Value, json};

use crate::harness::{Node, Said, id, node};

/// What a program does with the vendor's things.
const PROBE: &str = "echo VENDOR=$VENDOR; cat /opt/vendor/lib 2>&1; \
                     busybox head -c 4 /dev/vendor0 2>&1 | busybox od -An -tx1; \
                     echo x 2>&1 > /dev/vendor0 && echo written; \
                     { echo x > /opt/vendor/lib; } 2>/dev/null || echo read-only;";

const THERE: &str = "VENDOR=1\nvendor's own\n 00 00 00 00\nwritten\nread-only\n";

const TRACES: &str = "echo VENDOR=$VENDOR; for path in /dev/vendor* /opt/vendor/lib; do test -e $path && echo $path; done; true";

/// A node whose vendor offers `0`, a node of this host under another name, and `1`: the same and a group. The file has a
/// variable, a mount that is asked for writable, and a hook.
fn with_vendor() -> Option<Node> {
    let node = node()?;
    let at = node.path().display().to_string();
    write(&node, "vendor-lib", "vendor's own\n", 0o644);
    let hook = format!("#!/bin/sh\ncat > {at}/hook-ran\n");
    write(&node, "vendor-hook.sh", &hook, 0o755);
    // Devices of its own, as a driver has: the numbers of /dev/zero, and of /dev/fuse, which no box may open by itself.
    for (name, (major, minor)) in [("vendor-node", (1, 5)), ("vendor-other", (10, 229))] {
        let path = node.path().join(name);
        let mode = Mode::from_bits_truncate(0o666);
        mknod(&path, SFlag::S_IFCHR, mode, makedev(major, minor)).expect("mknod");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("mode");
    }
    let yaml = format!(
        "cdiVersion: 0.7.0\nkind: vendor.com/dev\ndevices:\n\
         - name: \"0\"\n  containerEdits:\n    deviceNodes:\n    - {{path: /dev/vendor0, hostPath: {at}/vendor-node}}\n\
         - name: \"1\"\n  containerEdits:\n    additionalGids: [4321]\n    deviceNodes:\n    \
         - {{path: /dev/vendor/one, hostPath: {at}/vendor-other, permissions: r}}\n\
         containerEdits:\n  env: [VENDOR=1]\n  \
         mounts:\n  - {{hostPath: {at}/vendor-lib, containerPath: /opt/vendor/lib, options: [rbind, rw]}}\n  \
         hooks:\n  - {{hookName: createContainer, path: {at}/vendor-hook.sh, args: [hook]}}\n"
    );
    let dir = node.path().join("cdi");
    fs::create_dir(&dir).expect("cdi");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("mode");
    write(&node, "cdi/vendor.yaml", &yaml, 0o644);
    let more = format!(
        "cdi_dirs: [{at}/cdi]\ncdi_devices: [vendor.com/dev=0]\ncdi_hooks: [{at}/vendor-hook.sh]\n"
    );
    configure(&node, &more);
    Some(node)
}

fn write(node: &Node, name: &str, text: &str, mode: u32) {
    let path = node.path().join(name);
    fs::write(&path, text).expect("write");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
}

/// Adds keys to the node's configuration; a later key takes an earlier one's place.
fn configure(node: &Node, more: &str) {
    let key = |line: &str| line.split(':').next().map(str::to_owned);
    let new: Vec<_> = more.lines().filter_map(key).collect();
    let config = node.path().join("node.yaml");
    let text = fs::read_to_string(&config).expect("node.yaml");
    let kept = text
        .lines()
        .filter(|line| !key(line).is_some_and(|key| new.contains(&key)))
        .map(|line| format!("{line}\n"));
    let text: String = kept.chain([more.to_owned()]).collect();
    fs::write(&config, text).expect("node.yaml");
}

/// The same node under a policy that lists `devices`.
fn given(node: Node, devices: &str) -> Node {
    let text = format!(
        "version: 1\nbox: {{mode: offline}}\ndevices: [{devices}]\n\
         filesystem_policy: {{read_only: [/], read_write: [/sandbox, /tmp]}}\n"
    );
    write(&node, "policies/vendor.yaml", &text, 0o644);
    node.under("vendor")
}

/// As engines do: nothing may be opened that is not allowed again.
fn nothing_allowed(config: &mut Value) {
    let nothing = json!([{ "allow": false, "access": "rwm" }]);
    config["linux"]["resources"] = json!({ "devices": nothing });
}

fn asks(node: &Node, script: &str, device: &str) {
    node.config(script, |config| {
        config["annotations"] = json!({ "cdi.k8s.io/test": device });
        nothing_allowed(config);
    });
}

fn refused(node: &Node) -> Said {
    let box_id = id();
    let said = node.run(&box_id);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    node.assert_nothing_left(&box_id);
    said
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
fn a_policys_device_needs_no_annotation_and_is_there_for_an_engines_own_exec_too() {
    let Some(node) = with_vendor() else { return };
    configure(&node, "cdi_devices: []\n");
    let node = given(node, "vendor.com/dev=0");
    node.config(PROBE, nothing_allowed);
    let first = node.run(&id());
    assert_eq!(first.out, THERE, "{}", first.err);
    let box_id = id();
    node.config("sleep 60", nothing_allowed);
    node.up(&box_id);
    // An engine knows nothing of the vendor's variable.
    let process = json!({
        "user": { "uid": 0, "gid": 0 }, "cwd": "/", "env": ["PATH=/bin"], "args": ["sh", "-c", PROBE],
    });
    let file = node.path().join("process.json");
    fs::write(&file, process.to_string()).expect("process.json");
    let later = node.call(&["exec", "--process", file.to_str().expect("path"), &box_id]);
    assert_eq!(later.out, THERE, "{}", later.err);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn permissions_of_a_node_and_groups_are_as_the_file_says() {
    let Some(node) = with_vendor() else { return };
    let node = given(node, "vendor.com/dev=1");
    let script = "( : < /dev/vendor/one ) && echo read; ( : > /dev/vendor/one ) 2>/dev/null || echo not written; id -G; \
                  busybox mknod /tmp/node c 1 5 2>/dev/null || echo not made; test -e /dev/vendor0 || echo no other";
    node.config(script, nothing_allowed);
    let said = node.run(&id());
    let wanted = "read\nnot written\n0 4321\nnot made\nno other\n";
    assert_eq!(said.out, wanted, "{}", said.err);
}

#[test]
fn without_a_request_there_is_no_trace_of_the_device() {
    let Some(node) = with_vendor() else { return };
    for devices in [None, Some(""), Some("\"vendor.com/dev=*\"")] {
        // A star bounds what others may give, and gives nothing.
        let node = match devices {
            None => with_vendor().expect("as before"),
            Some(devices) => given(with_vendor().expect("as before"), devices),
        };
        node.config(TRACES, |config| {
            let env = config["process"]["env"].as_array_mut().expect("env");
            env.push(json!("NVIDIA_VISIBLE_DEVICES=all"));
        });
        let said = node.run(&id());
        assert_eq!(said.out, "VENDOR=\n", "{devices:?} {}", said.err);
        assert!(!node.path().join("hook-ran").exists());
    }
    drop(node);
}

#[test]
fn an_image_that_asks_for_every_gpu_gets_what_node_and_policy_let_it() {
    let Some(node) = with_vendor() else { return };
    let yaml = fs::read_to_string(node.path().join("cdi/vendor.yaml")).expect("yaml");
    let gpus = yaml.replace("vendor.com/dev", "nvidia.com/gpu");
    let gpus = gpus.replace("name: \"1\"", "name: all");
    write(&node, "cdi/gpu.yaml", &gpus, 0o644);
    let with = |node: &Node, script: &str| {
        node.config(script, |config| {
            let env = config["process"]["env"].as_array_mut().expect("env");
            env.push(json!("NVIDIA_VISIBLE_DEVICES=all"));
            nothing_allowed(config);
        });
    };
    configure(
        &node,
        "cdi_devices: [nvidia.com/gpu=0]\ncdi_nvidia_variable: true\n",
    );
    with(&node, "true");
    let said = refused(&node);
    assert!(
        said.err.contains("`nvidia.com/gpu=all`") && said.err.contains("`cdi_devices`"),
        "{}",
        said.err
    );
    configure(&node, "cdi_devices: [\"nvidia.com/gpu=*\"]\n");
    with(&node, TRACES);
    let said = node.run(&id());
    assert!(
        said.out.contains("/dev/vendor\n") && said.out.contains("VENDOR=1"),
        "{}{}",
        said.out,
        said.err
    );
    let node = given(node, "");
    with(&node, "true");
    let said = refused(&node);
    assert!(
        said.err.contains("the policy `vendor` does not list"),
        "{}",
        said.err
    );
}

#[test]
fn a_request_that_the_node_does_not_list_or_nobody_describes_is_refused_and_leaves_nothing() {
    let Some(node) = with_vendor() else { return };
    asks(&node, "true", "vendor.com/dev=1");
    let said = refused(&node);
    assert!(said.err.contains("`cdi_devices`"), "{}", said.err);
    fs::remove_file(node.path().join("cdi/vendor.yaml")).expect("remove");
    asks(&node, "true", "vendor.com/dev=0");
    let said = refused(&node);
    assert!(said.err.contains("no file in"), "{}", said.err);
}

#[test]
fn a_device_that_the_engine_merged_beyond_the_policy_is_refused_and_one_within_is_there_once() {
    let Some(node) = with_vendor() else { return };
    let merge = |node: &Node, path: &str| {
        node.config(PROBE, |config| {
            nothing_allowed(config);
            let device =
                json!({ "path": path, "type": "c", "major": 1, "minor": 5, "fileMode": 0o666 });
            config["linux"]["devices"] = json!([device]);
            let rule =
                json!({ "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm" });
            config["linux"]["resources"]["devices"]
                .as_array_mut()
                .expect("rules")
                .push(rule);
        });
    };
    let node = given(node, "vendor.com/dev=0");
    merge(&node, "/dev/other");
    let said = refused(&node);
    assert!(
        said.err.contains("`/dev/other`") && said.err.contains("`vendor`"),
        "{}",
        said.err
    );
    assert!(!node.path().join("hook-ran").exists());
    merge(&node, "/dev/vendor0");
    let said = node.run(&id());
    assert_eq!(said.out, THERE, "{}", said.err);
}

#[test]
fn a_hook_that_the_node_does_not_list_is_refused_and_does_not_run() {
    let Some(node) = with_vendor() else { return };
    configure(&node, "cdi_hooks: [/usr/bin/true]\n");
    let node = given(node, "vendor.com/dev=0");
    node.config("true", nothing_allowed);
    let said = refused(&node);
    assert!(
        said.err.contains("vendor-hook.sh") && said.err.contains("`cdi_hooks`"),
        "{}",
        said.err
    );
    // Merged by the engine it is the same hook.
    let hook = json!({ "path": node.path().join("vendor-hook.sh"), "args": ["hook"] });
    node.config("true", |config| {
        config["hooks"] = json!({ "createContainer": [hook] });
    });
    let said = refused(&given(node, ""));
    assert!(said.err.contains("vendor-hook.sh"), "{}", said.err);
}

#[test]
fn a_file_that_a_user_can_write_describes_nothing() {
    let Some(node) = with_vendor() else { return };
    let node = given(node, "vendor.com/dev=0");
    node.config("true", nothing_allowed);
    write(&node, "cdi/vendor.yaml", "", 0o666);
    let said = refused(&node);
    assert!(said.err.contains("is not believed"), "{}", said.err);
    assert!(!node.path().join("hook-ran").exists());
}

#[test]
fn the_runtime_names_every_device_of_the_node_and_every_problem() {
    let Some(node) = with_vendor() else { return };
    let at = node.path().display().to_string();
    let file = |device: &str, edits: &str| {
        format!(
            "{{\"cdiVersion\": \"0.6.0\", \"kind\": \"vendor.com/dev\", \"devices\": [{{\"name\": \"{device}\", \"containerEdits\": {edits}}}]}}"
        )
    };
    write(&node, "cdi/again.json", &file("1", "{}"), 0o644);
    write(
        &node,
        "cdi/broken.yaml",
        "cdiVersion: 0.6.0\nkind: v.com/d\nextra: 1\n",
        0o644,
    );
    write(&node, "cdi/open.json", &file("5", "{}"), 0o666);
    let hook = "{\"hooks\": [{\"hookName\": \"createContainer\", \"path\": \"/usr/bin/true\"}]}";
    write(&node, "cdi/hook.json", &file("6", hook), 0o644);
    configure(
        &node,
        &format!("cdi_hooks: [{at}/vendor-hook.sh, /no/such/hook]\n"),
    );
    let said = node.call(&["devices"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let survey: Value = serde_json::from_str(&said.out).expect("JSON");
    let problem = |name: &str| {
        let devices = survey["devices"].as_array().expect("devices");
        let device = devices.iter().find(|device| device["name"] == name);
        device.expect("described")["problem"].clone()
    };
    assert_eq!(problem("vendor.com/dev=0"), Value::Null);
    assert!(
        problem("vendor.com/dev=1")
            .as_str()
            .expect("conflict")
            .contains("both describe")
    );
    assert!(
        problem("vendor.com/dev=6")
            .as_str()
            .expect("hook")
            .contains("`cdi_hooks`")
    );
    let problems = survey["problems"].as_array().expect("problems");
    for part in [
        "broken.yaml:3:1`",
        "open.json` is not believed",
        "`/no/such/hook`",
    ] {
        let told = problems.iter().filter_map(Value::as_str);
        assert_eq!(
            told.filter(|told| told.contains(part)).count(),
            1,
            "{part} {said:?}",
            said = said.out
        );
    }
}

#[test]
fn a_node_that_an_image_brings_cannot_be_opened_whatever_rule_the_engine_gives() {
    let Some(node) = with_vendor() else { return };
    let node = given(node, "");
    for place in ["sandbox/work/zero", "etc/zero"] {
        let mode = Mode::from_bits_truncate(0o666);
        let path = node.rootfs().join(place);
        mknod(&path, SFlag::S_IFCHR, mode, makedev(1, 5)).expect("mknod");
        let opened = fs::File::open(&path);
        assert!(opened.is_ok(), "on this machine it can be opened");
    }
    let script = "for at in /sandbox/work/zero /etc/zero; do ( : < $at ) 2>/dev/null && echo opened $at; done; true";
    node.config(script, |config| {
        let all = json!([{ "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm" }]);
        config["linux"]["resources"] = json!({ "devices": all });
    });
    let said = node.run(&id());
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
}
