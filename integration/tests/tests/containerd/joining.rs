//! A namespace that is joined by path: ours under its policy, and nobody else's.

use std::time::Duration;

use crate::engine;
use nemoclaw_tests::containerd::{BUSYBOX, Task, run, run_plain};
use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::{World, sh};

const SLEEPER: &[&str] = &["sleep", "300"];

/// `--with-ns KIND:/proc/PID/ns/FILE` for each kind.
fn joins(task: &Task<'_>, kinds: &[(&str, &str)]) -> Vec<String> {
    let (pid, _) = task.listed();
    kinds
        .iter()
        .flat_map(|(kind, file)| {
            [
                "--with-ns".to_owned(),
                format!("{kind}:/proc/{pid}/ns/{file}"),
            ]
        })
        .collect()
}

fn ask(
    world: &World,
    policy: Option<&str>,
    options: &[String],
    words: &[&str],
) -> nemoclaw_tests::Output {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    match policy {
        Some(policy) => run(world, policy, &options, BUSYBOX, words),
        None => run_plain(world, &options, BUSYBOX, words),
    }
}

#[test]
fn without_the_box_a_container_joins_a_strangers_namespaces() {
    let Some(world) = engine() else { return };
    let stranger = Task::start_plain(world, &[], SLEEPER);
    for kind in [
        ("network", "net"),
        ("pid", "pid"),
        ("ipc", "ipc"),
        ("uts", "uts"),
    ] {
        let options = joins(&stranger, &[kind]);
        ask(world, None, &options, &["echo", "joined"])
            .ok()
            .says("joined");
    }
}

#[test]
fn in_the_box_a_strangers_namespaces_are_refused() {
    let Some(world) = engine() else { return };
    let stranger = Task::start_plain(world, &[], SLEEPER);
    for kind in [
        ("network", "net"),
        ("pid", "pid"),
        ("ipc", "ipc"),
        ("uts", "uts"),
    ] {
        let options = joins(&stranger, &[kind]);
        let refused = ask(world, Some("test"), &options, &["echo", "joined"]);
        assert!(
            refused.code != 0
                && refused
                    .stderr
                    .contains(&format!("cannot join the {} namespace", kind.0))
                && !refused.stdout.contains("joined"),
            "{kind:?}: {refused:?}"
        );
    }
}

#[test]
fn a_box_that_joins_ours_has_its_router_and_no_hook_of_its_own() {
    let Some(world) = engine() else { return };
    let first = Task::start(world, "test", &[], SLEEPER);
    let options = joins(
        &first,
        &[("network", "net"), ("ipc", "ipc"), ("uts", "uts")],
    );
    let fetch = ["wget", "-q", "-O", "-", "http://api.example.com/hello"];
    ask(world, Some("test"), &options, &fetch)
        .ok()
        .says("\"nct\": \"ok\"");
    let unlisted = ["nemoclaw-probe", "dns", "name=other.example.com"];
    ask(world, Some("test"), &options, &unlisted)
        .ok()
        .says("\"rcode\":3");
}

#[test]
fn the_namespace_of_a_dead_box_that_a_stranger_holds_is_refused() {
    let Some(world) = engine() else { return };
    let first = Task::start(world, "test", &[], SLEEPER);
    let (pid, _) = first.listed();
    let options = joins(&first, &[("network", "net")]);
    let words: Vec<&str> = options.iter().map(String::as_str).collect();
    let stranger = Task::start_plain(world, &words, SLEEPER);
    first.verb(&["kill", "--signal", "SIGKILL"], &[]).ok();
    sh(&format!(
        "while test -e /proc/{pid}/ns/net; do sleep 0.05; done"
    ));
    let options = joins(&stranger, &[("network", "net")]);
    let refused = ask(world, Some("test"), &options, &["echo", "joined"]);
    assert!(
        refused.code != 0 && refused.stderr.contains("network namespace"),
        "{refused:?}"
    );
}

#[test]
fn an_offline_box_does_not_join_one_that_has_a_router() {
    let Some(world) = engine() else { return };
    let first = Task::start(world, "test", &[], SLEEPER);
    let options = joins(&first, &[("network", "net")]);
    ask(world, Some("offline"), &options, &["echo", "joined"]).fails_saying("has a way out");
    let first = Task::start(world, "offline", &[], SLEEPER);
    let options = joins(&first, &[("network", "net")]);
    ask(world, Some("offline"), &options, &["echo", "joined"])
        .ok()
        .says("joined");
}

#[test]
fn a_box_that_joined_is_no_guard_but_leads_to_the_one_that_is() {
    let Some(world) = engine() else { return };
    let first = Task::start(world, "test", &[], SLEEPER);
    let options = joins(&first, &[("network", "net")]);
    let words: Vec<&str> = options.iter().map(String::as_str).collect();
    let second = Task::start(world, "test", &words, SLEEPER);
    let options = joins(&second, &[("network", "net")]);
    let mark = nemoclaw_tests::container::unique("mark");
    let url = format!("http://api.example.com/{mark}");
    let fetch = ["wget", "-q", "-O", "-", url.as_str()];
    ask(world, Some("test"), &options, &fetch).ok();
    let audit = std::fs::read_to_string(world.path(&format!("data/audit/{}.jsonl", first.id)));
    assert!(audit.expect("audit").contains(&mark));
    first.verb(&["kill", "--signal", "SIGKILL"], &[]).ok();
    wait_for("the first box's end", Duration::from_secs(5), || {
        (first.listed().1 == "STOPPED").then_some(())
    });
    ask(world, Some("test"), &options, &["echo", "joined"]).fails_saying("network namespace");
}
