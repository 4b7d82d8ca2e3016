//! Devices by name on containerd 1.6, which passes annotations on and does nothing about them.

use crate::engine;
use nemoclaw_tests::cdi::{DEVICE, LIBRARY, NODE};
use nemoclaw_tests::containerd::{BUSYBOX, Task, run};

/// What is there of the vendor's.
fn look() -> String {
    format!("echo variable $NCT_FAKE; head -c 2 {NODE} | od -An -tx1; cat {LIBRARY}")
}

const FOUND: &str = "variable one\n 00 00\na library\n";

#[test]
fn an_annotation_gets_what_the_node_and_the_policy_let_it() {
    let Some(world) = engine() else { return };
    let annotation = format!("cdi.k8s.io/nct={DEVICE}");
    let options = ["--annotation", &annotation];
    let look = look();
    let words = ["sh", "-c", &look];
    for policy in ["device", "offline"] {
        let output = run(world, policy, &options, BUSYBOX, &words).ok();
        assert_eq!(output.stdout, FOUND, "{policy} {output:?}");
    }
    run(world, "strict", &options, BUSYBOX, &words)
        .fails_saying("the policy `strict` does not list");
    let unknown = ["--annotation", "cdi.k8s.io/nct=nct.example/other=one"];
    run(world, "device", &unknown, BUSYBOX, &words).fails_saying("`cdi_devices`");
}

#[test]
fn a_policy_gives_its_device_to_the_first_program_and_to_later_ones() {
    let Some(world) = engine() else { return };
    let look = look();
    let output = run(world, "given", &[], BUSYBOX, &["sh", "-c", &look]).ok();
    assert_eq!(output.stdout, FOUND, "{output:?}");
    let task = Task::start(world, "given", &[], &["sleep", "300"]);
    let output = task.exec(&["sh", "-c", &look]).ok();
    assert_eq!(output.stdout, FOUND, "{output:?}");
    // A star gives nothing by itself.
    let output = run(world, "device", &[], BUSYBOX, &["sh", "-c", &look]);
    assert!(output.stdout.starts_with("variable\n"), "{output:?}");
}
