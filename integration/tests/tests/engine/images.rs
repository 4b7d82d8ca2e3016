//! What is in the image does not matter: no shell, no `ip`, no `/sandbox` are needed, and none is trusted.

use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::{nemoclaw, world};

#[test]
fn the_baseline_runs_every_image() {
    let world = world!();
    for image in ["nct/busybox", "nct/debian", "nct/bare"] {
        run(world, "runc", &[], &[image, "echo", "hello"])
            .ok()
            .says("hello");
    }
    run(world, "runc", &[], &["nct/scratch"])
        .ok()
        .says("hello from the probe");
}

#[test]
fn busybox_debian_and_a_single_static_binary_run() {
    let world = nemoclaw!();
    run(world, "nemoclaw", &[], &["nct/busybox", "echo", "hello"])
        .ok()
        .says("hello");
    run(
        world,
        "nemoclaw",
        &[],
        &["nct/debian", "bash", "-c", "echo hello $(id -u)"],
    )
    .ok()
    .says("hello 0");
    run(world, "nemoclaw", &[], &["nct/scratch"])
        .ok()
        .says("hello from the probe");
}

#[test]
fn sandbox_and_tmp_are_made_where_the_image_has_none() {
    let script = "echo x >/sandbox/file && echo y >/tmp/file && cat /sandbox/file /tmp/file";
    run(
        nemoclaw!(),
        "nemoclaw",
        &[],
        &["nct/bare", "sh", "-c", script],
    )
    .ok()
    .says("x\ny");
}

#[test]
fn a_trojan_ip_in_the_image_is_never_run() {
    let world = nemoclaw!();
    for network in ["none", "bridge"] {
        let container = Container::start(
            world,
            "nemoclaw-test",
            &["--network", network],
            &["nct/trojan", "sleep", "300"],
        );
        let marks = container
            .exec(&[
                "sh",
                "-c",
                "cat /tmp/trojan-was-run /sandbox/trojan-was-run 2>/dev/null; true",
            ])
            .ok();
        assert_eq!(marks.text(), "", "{network}");
        // The trap itself works: run by hand it leaves its mark.
        let marks = container
            .exec(&["sh", "-c", "/usr/sbin/ip link; cat /tmp/trojan-was-run"])
            .ok();
        assert!(marks.stdout.contains("ip link"), "{marks:?}");
    }
}
