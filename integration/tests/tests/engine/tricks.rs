//! Tricks of an image, an agent or a neighbour that must fail.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::engine::add_runtime;
use nemoclaw_tests::probe::{parse, parse_state};
use nemoclaw_tests::{nemoclaw, sh, world};

/// What the image's links name, on the host.
const HOST_DIR: &str = "/var/tmp/nct-host-dir";

#[test]
fn an_image_whose_sandbox_is_a_link_does_not_reach_the_host() {
    let world = nemoclaw!();
    fs::create_dir_all(HOST_DIR).expect("host directory");
    fs::write(format!("{HOST_DIR}/secret"), "the host's\n").expect("secret");
    for options in [
        &[] as &[&str],
        &["-v", "/var/tmp/nct-host-data:/sandbox/data"],
    ] {
        let script = "cat /sandbox/secret /tmp/secret; echo x >/sandbox/planted; echo x >/tmp/planted2; true";
        let output = run(
            world,
            "nemoclaw",
            options,
            &["nct/links", "sh", "-c", script],
        );
        assert!(!output.stdout.contains("the host's"), "{output:?}");
        let names: Vec<_> = fs::read_dir(HOST_DIR)
            .expect("dir")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert_eq!(
            names,
            ["secret"],
            "the host's directory must stay untouched: {output:?}"
        );
    }
    let _ = fs::remove_dir_all("/var/tmp/nct-host-data");
}

#[test]
fn sandbox_work_swapped_for_a_link_between_create_and_exec_gives_nothing() {
    let world = nemoclaw!();
    let policy = world.path("node/policies/swap.yaml");
    let text = "version: 1\nfilesystem_policy:\n  read_only: [/bin, /usr, /lib]\n  read_write: [/sandbox, /sandbox/work, /tmp, /dev/null]\n";
    fs::write(&policy, text).expect("policy");
    add_runtime(world, "nemoclaw-swap", "config", "swap");
    let container = Container::start(
        world,
        "nemoclaw-swap",
        &[],
        &["nct/busybox", "sleep", "300"],
    );
    let steal = ["sh", "-c", "cat /sandbox/work/secret /dir/secret"];
    assert!(
        !container
            .exec(&steal)
            .stdout
            .contains("not for this policy")
    );
    // A writable path of the policy is a mount of its own, so that already the swap may be refused.
    container.exec(&[
        "sh",
        "-c",
        "cd /sandbox && { mv work old || rmdir work; } && ln -s /dir work",
    ]);
    let output = container.exec(&steal);
    assert!(
        !output.stdout.contains("not for this policy"),
        "the exec must not get what the agent's link names: {output:?}"
    );
}

#[test]
fn an_image_environment_cannot_widen_the_policy() {
    let world = nemoclaw!();
    let words = [
        "nct/widen",
        "/usr/bin/nemoclaw-probe",
        "write_etc",
        "write_sandbox",
    ];
    let output = run(world, "nemoclaw", &[], &words);
    if output.code == 0 {
        assert!(
            !parse(output)["write_etc"].worked(),
            "ENV NEMOCLAW_POLICY=dev must not widen"
        );
    } else {
        output.says("dev");
    }
}

#[test]
fn the_environment_may_narrow() {
    let world = nemoclaw!();
    let words = [
        "nct/debian",
        "curl",
        "-sS",
        "-m",
        "5",
        "https://api.example.com/",
    ];
    run(world, "nemoclaw-test", &[], &words).ok();
    assert_ne!(
        run(
            world,
            "nemoclaw-test",
            &["-e", "NEMOCLAW_POLICY=strict"],
            &words
        )
        .code,
        0
    );
}

#[test]
fn spoofed_annotations_are_dropped() {
    let world = nemoclaw!();
    // Old Docker passes no annotations, so the spec is written by hand and given to the runtime itself.
    let bundle = nemoclaw_tests::bundle::Bundle::make(world, "annotations");
    bundle.edit(|spec| {
        spec["annotations"] = serde_json::json!({
            "nemoclaw.dev/policy": "unconfined-by-me",
            "nemoclaw.dev/state": "/tmp/evil",
            "nemoclaw.dev/sandbox": "another",
        });
    });
    let output = bundle.run("config", "test", &["/usr/bin/nemoclaw-probe", "state"]);
    assert!(
        output.code != 0,
        "an unknown policy name must be refused: {output:?}"
    );
    bundle.edit(|spec| {
        spec["annotations"] = serde_json::json!({ "nemoclaw.dev/state": "/tmp/evil", "nemoclaw.dev/sandbox": "another" });
    });
    let state = parse_state(bundle.run("config", "test", &["/usr/bin/nemoclaw-probe", "state"]));
    assert_eq!(state.seccomp, "2");
    assert!(!Path::new("/tmp/evil").exists());
}

