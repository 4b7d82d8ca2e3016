//! A box that could not start, and one that ended, leave nothing: no process, cgroup, namespace, mount, socket or state.

use std::time::Duration;

use nemoclaw_tests::World;
use nemoclaw_tests::alone;
use nemoclaw_tests::bundle::Bundle;
use nemoclaw_tests::container::{Container, run, unique};
use nemoclaw_tests::leftovers::Picture;
use nemoclaw_tests::pods::Pod;
use nemoclaw_tests::router::shared_pid;
use nemoclaw_tests::shell::finish;
use nemoclaw_tests::{containerd, podman};

fn picture(world: &World) -> Picture {
    Picture::take(world, &world.path("state"), shared_pid(world))
}

/// Compares now with `before`, giving engines two seconds to clean up behind themselves.
#[track_caller]
fn nothing_new(world: &World, before: &Picture, what: &str) {
    let mut lines = Vec::new();
    for _ in 0..20 {
        lines = picture(world).new_since(before);
        if lines.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what} left behind:\n{}", lines.join("\n"));
}

#[test]
fn a_failing_hook_leaves_nothing() {
    let world = alone!();
    let _turn = crate::turn();
    run(world, "nemoclaw-test", &[], &["nct/busybox", "true"]).ok(); // engines make their own parents once
    let before = picture(world);
    for _ in 0..3 {
        run(world, "nemoclaw-badhook", &[], &["nct/busybox", "true"]).fails_saying("hook");
    }
    nothing_new(world, &before, "a failing hook");
}

#[test]
fn an_absent_router_leaves_nothing() {
    let world = alone!();
    let _turn = crate::turn();
    run(world, "nemoclaw-test", &[], &["nct/busybox", "true"]).ok();
    let before = picture(world);
    for _ in 0..3 {
        run(world, "nemoclaw-absent", &[], &["nct/busybox", "true"])
            .fails_saying("nemoclaw router start");
    }
    nothing_new(world, &before, "an absent router");
    let left: Vec<_> = std::fs::read_dir(world.path("state-other/absent/boxes"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_box_that_ended_leaves_nothing() {
    let world = alone!();
    let _turn = crate::turn();
    run(world, "nemoclaw-test", &[], &["nct/busybox", "true"]).ok();
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        let before = picture(world);
        for _ in 0..3 {
            run(world, runtime, &[], &["nct/busybox", "true"]).ok();
            let container = Container::start(world, runtime, &[], &["nct/busybox", "sleep", "300"]);
            container.exec(&["true"]).ok();
            let living = picture(world).new_since(&before).join("\n");
            for kind in ["cgroup", "network namespace", "state"] {
                assert!(
                    living.contains(kind),
                    "a living box has a {kind}:\n{living}"
                );
            }
            container.verb(&["kill"]).ok();
        }
        nothing_new(world, &before, &format!("a box of {runtime}"));
    }
}

#[test]
fn a_create_that_is_deleted_unstarted_leaves_nothing() {
    let world = alone!();
    let _turn = crate::turn();
    let bundle = Bundle::make(world, "unstarted");
    let before = picture(world);
    let id = unique("unstarted");
    // The box holds what create was given as its streams: a pipe would stay open.
    let created = bundle
        .runtime("config", "test")
        .args(["create", "--bundle"])
        .arg(bundle.path())
        .arg(&id)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    assert!(created.is_ok_and(|status| status.success()));
    let mut delete = bundle.runtime("config", "test");
    delete.args(["delete", "--force", &id]);
    finish(delete, None, Duration::from_secs(20)).ok();
    nothing_new(world, &before, "create and delete");
}

#[test]
fn a_program_that_does_not_exist_leaves_nothing() {
    let world = alone!();
    let _turn = crate::turn();
    run(world, "nemoclaw-test", &[], &["nct/busybox", "true"]).ok();
    let before = picture(world);
    run(
        world,
        "nemoclaw-test",
        &[],
        &["nct/busybox", "no-such-program"],
    )
    .exits(127);
    nothing_new(world, &before, "a failed start");
}

#[test]
fn a_pod_that_ended_or_was_refused_leaves_nothing() {
    let world = alone!();
    let _turn = crate::turn();
    let live = || {
        let pod = Pod::start(world, "nemoclaw-test", &[]);
        let (first, second) = (
            pod.container("first", "nct/busybox", &["sleep", "300"]),
            pod.container("second", "nct/busybox", &["sleep", "300"]),
        );
        first.exec(&["true"]).ok();
        second.exec(&["true"]).ok();
        pod.end();
    };
    live(); // engines make their own parents once
    let before = picture(world);
    live();
    live();
    nothing_new(world, &before, "a pod");
    let unlisted = [("nemoclaw.dev/policy", "dev")];
    Pod::ask(world, "nemoclaw-test", &unlisted).expect_err("an unlisted policy");
    nothing_new(world, &before, "a refused pod");
}

#[test]
fn a_box_of_ctr_or_of_podman_that_ended_leaves_nothing() {
    let world = alone!();
    let _turn = crate::turn();
    containerd::ensure(world);
    podman::ensure(world);
    let live = || {
        let task = containerd::Task::start(world, "test", &[], &["sleep", "300"]);
        task.exec(&["true"]).ok();
        let container = podman::Box::start(world, "nemoclaw-test", &[], &["sleep", "300"]);
        container.exec(&[], &["true"]).ok();
    };
    live();
    let before = picture(world);
    live();
    live();
    nothing_new(world, &before, "a box of ctr or of podman");
}
