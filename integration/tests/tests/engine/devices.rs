//! Devices by name on an engine that knows nothing of them: Docker 20.10 has neither CDI nor annotations, so the policy
//! of the runtime gives them. Its own `--device` stays within what the policy lists.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::engine::add_runtime;
use nemoclaw_tests::router::{config_path, write_one};
use nemoclaw_tests::world::dist_dir;
use nemoclaw_tests::{World, nemoclaw};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// What a program finds of the vendor's.
const LOOK: &str = "echo variable $NCT_VENDOR; cat /opt/nct/libvendor.so; head -c 2 /dev/nct-vendor | od -An -tx1; \
                    ( echo x >/dev/nct-vendor ) && echo written; ( echo x >/opt/nct/libvendor.so ) 2>/dev/null || echo read-only";
const FOUND: &str = "variable one\na library\n 00 00\nwritten\nread-only\n";
/// What is there without it.
const TRACES: &str =
    "echo variable $NCT_VENDOR; ls -d /dev/nct-vendor /opt/nct /dev/nvidia* 2>/dev/null; true";

/// The runtime `nemoclaw-vendor`: its policy gives the device of a vendor that does not exist. Made by the first test
/// that asks; no file changes under another.
fn vendor(world: &World) -> PathBuf {
    let _lock = world.lock("vendor");
    let at = world.path("vendor");
    let known = world.docker(&["info", "--format", "{{json .Runtimes}}"]);
    if known.ok().stdout.contains("\"nemoclaw-vendor\"") {
        return at;
    }
    fs::create_dir_all(at.join("cdi")).expect("directory");
    let node = at.join("node");
    if !node.exists() {
        let mode = Mode::from_bits_truncate(0o666);
        mknod(&node, SFlag::S_IFCHR, mode, makedev(1, 5)).expect("device");
    }
    fs::set_permissions(&node, fs::Permissions::from_mode(0o666)).expect("mode");
    fs::write(at.join("libvendor.so"), "a library\n").expect("library");
    let hook = at.join("hook.sh");
    let shown = at.display();
    fs::write(&hook, format!("#!/bin/sh\ncat >{shown}/hook.$$\n")).expect("hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("mode");
    let yaml = format!(
        "cdiVersion: 0.5.0\nkind: nct.example/vendor\ndevices:\n- name: one\n  containerEdits:\n    deviceNodes:\n    \
         - {{path: /dev/nct-vendor, hostPath: {shown}/node}}\n\
         containerEdits:\n  env: [NCT_VENDOR=one]\n  mounts:\n  \
         - {{hostPath: {shown}/libvendor.so, containerPath: /opt/nct/libvendor.so, options: [ro, nosuid, nodev, bind]}}\n  \
         hooks:\n  - {{hookName: createRuntime, path: {shown}/hook.sh, args: [hook]}}\n"
    );
    fs::write(at.join("cdi/vendor.yaml"), yaml).expect("description");
    write_one(world, "vendor", "auto", &dist_dir().join("nemoclaw-egress"));
    let config = config_path(world, "vendor");
    let text = fs::read_to_string(&config).expect("configuration");
    let others = text.lines().filter(|line| !line.starts_with("cdi_"));
    let own = [
        format!("cdi_dirs: [{shown}/cdi]"),
        format!("cdi_hooks: [{shown}/hook.sh]"),
    ];
    let lines: Vec<&str> = others.chain(own.iter().map(String::as_str)).collect();
    fs::write(&config, lines.join("\n") + "\n").expect("configuration");
    let policy = "version: 1\nbox: {mode: offline}\ndevices: [nct.example/vendor=one]\n\
                  filesystem_policy: {read_only: [/], read_write: [/sandbox, /tmp]}\n";
    fs::write(world.path("node/policies/vendor.yaml"), policy).expect("policy");
    add_runtime(world, "nemoclaw-vendor", "vendor", "vendor");
    at
}

#[test]
fn a_policy_gives_a_device_that_docker_20_cannot_ask_for() {
    let world = nemoclaw!();
    let at = vendor(world);
    let words = ["nct/busybox", "sh", "-c", LOOK];
    let output = run(world, "nemoclaw-vendor", &[], &words).ok();
    assert_eq!(output.stdout, FOUND, "{output:?}");
    let container = Container::start(
        world,
        "nemoclaw-vendor",
        &[],
        &["nct/busybox", "sleep", "300"],
    );
    let output = container.exec(&["sh", "-c", LOOK]).ok();
    assert_eq!(output.stdout, FOUND, "{output:?}");
    let states = fs::read_dir(&at).expect("directory").flatten();
    // Not the node, which has no end.
    let states = states.filter(|entry| entry.file_name().to_string_lossy().starts_with("hook."));
    let mut told = states.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let id = container.id();
    assert!(
        told.any(|state| state.contains(&id)),
        "the hook ran on the host"
    );
}

#[test]
fn nobody_but_the_policy_gets_a_device() {
    let world = nemoclaw!();
    vendor(world);
    let words = ["nct/busybox", "sh", "-c", TRACES];
    let all = ["-e", "NVIDIA_VISIBLE_DEVICES=all"];
    for (runtime, options) in [
        ("nemoclaw-offline", &all[..]),
        ("nemoclaw-strict", &all),
        ("nemoclaw-test", &[]),
    ] {
        let output = run(world, runtime, options, &words).ok();
        assert_eq!(output.stdout, "variable\n", "{runtime} {output:?}");
    }
    // The variable adds nothing to what the policy gives.
    let output = run(
        world,
        "nemoclaw-vendor",
        &all,
        &["nct/busybox", "sh", "-c", LOOK],
    )
    .ok();
    assert_eq!(output.stdout, FOUND, "{output:?}");
}

#[test]
fn dockers_own_device_option_stays_within_the_policys_list() {
    let world = nemoclaw!();
    let at = vendor(world);
    let open = ["nct/busybox", "sh", "-c", "( : </dev/fuse ) && echo opened"];
    // A policy that does not speak of devices leaves them to whoever starts the box.
    let output = run(world, "nemoclaw-offline", &["--device", "/dev/fuse"], &open).ok();
    assert_eq!(output.stdout, "opened\n", "{output:?}");
    for runtime in ["nemoclaw-vendor", "nemoclaw-strict"] {
        run(world, runtime, &["--device", "/dev/fuse"], &open)
            .fails_saying("`/dev/fuse`, which no device that the policy");
    }
    let renamed = format!("{}/node:/dev/nct-other", at.display());
    run(world, "nemoclaw-vendor", &["--device", &renamed], &open).fails_saying("`/dev/nct-other`");
    let same = format!("{}/node:/dev/nct-vendor", at.display());
    let words = ["nct/busybox", "sh", "-c", LOOK];
    let output = run(world, "nemoclaw-vendor", &["--device", &same], &words).ok();
    assert_eq!(output.stdout, FOUND, "{output:?}");
}
