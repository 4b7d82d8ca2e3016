//! Taking over another program's process: ptrace, its memory, its descriptors.

use nemoclaw_tests::container::Container;
use nemoclaw_tests::probe::parse;
use nemoclaw_tests::{nemoclaw, world};

const NAMES: &[&str] = &[
    "ptrace_foreign",
    "ptrace_seize_foreign",
    "vm_read_foreign",
    "open_mem_foreign",
    "pidfd_getfd_foreign",
];
const OPTIONS: &[&str] = &[
    "--cap-add",
    "SYS_PTRACE",
    "--security-opt",
    "seccomp=unconfined",
];

fn probe(
    container: &Container<'_>,
) -> std::collections::BTreeMap<String, nemoclaw_tests::probe::Attempt> {
    let mut words = vec!["/usr/bin/nemoclaw-probe"];
    words.extend(NAMES);
    words.push("pid=1");
    parse(container.exec(&words))
}

#[test]
fn without_the_box_an_execed_process_owns_the_first() {
    let container = Container::start(world!(), "runc", OPTIONS, &["nct/busybox", "sleep", "300"]);
    let table = probe(&container);
    for name in NAMES {
        assert!(table[*name].worked(), "{:?}", table[*name]);
    }
}

#[test]
fn in_the_box_it_does_not() {
    let container = Container::start(
        nemoclaw!(),
        "nemoclaw",
        &["--security-opt", "seccomp=unconfined"],
        &["nct/busybox", "sleep", "300"],
    );
    for (name, attempt) in probe(&container) {
        assert!(!attempt.worked(), "{name}: {attempt:?}");
    }
}

#[test]
fn the_first_process_does_not_own_an_execed_one() {
    let world = nemoclaw!();
    // pid 1 waits until a sleeper was exec'ed, then attacks it.
    let script = "until p=$(pidof nemoclaw-probe); do sleep 0.1; done; sleep 0.3; /bin/cp /usr/bin/nemoclaw-probe /tmp/p; exec /tmp/p ptrace_foreign open_mem_foreign vm_read_foreign pid=$p";
    let container = Container::start(world, "nemoclaw", &[], &["nct/busybox", "sh", "-c", script]);
    container
        .exec_with(&["-d"], &["/usr/bin/nemoclaw-probe", "sleep"])
        .ok();
    let waited = container.verb(&["wait"]).ok();
    assert_eq!(waited.text(), "0", "{:?}", container.verb(&["logs"]));
    for (name, attempt) in parse(container.verb(&["logs"])) {
        assert!(!attempt.worked(), "{name}: {attempt:?}");
    }
}
