//! Docker's verbs.

use std::time::Duration;

use nemoclaw_tests::container::{Container, run, unique};
use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::{nemoclaw, sh};

const SLEEPER: &[&str] = &["nct/busybox", "sleep", "300"];

#[test]
fn exit_codes_are_the_programs() {
    let world = nemoclaw!();
    run(
        world,
        "nemoclaw",
        &[],
        &["nct/busybox", "sh", "-c", "exit 42"],
    )
    .exits(42);
    run(world, "nemoclaw", &[], &["nct/busybox", "no-such-program"])
        .exits(127)
        .says("executable file not found");
    run(world, "nemoclaw", &[], &["nct/busybox", "/etc/passwd"])
        .exits(126)
        .says("permission denied");
}

#[test]
fn logs_show_both_streams() {
    let world = nemoclaw!();
    let container = Container::start(
        world,
        "nemoclaw",
        &[],
        &["nct/busybox", "sh", "-c", "echo out; echo err >&2"],
    );
    container.verb(&["wait"]).ok();
    let logs = container.verb(&["logs"]).ok();
    assert_eq!((logs.stdout.trim(), logs.stderr.trim()), ("out", "err"));
}

#[test]
fn exec_gives_output_exit_code_and_input() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], SLEEPER);
    container.exec(&["echo", "hello"]).ok().says("hello");
    container.exec(&["sh", "-c", "exit 7"]).exits(7);
    container.exec(&["sh", "-c", "kill -9 $$"]).exits(137);
    // As with runc: Docker 20.10 gives 126 for every exec that cannot start.
    container
        .exec(&["no-such-program"])
        .exits(126)
        .says("executable file not found");
    container
        .exec_with(&["-e", "A=b", "-w", "/tmp"], &["sh", "-c", "echo $A $PWD"])
        .ok()
        .says("b /tmp");
    let mut client = container
        .engine
        .client(world, &["exec", "-i", &container.name, "cat"]);
    client.env("LC_ALL", "C");
    nemoclaw_tests::shell::finish(client, Some(b"from outside\n"), Duration::from_secs(20))
        .ok()
        .says("from outside");
}

#[test]
fn kill_sends_the_signal() {
    let world = nemoclaw!();
    let script = "trap 'echo got usr1' USR1; while :; do sleep 0.1; done";
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sh", "-c", script]);
    std::thread::sleep(Duration::from_millis(300));
    container.verb(&["kill", "-s", "USR1"]).ok();
    wait_for("the trap", Duration::from_secs(5), || {
        container
            .verb(&["logs"])
            .stdout
            .contains("got usr1")
            .then_some(())
    });
    container.verb(&["kill"]).ok();
    container.verb(&["wait"]).ok().says("137");
}

#[test]
fn stop_ends_gently_then_by_force() {
    let world = nemoclaw!();
    let script = "trap 'echo bye; exit 3' TERM; while :; do sleep 0.1; done";
    let gentle = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sh", "-c", script]);
    std::thread::sleep(Duration::from_millis(300));
    gentle.verb(&["stop", "-t", "5"]).ok();
    assert_eq!(gentle.inspect("{{.State.ExitCode}}"), "3");
    let stubborn = Container::start(world, "nemoclaw", &[], SLEEPER);
    stubborn.verb(&["stop", "-t", "1"]).ok();
    assert_eq!(stubborn.inspect("{{.State.ExitCode}}"), "137");
}

#[test]
fn pause_stops_time_and_unpause_starts_it() {
    let world = nemoclaw!();
    let container = Container::start(
        world,
        "nemoclaw",
        &[],
        &[
            "nct/busybox",
            "sh",
            "-c",
            "while :; do date +%s%N >/tmp/t; sleep 0.05; done",
        ],
    );
    let read = || {
        std::fs::read_to_string(format!("/proc/{}/root/tmp/t", container.pid())).unwrap_or_default()
    };
    wait_for("the first tick", Duration::from_secs(5), || {
        (!read().is_empty()).then_some(())
    });
    container.verb(&["pause"]).ok();
    assert_eq!(container.inspect("{{.State.Status}}"), "paused");
    let before = read();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(before, read(), "a paused program must not run");
    container.verb(&["unpause"]).ok();
    wait_for("time to go on", Duration::from_secs(5), || {
        (read() != before).then_some(())
    });
}

#[test]
fn update_changes_limits() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &["-m", "64m"], SLEEPER);
    let limit = || {
        sh(&format!("cat /sys/fs/cgroup/memory$(sed -n 's/.*:memory://p' /proc/{}/cgroup)/memory.limit_in_bytes", container.pid())).text()
    };
    assert_eq!(limit(), (64 << 20).to_string());
    container
        .verb(&["update", "-m", "96m", "--memory-swap", "96m"])
        .ok();
    assert_eq!(limit(), (96 << 20).to_string());
}

#[test]
fn top_lists_the_processes() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], SLEEPER);
    container.verb(&["top"]).ok().says("sleep 300");
}

#[test]
fn restart_keeps_the_sandbox_directory_and_the_walls() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw-test", &[], SLEEPER);
    container
        .exec(&["sh", "-c", "echo kept >/sandbox/file"])
        .ok();
    for _ in 0..2 {
        container.verb(&["restart", "-t", "0"]).ok();
        container.exec(&["cat", "/sandbox/file"]).ok().says("kept");
        let state = nemoclaw_tests::probe::parse_state(
            container.exec(&["/usr/bin/nemoclaw-probe", "state"]),
        );
        assert_eq!(
            (state.seccomp.as_str(), state.cap_eff.as_str()),
            ("2", "0000000000000000")
        );
    }
}

#[test]
fn cp_works_both_ways() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw", &[], SLEEPER);
    let dir = tempfile::tempdir().expect("dir");
    std::fs::write(dir.path().join("in"), "carried\n").expect("file");
    let here = dir.path().display().to_string();
    let there = format!("{}:/sandbox/in", container.name);
    world.docker(&["cp", &format!("{here}/in"), &there]).ok();
    container.exec(&["cat", "/sandbox/in"]).ok().says("carried");
    container
        .exec(&["sh", "-c", "echo back >/sandbox/out"])
        .ok();
    world
        .docker(&[
            "cp",
            &format!("{}:/sandbox/out", container.name),
            &format!("{here}/out"),
        ])
        .ok();
    assert_eq!(
        std::fs::read_to_string(dir.path().join("out")).expect("out"),
        "back\n"
    );
}

#[test]
fn rm_force_ends_and_removes() {
    let world = nemoclaw!();
    let container = Container::start(world, "nemoclaw-test", &[], SLEEPER);
    let (pid, id) = (container.pid(), container.id());
    container.verb(&["rm", "-f"]).ok();
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(
        !world.path("state/boxes").join(&id).exists(),
        "state of {id} must be gone"
    );
}

#[test]
fn create_and_start_apart_work() {
    let world = nemoclaw!();
    let name = unique("apart");
    world
        .docker(&[
            "create",
            "--name",
            &name,
            "--runtime",
            "nemoclaw",
            "nct/busybox",
            "echo",
            "apart",
        ])
        .ok();
    let said = world.docker(&["start", "-a", &name]);
    world.docker(&["rm", "-f", &name]);
    said.ok().says("apart");
}
