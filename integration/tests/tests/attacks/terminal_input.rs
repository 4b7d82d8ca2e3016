//! Typing into the operator's terminal: TIOCSTI, also with garbage in the request's high bits, and TIOCLINUX.

use nemoclaw_tests::container::run;
use nemoclaw_tests::probe::parse;
use nemoclaw_tests::{nemoclaw, world};

const NAMES: &[&str] = &["tiocsti", "tiocsti_high_bits"];

fn with_terminal(
    world: &nemoclaw_tests::World,
    runtime: &str,
) -> std::collections::BTreeMap<String, nemoclaw_tests::probe::Attempt> {
    let mut words = vec!["nct/busybox", "/usr/bin/nemoclaw-probe"];
    words.extend(NAMES);
    parse(run(
        world,
        runtime,
        &[
            "-t",
            "--cap-add",
            "SYS_ADMIN",
            "--security-opt",
            "seccomp=unconfined",
        ],
        &words,
    ))
}

#[test]
fn without_the_box_the_request_reaches_the_terminal() {
    let table = with_terminal(world!(), "runc");
    for name in NAMES {
        assert!(
            table[*name].worked() || table[*name].errno == "EIO",
            "{:?}",
            table[*name]
        );
    }
}

#[test]
fn in_the_box_the_filter_refuses_it() {
    let world = nemoclaw!();
    let mut words = vec!["nct/busybox", "/usr/bin/nemoclaw-probe"];
    words.extend(NAMES);
    for (name, attempt) in parse(run(world, "nemoclaw", &["-t"], &words)) {
        assert!(
            attempt.result == "killed" || attempt.errno == "EPERM",
            "{name}: {attempt:?}"
        );
    }
}
