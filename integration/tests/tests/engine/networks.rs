//! `--network none|bridge|user-defined`, on both capture back-ends, and a namespace that is joined.

use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::nemoclaw;

const FETCH: &[&str] = &[
    "nct/debian",
    "curl",
    "-sS",
    "-m",
    "10",
    "https://api.example.com/hello",
];

fn own(world: &nemoclaw_tests::World) {
    let _lock = world.lock("network");
    if world.docker(&["network", "inspect", "nct-own"]).code != 0 {
        world.docker(&["network", "create", "nct-own"]).ok();
    }
}

#[test]
fn an_allowed_name_is_reached_from_every_network() {
    let world = nemoclaw!();
    own(world);
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        for network in ["none", "bridge", "nct-own"] {
            let got = run(world, runtime, &["--network", network], FETCH);
            assert!(
                got.code == 0 && got.stdout.contains("\"nct\": \"ok\""),
                "{runtime} on {network}:\n{got:?}"
            );
        }
    }
}

#[test]
fn an_offline_box_has_only_loopback_and_needs_no_router() {
    let world = nemoclaw!();
    let script = "cat /proc/net/dev; ip link 2>/dev/null | grep -c 'eth0.*state UP'; nemoclaw-probe tcp_direct dns name=api.example.com";
    let got = run(
        world,
        "nemoclaw-offline",
        &[],
        &["nct/busybox", "sh", "-c", script],
    );
    assert!(
        !got.stdout.contains("\"worked\"") && !got.stdout.contains("\"rcode\":0"),
        "{got:?}"
    );
    run(world, "nemoclaw-offline", &[], &["nct/busybox", "sh", "-c", "ping -c1 -W1 127.0.0.1 >/dev/null 2>&1; (echo hi | nc -l -p 9000 &) ; sleep 0.3; nc 127.0.0.1 9000 </dev/null"]).says("hi");
}

#[test]
fn loopback_services_of_the_box_work() {
    let script = "(echo served | nc -l -p 9000 &) ; sleep 0.3; nc 127.0.0.1 9000 </dev/null";
    let world = nemoclaw!();
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        run(world, runtime, &[], &["nct/busybox", "sh", "-c", script]).says("served");
    }
}

#[test]
fn a_namespace_that_we_guard_may_be_joined_under_its_policy() {
    let world = nemoclaw!();
    let first = Container::start(
        world,
        "nemoclaw-test",
        &[],
        &["nct/busybox", "sleep", "300"],
    );
    let network = format!("container:{}", first.name);
    run(world, "nemoclaw-test", &["--network", &network], FETCH)
        .ok()
        .says("\"nct\": \"ok\"");
    let other = [
        "nct/debian",
        "curl",
        "-sS",
        "-m",
        "5",
        "https://other.example.com/",
    ];
    assert_ne!(
        run(world, "nemoclaw-test", &["--network", &network], &other).code,
        0
    );
}

#[test]
fn an_unguarded_namespace_with_foreign_processes_is_refused() {
    let world = nemoclaw!();
    let first = Container::start(world, "runc", &[], &["nct/busybox", "sleep", "300"]);
    let network = format!("container:{}", first.name);
    run(
        world,
        "runc",
        &["--network", &network],
        &["nct/busybox", "echo", "joined"],
    )
    .ok()
    .says("joined");
    let refused = run(
        world,
        "nemoclaw-test",
        &["--network", &network],
        &["nct/busybox", "echo", "joined"],
    );
    assert!(
        refused.code != 0 && refused.stderr.contains("network namespace"),
        "{refused:?}"
    );
}
