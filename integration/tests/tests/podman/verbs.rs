//! Podman's verbs.

use std::time::Duration;

use crate::engine;
use nemoclaw_tests::podman::{Box, client, podman, run};
use nemoclaw_tests::probe::parse_state;
use nemoclaw_tests::shell::{finish, wait_for};

const SLEEPER: &[&str] = &["sleep", "300"];

#[test]
fn exit_codes_are_the_programs() {
    let Some(world) = engine() else { return };
    run(world, "nemoclaw-test", &[], &["sh", "-c", "exit 42"]).exits(42);
    run(world, "nemoclaw-test", &[], &["no-such-program"])
        .exits(127)
        .says("executable file not found");
    run(world, "nemoclaw-test", &[], &["/etc/passwd"])
        .exits(126)
        .says("permission denied");
}

#[test]
fn an_execed_program_has_the_walls_of_the_first() {
    let Some(world) = engine() else { return };
    let first = parse_state(run(
        world,
        "nemoclaw-test",
        &[],
        &["nemoclaw-probe", "state"],
    ));
    let container = Box::start(world, "nemoclaw-test", &[], SLEEPER);
    let second = parse_state(container.exec(&[], &["nemoclaw-probe", "state"]));
    for state in [first, second] {
        assert_eq!(
            (state.seccomp.as_str(), state.no_new_privs.as_str()),
            ("2", "1")
        );
        assert_eq!(
            (state.cap_bnd.as_str(), state.cap_eff.as_str()),
            ("0000000000000000", "0000000000000000")
        );
    }
}

#[test]
fn exec_gives_output_exit_code_input_and_a_terminal() {
    let Some(world) = engine() else { return };
    let container = Box::start(world, "nemoclaw-test", &[], SLEEPER);
    container
        .exec(
            &["-e", "A=b", "-w", "/tmp"],
            &["sh", "-c", "echo $A $PWD; exit 7"],
        )
        .exits(7)
        .says("b /tmp");
    container.exec(&[], &["no-such-program"]).exits(127);
    let piped = client(world, &["exec", "-i", &container.name, "cat"]);
    finish(piped, Some(b"from outside\n"), Duration::from_secs(20))
        .ok()
        .says("from outside");
    for option in ["-t", "-it"] {
        let words = client(world, &["exec", option, &container.name, "tty"]);
        let line: Vec<String> = std::iter::once(words.get_program())
            .chain(words.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        nemoclaw_tests::shell::run("script", &["-qec", &line.join(" "), "/dev/null"])
            .ok()
            .says("/dev/pts/");
    }
}

#[test]
fn logs_inspect_top_and_stats_show_the_box() {
    let Some(world) = engine() else { return };
    let script = "echo out; echo err >&2; exec sleep 300";
    let container = Box::start(
        world,
        "nemoclaw-test",
        &["-m", "64m"],
        &["sh", "-c", script],
    );
    let logs = wait_for("the logs", Duration::from_secs(5), || {
        let logs = container.verb(&["logs"]);
        (logs.stdout.contains("out") && logs.stderr.contains("err")).then_some(logs)
    });
    assert_eq!((logs.stdout.trim(), logs.stderr.trim()), ("out", "err"));
    let format = "{{.OCIRuntime}} {{.State.Status}} {{.HostConfig.Memory}}";
    assert_eq!(
        container.inspect(format),
        format!("nemoclaw-test running {}", 64 << 20)
    );
    container.verb(&["top"]).ok().says("sleep 300");
    let stats = container.verb(&[
        "stats",
        "--no-stream",
        "--format",
        "{{.PIDs}} {{.MemUsage}}",
    ]);
    assert!(
        stats.stdout.starts_with("1 ") && stats.stdout.contains("67.11MB"),
        "{stats:?}"
    );
}

#[test]
fn pause_stops_time_and_unpause_starts_it() {
    let Some(world) = engine() else { return };
    let script = "while :; do date +%s%N >/tmp/t; sleep 0.05; done";
    let container = Box::start(world, "nemoclaw-test", &[], &["sh", "-c", script]);
    let pid = container.inspect("{{.State.Pid}}");
    let read = || std::fs::read_to_string(format!("/proc/{pid}/root/tmp/t")).unwrap_or_default();
    wait_for("the first tick", Duration::from_secs(5), || {
        (!read().is_empty()).then_some(())
    });
    container.verb(&["pause"]).ok();
    assert_eq!(container.inspect("{{.State.Status}}"), "paused");
    let before = read();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(before, read(), "a paused program must not run");
    container.verb(&["unpause"]).ok();
    wait_for("time to go on", Duration::from_secs(5), || {
        (read() != before).then_some(())
    });
}

#[test]
fn stop_ends_start_begins_again_and_rm_leaves_nothing() {
    let Some(world) = engine() else { return };
    let script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let container = Box::start(world, "nemoclaw-test", &[], &["sh", "-c", script]);
    let id = container.inspect("{{.Id}}");
    wait_for("the trap to be set", Duration::from_secs(10), || {
        container
            .verb(&["logs"])
            .stdout
            .contains("ready")
            .then_some(())
    });
    container
        .exec(&[], &["sh", "-c", "echo kept >/sandbox/file"])
        .ok();
    container.verb(&["stop", "-t", "5"]).ok();
    assert_eq!(container.inspect("{{.State.ExitCode}}"), "3");
    container.verb(&["start"]).ok();
    container
        .exec(&[], &["cat", "/sandbox/file"])
        .ok()
        .says("kept");
    container.verb(&["kill", "-s", "KILL"]).ok();
    container.verb(&["wait"]).ok().says("137");
    container.verb(&["rm", "-f", "-t", "0"]).ok();
    assert!(
        !world.path("state/boxes").join(&id).exists(),
        "state of {id} must be gone"
    );
}

#[test]
fn update_of_a_running_box_goes_through_the_runtime() {
    let Some(world) = engine() else { return };
    let container = Box::start(world, "nemoclaw-test", &["--cpus", "0.5"], SLEEPER);
    let quota = || {
        let pid = container.inspect("{{.State.Pid}}");
        nemoclaw_tests::sh(&format!(
            "cat /sys/fs/cgroup/cpu$(sed -n 's/.*:cpu://p' /proc/{pid}/cgroup)/cpu.cfs_quota_us"
        ))
        .text()
    };
    assert_eq!(quota(), "50000");
    container.verb(&["update", "--cpus", "0.7"]).ok();
    assert_eq!(quota(), "70000");
}

#[test]
fn a_directory_is_as_good_as_an_image() {
    let Some(world) = engine() else { return };
    let bundle = nemoclaw_tests::bundle::Bundle::make(world, "podman");
    let tree = bundle.path().join("rootfs").display().to_string();
    for place in [tree.clone(), format!("{tree}:O")] {
        let words = [
            "run",
            "--rm",
            "--runtime",
            "nemoclaw-test",
            "--network",
            "none",
            "--rootfs",
            &place,
            "echo",
            "from a directory",
        ];
        podman(world, &words).ok().says("from a directory");
    }
}
