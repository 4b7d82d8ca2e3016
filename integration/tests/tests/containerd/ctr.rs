//! `ctr`'s verbs, with the policy in the runtime's name, since containerd passes no arguments.

use std::time::Duration;

use crate::engine;
use nemoclaw_tests::bundle::Bundle;
use nemoclaw_tests::containerd::{BUSYBOX, Task, run, run_plain};
use nemoclaw_tests::probe::parse_state;
use nemoclaw_tests::shell::wait_for;

const SLEEPER: &[&str] = &["sleep", "300"];

#[test]
fn run_gives_output_and_exit_code_of_an_image_and_of_a_directory() {
    let Some(world) = engine() else { return };
    run(world, "test", &[], BUSYBOX, &["echo", "from an image"])
        .ok()
        .says("from an image");
    run(world, "test", &[], BUSYBOX, &["sh", "-c", "exit 42"]).exits(42);
    run(world, "test", &[], BUSYBOX, &["no-such-program"])
        .fails_saying("executable file not found");
    let bundle = Bundle::make(world, "ctr");
    let tree = bundle.path().join("rootfs").display().to_string();
    run(
        world,
        "test",
        &["--rootfs"],
        &tree,
        &["echo", "from a directory"],
    )
    .ok()
    .says("from a directory");
}

#[test]
fn an_execed_program_has_the_walls_of_the_first() {
    let Some(world) = engine() else { return };
    let first = parse_state(run(
        world,
        "test",
        &[],
        BUSYBOX,
        &["nemoclaw-probe", "state"],
    ));
    let task = Task::start(world, "test", &[], SLEEPER);
    let second = parse_state(task.exec(&["nemoclaw-probe", "state"]));
    for state in [&first, &second] {
        assert_eq!(
            (state.seccomp.as_str(), state.no_new_privs.as_str()),
            ("2", "1")
        );
    }
    assert_eq!(first.cap_bnd, "0000000000000000");
    assert_eq!(
        (first.cap_bnd, first.cap_eff, first.cap_prm),
        (second.cap_bnd, second.cap_eff, second.cap_prm)
    );
    task.exec(&["sh", "-c", "exit 7"]).exits(7);
    task.exec(&["no-such-program"])
        .fails_saying("executable file not found");
}

#[test]
fn kill_reaches_the_program_and_delete_removes_the_box() {
    let Some(world) = engine() else { return };
    let script = "trap 'exit 3' TERM; touch /tmp/ready; while :; do sleep 0.1; done";
    let task = Task::start(world, "test", &[], &["sh", "-c", script]);
    assert_eq!(task.listed().1, "RUNNING");
    wait_for("the trap to be set", Duration::from_secs(10), || {
        (task.exec(&["test", "-e", "/tmp/ready"]).code == 0).then_some(())
    });
    task.verb(&["kill", "--signal", "SIGTERM"], &[]).ok();
    wait_for("the program's end", Duration::from_secs(5), || {
        (task.listed().1 == "STOPPED").then_some(())
    });
    task.verb(&["delete"], &[]).ok().says("exit code 3");
    assert!(
        !world.path("state/boxes").join(&task.id).exists(),
        "state of {} must be gone",
        task.id
    );
}

#[test]
fn pause_stops_time_and_resume_starts_it() {
    let Some(world) = engine() else { return };
    let script = "while :; do date +%s%N >/tmp/t; sleep 0.05; done";
    let task = Task::start(world, "test", &[], &["sh", "-c", script]);
    let (pid, _) = task.listed();
    let read = || std::fs::read_to_string(format!("/proc/{pid}/root/tmp/t")).unwrap_or_default();
    wait_for("the first tick", Duration::from_secs(5), || {
        (!read().is_empty()).then_some(())
    });
    task.verb(&["pause"], &[]).ok();
    assert_eq!(task.listed().1, "PAUSED");
    let before = read();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(before, read(), "a paused program must not run");
    task.verb(&["resume"], &[]).ok();
    wait_for("time to go on", Duration::from_secs(5), || {
        (read() != before).then_some(())
    });
}

