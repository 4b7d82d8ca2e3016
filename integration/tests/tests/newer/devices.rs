//! A CDI device that the engine itself puts into the container's configuration.

use nemoclaw_tests::cdi::{DEVICE, LIBRARY, NODE};
use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::pods::Pod;
use nemoclaw_tests::{Output, containerd, nemoclaw};
use serde_json::json;

/// The first program: it says the vendor's variable, which `docker exec` does not give to others.
const FIRST: [&str; 3] = ["sh", "-c", "echo variable $NCT_FAKE; exec sleep 300"];

/// What a program in the box finds: the device once, which can be read, and the library once.
fn look() -> [String; 3] {
    let script = format!(
        "ls -l {NODE}; head -c 3 {NODE} | od -An -tx1; grep -c ' {LIBRARY} ' /proc/self/mounts; cat {LIBRARY}"
    );
    ["sh".to_owned(), "-c".to_owned(), script]
}

#[track_caller]
fn found_once(output: Output) {
    let output = output.ok();
    let lines: Vec<&str> = output.stdout.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 4, "{output:?}");
    assert!(
        lines[0].starts_with('c') && lines[0].contains("1,   5"),
        "{output:?}"
    );
    assert_eq!(lines[1..], ["00 00 00", "1", "a library"], "{output:?}");
}

#[test]
#[ignore = "slow lane: `make test-engines-new`"]
fn dockers_device_option_gives_it_once() {
    let world = nemoclaw!();
    let words = ["nct/busybox", FIRST[0], FIRST[1], FIRST[2]];
    let without = Container::start(world, "nemoclaw", &[], &words);
    without.exec(&["ls", NODE]).fails_saying("No such file");
    let asked = format!("cdi.k8s.io/nct={DEVICE}");
    for options in [
        vec!["--device", DEVICE],
        vec!["--device", DEVICE, "--annotation", &asked],
    ] {
        let container = Container::start(world, "nemoclaw-device", &options, &words);
        let look = look();
        let look: Vec<&str> = look.iter().map(String::as_str).collect();
        found_once(container.exec(&look));
        container.verb(&["logs"]).ok().says("variable one");
    }
}

#[test]
#[ignore = "slow lane: `make test-engines-new`"]
fn a_pods_device_is_given_once() {
    let world = nemoclaw!();
    containerd::ensure(world);
    let pod = Pod::start(world, "nemoclaw-device", &[]);
    let more = json!({ "CDI_devices": [{ "name": DEVICE }] });
    let member = pod
        .ask_container("one", "nct/busybox", &FIRST, &more)
        .expect("a container");
    let look = look();
    let look: Vec<&str> = look.iter().map(String::as_str).collect();
    found_once(member.exec(&look));
    member.logs("variable one");
}

#[test]
#[ignore = "slow lane: `make test-engines-new`"]
fn what_docker_merged_beyond_the_policys_list_is_refused_by_name() {
    let world = nemoclaw!();
    let words = ["nct/busybox", "true"];
    run(world, "nemoclaw-strict", &["--device", DEVICE], &words)
        .fails_saying(NODE)
        .fails_saying(DEVICE);
    run(world, "nemoclaw-device", &["--device", DEVICE], &words).ok();
    // Docker's own kind of device is of no listed one.
    run(world, "nemoclaw-device", &["--device", "/dev/fuse"], &words).fails_saying("/dev/fuse");
}