#[test]
fn capabilities_in_an_execs_process_are_replaced() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sleep", "300"]);
    let all: Vec<&str> = vec!["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_DAC_OVERRIDE"];
    let process = serde_json::json!({
        "terminal": false, "user": { "uid": 0, "gid": 0 }, "cwd": "/", "noNewPrivileges": false,
        "args": ["/usr/bin/nemoclaw-probe", "state"], "env": ["PATH=/usr/bin:/bin"],
        "capabilities": { "bounding": all, "effective": all, "permitted": all, "inheritable": all, "ambient": all },
    });
    let file = tempfile::NamedTempFile::new().expect("file");
    fs::write(file.path(), process.to_string()).expect("process.json");
    let exec = |runtime: &str, root: &str, id: &str| {
        sh(&format!(
            "{runtime} --root {root} exec --process {} {id}",
            file.path().display()
        ))
    };
    let baseline = Container::start(
        world,
        "runc",
        &["--cap-add", "SYS_ADMIN"],
        &["nct/busybox", "sleep", "300"],
    );
    let kept = parse_state(exec(
        "runc",
        &format!("{}/runtime-runc/moby", world.text("eng/exec")),
        &baseline.id(),
    ));
    assert_ne!(
        kept.cap_eff, "0000000000000000",
        "the baseline must keep them"
    );
    let runtime = format!(
        "{} --config {}",
        nemoclaw_tests::world::dist_dir()
            .join("nemoclaw-runtime")
            .display(),
        world.text("node/config.yaml")
    );
    let root = sh(&format!(
        "sed -n 's/.*\"root\":\"\\([^\"]*\\)\".*/\\1/p' {}/boxes/{}/state.json",
        nemoclaw_tests::router::state_dir(world, "config").display(),
        container.id()
    ))
    .ok()
    .text();
    let state = parse_state(exec(&runtime, &root, &container.id()));
    assert_eq!(
        (
            state.cap_eff.as_str(),
            state.cap_bnd.as_str(),
            state.no_new_privs.as_str()
        ),
        ("0000000000000000", "0000000000000000", "1")
    );
}

#[test]
fn update_cannot_lift_the_limit_on_processes() {
    let world = nemoclaw!();
    let baseline = Container::start(
        world,
        "runc",
        &["--pids-limit", "50"],
        &["nct/busybox", "sleep", "300"],
    );
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sleep", "300"]);
    let limit = |pid: i32| {
        sh(&format!(
            "cat /sys/fs/cgroup/pids$(sed -n 's/.*:pids://p' /proc/{pid}/cgroup)/pids.max"
        ))
        .text()
    };
    baseline.verb(&["update", "--pids-limit", "-1"]).ok();
    assert_eq!(
        limit(baseline.pid()),
        "max",
        "the baseline must lose its limit"
    );
    assert_ne!(limit(container.pid()), "max");
    container.verb(&["update", "--pids-limit", "-1"]);
    assert_ne!(limit(container.pid()), "max", "a box always has a limit");
}

#[test]
fn a_policy_file_in_a_writable_mount_is_refused() {
    let world = nemoclaw!();
    let dir = tempfile::Builder::new()
        .prefix("own-policy-")
        .tempdir_in(world.path("data"))
        .expect("dir");
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .expect("mode");
    let policy = dir.path().join("policy.yaml");
    fs::write(&policy, nemoclaw_tests::router::TEST_POLICY).expect("policy");
    let name = format!("nemoclaw-own-{}", std::process::id());
    add_runtime(world, &name, "config", &policy.display().to_string());
    run(world, &name, &[], &["nct/busybox", "true"]).ok();
    let mount = format!("{}:/sandbox/work", dir.path().display());
    run(world, &name, &["-v", &mount], &["nct/busybox", "true"]).fails_saying("policy");
    // Also by a link into the mount, and when the file is writable by others.
    let link = world.path(&format!("node/policies/link-{}.yaml", std::process::id()));
    symlink(&policy, &link).expect("link");
    let linked = format!("nemoclaw-linked-{}", std::process::id());
    add_runtime(world, &linked, "config", &link.display().to_string());
    run(world, &linked, &["-v", &mount], &["nct/busybox", "true"]).fails_saying("policy");
    fs::set_permissions(&policy, std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .expect("mode");
    run(world, &name, &[], &["nct/busybox", "true"]).fails_saying("chmod go-w");
    let _ = fs::remove_file(link);
}

#[test]
fn the_baseline_follows_an_images_link() {
    // runc resolves inside the image: the host is safe there too; what matters is that the image itself works.
    run(
        world!(),
        "runc",
        &[],
        &[
            "nct/links",
            "sh",
            "-c",
            "echo x >/sandbox/x && cat /var/tmp/nct-host-dir/x",
        ],
    )
    .ok()
    .says("x");
}