#[test]
fn metrics_and_ps_show_the_box() {
    let Some(world) = engine() else { return };
    let limit = (96 << 20).to_string();
    let task = Task::start(world, "test", &["--memory-limit", &limit], SLEEPER);
    let metrics = task.verb(&["metrics"], &[]).ok();
    let number = |name: &str| -> u64 {
        let line = metrics.stdout.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name}: {metrics:?}"))
    };
    assert!(number("memory.usage_in_bytes") > 0);
    assert_eq!(number("memory.limit_in_bytes"), 96 << 20);
    assert_eq!(number("pids.current"), 1);
    assert!(number("cpuacct.usage ") > 0);
    let (pid, _) = task.listed();
    task.verb(&["ps"], &[]).ok().says(&pid);
}

#[test]
fn a_terminal_is_one() {
    let Some(world) = engine() else { return };
    let id = nemoclaw_tests::container::unique("ctr");
    let binary = nemoclaw_tests::machine::runtime_text(world, "test");
    let client = nemoclaw_tests::containerd::client(
        world,
        &[
            "run",
            "--rm",
            "--tty",
            "--runc-binary",
            &binary,
            BUSYBOX,
            &id,
            "sh",
            "-c",
            "tty; sleep 0.5; stty size",
        ],
    );
    let words: Vec<String> = std::iter::once(client.get_program())
        .chain(client.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let typescript = format!("stty rows 33 cols 77; {}", words.join(" "));
    let said = nemoclaw_tests::shell::run("script", &["-qec", &typescript, "/dev/null"]).ok();
    assert!(
        said.stdout.contains("/dev/pts/0") || said.stdout.contains("/dev/console"),
        "{said:?}"
    );
    said.says("33 77");
}

#[test]
fn the_runtimes_name_chooses_the_policy() {
    let Some(world) = engine() else { return };
    let secret = ["cat", "/dir/secret"];
    run(world, "default", &[], BUSYBOX, &secret)
        .ok()
        .says("not for this policy");
    run(world, "strict", &[], BUSYBOX, &secret).fails_saying("Permission denied");
    let devices = ["cat", "/proc/net/dev"];
    run(world, "offline", &[], BUSYBOX, &devices)
        .ok()
        .says("lo:");
    run(
        world,
        "unconfined",
        &[],
        BUSYBOX,
        &["sh", "-c", "echo x >/dir/new && cat /dir/new"],
    )
    .ok()
    .says("x");
    run(world, "no-such-policy", &[], BUSYBOX, &["true"]).fails_saying("no-such-policy");
}

#[test]
fn an_annotation_narrows_and_never_widens() {
    let Some(world) = engine() else { return };
    let secret = ["cat", "/dir/secret"];
    let narrow = ["--annotation", "nemoclaw.dev/policy=strict"];
    run(world, "default", &narrow, BUSYBOX, &secret).fails_saying("Permission denied");
    let wide = ["--annotation", "nemoclaw.dev/policy=default"];
    run(world, "strict", &wide, BUSYBOX, &secret).fails_saying("Permission denied");
    let unlisted = ["--annotation", "nemoclaw.dev/policy=dev"];
    run(world, "default", &unlisted, BUSYBOX, &["true"]).fails_saying("selectable");
}

#[test]
fn what_cannot_be_a_box_is_refused_in_one_sentence() {
    let Some(world) = engine() else { return };
    for (option, word) in [("--privileged", "privileged"), ("--net-host", "network")] {
        run_plain(world, &[option], BUSYBOX, &["true"]).ok();
        let refused = run(world, "test", &[option], BUSYBOX, &["true"]);
        assert!(
            refused.code != 0
                && refused.stderr.contains("a sandbox cannot")
                && refused.stderr.contains(word),
            "{refused:?}"
        );
    }
}
