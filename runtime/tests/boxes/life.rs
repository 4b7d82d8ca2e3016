//! The life of a box as engines drive it.

use std::time::{Duration, Instant};

use crate::harness::{id, node};

#[test]
fn twenty_runs_at_once_all_end() {
    let Some(node) = node() else { return };
    node.config("exit 4", |_| {});
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20).map(|_| scope.spawn(|| node.run(&id()))).collect();
        for run in runs {
            let said = run.join().expect("thread");
            assert_eq!(said.code, 4, "{}", said.err);
        }
    });
    assert!(
        begun.elapsed() < Duration::from_secs(120),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn states_follow_each_other_and_errors_use_the_engines_words() {
    let Some(node) = node() else { return };
    let box_id = id();
    let status = || {
        let text = node.call(&["state", &box_id]).out;
        serde_json::from_str::<serde_json::Value>(&text)
            .map(|state| (state["status"].clone(), state["pid"].clone()))
    };
    assert!(
        node.call(&["state", &box_id])
            .err
            .contains("does not exist")
    );
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.config("sleep 60", |_| {});
    let created = node.create(&box_id);
    assert_eq!(created.code, 0, "{}", created.err);
    assert_eq!(status().expect("state").0, "created");
    assert!(node.create(&box_id).err.contains("exists"));
    assert_eq!(node.call(&["start", &box_id]).code, 0);
    assert_eq!(status().expect("state").0, "running");
    assert_eq!(node.call(&["pause", &box_id]).code, 0);
    assert_eq!(status().expect("state").0, "paused");
    assert_eq!(node.call(&["resume", &box_id]).code, 0);
    assert!(
        node.call(&["ps", "--format", "json", &box_id])
            .out
            .starts_with('[')
    );
    assert_ne!(
        node.call(&["update", "--pids-limit", "-1", &box_id]).code,
        0
    );
    assert_eq!(
        node.call(&["update", "--pids-limit", "50", &box_id]).code,
        0
    );
    assert_ne!(node.call(&["delete", &box_id]).code, 0);
    assert_eq!(node.call(&["kill", &box_id, "KILL"]).code, 0);
    std::thread::sleep(Duration::from_millis(200));
    let stopped = status().expect("state");
    assert_eq!((stopped.0, stopped.1), ("stopped".into(), 0.into()));
    assert!(
        node.call(&["kill", &box_id, "9"])
            .err
            .contains("container not running")
    );
    assert_eq!(node.call(&["kill", "--all", &box_id, "9"]).code, 0);
    assert_eq!(node.call(&["delete", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn a_signal_ends_a_foreground_exec_with_128_and_its_number() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    assert_eq!(
        node.call(&["exec", &box_id, "sh", "-c", "kill -9 $$"]).code,
        137
    );
    assert_eq!(node.call(&["exec", &box_id, "sh", "-c", "exit 9"]).code, 9);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn a_frozen_box_can_be_killed_and_removed() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    assert_eq!(node.call(&["pause", &box_id]).code, 0);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn two_engines_cannot_touch_each_others_boxes() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    let other = |args: &[&str]| {
        let root = node.path().join("other-root");
        let mut command = node.command(&["--root", root.to_str().expect("path")]);
        let output = command.args(args).output().expect("run");
        (
            output.status.code(),
            node.errors().pop().unwrap_or_default(),
        )
    };
    assert!(other(&["state", &box_id]).1.contains("does not exist"));
    assert_eq!(other(&["delete", "--force", &box_id]).0, Some(0));
    let bundle = node.bundle();
    let again = other(&[
        "create",
        "--bundle",
        bundle.to_str().expect("path"),
        &box_id,
    ]);
    assert!(
        again.1.contains("belongs to the engine with root"),
        "{}",
        again.1
    );
    assert!(node.call(&["state", &box_id]).out.contains("running"));
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn a_box_runs_once_its_program_does_also_when_its_start_was_killed() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("exec sleep 60", |_| {});
    node.up(&box_id);
    // What a start leaves that is killed after its word to init: nobody has written that the program runs.
    let path = node
        .path()
        .join("state/boxes")
        .join(&box_id)
        .join("state.json");
    let text = std::fs::read_to_string(&path).expect("state");
    assert!(text.contains("\"running\""), "{text}");
    std::fs::write(&path, text.replace("\"running\"", "\"created\"")).expect("state");
    assert!(node.call(&["state", &box_id]).out.contains("\"running\""));
    assert_eq!(node.call(&["start", &box_id]).code, 1);
    let said = node.call(&["exec", &box_id, "echo", "in"]);
    assert_eq!((said.out.as_str(), said.code), ("in\n", 0), "{}", said.err);
    let said = node.call(&["delete", &box_id]);
    assert!(said.err.contains("that is not stopped"), "{}", said.err);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn a_wrong_command_line_leaves_its_sentence_in_the_log() {
    let Some(node) = node() else { return };
    let said = node.call(&["create", "--nope", "x"]);
    assert_eq!(said.code, 1);
    let told = node.errors();
    assert_eq!(
        told,
        ["unexpected argument '--nope' found: see `nemoclaw-runtime --help`"]
    );
    // The sentence is nowhere else.
    assert_eq!(said.err, told.concat());
    assert_eq!(node.call(&["kill"]).code, 1);
    assert_eq!(node.errors().len(), 2);
}

#[test]
fn a_start_that_is_killed_at_any_time_leaves_a_box_that_says_what_it_is() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("exec sleep 60", |_| {});
    for step in 0..20 {
        assert_eq!(node.create(&box_id).code, 0);
        let mut start = node.command(&["start", &box_id]).spawn().expect("run");
        std::thread::sleep(std::time::Duration::from_millis(step));
        start.kill().expect("kill");
        start.wait().expect("wait");
        // A second start is too late where init is on its way to the program already.
        let runs = || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let runs = node.call(&["state", &box_id]).out.contains("\"running\"");
            runs || node.call(&["start", &box_id]).code == 0
        };
        assert!((0..50).any(|_| runs()), "step {step}");
        let said = node.call(&["exec", &box_id, "true"]);
        assert_eq!(said.code, 0, "step {step}: {}", said.err);
        assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
        node.assert_nothing_left(&box_id);
    }
}
