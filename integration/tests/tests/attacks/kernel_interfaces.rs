//! bpf, keyctl, io_uring and other doors into the kernel that an agent has no use for.

use nemoclaw_tests::probe::{everywhere, without_box};
use nemoclaw_tests::{nemoclaw, world};

const NAMES: &[&str] = &[
    "bpf_map",
    "perf_event",
    "keyctl_session",
    "add_key_user",
    "io_uring",
    "userfaultfd_any",
    "open_by_handle",
    "syslog_read",
    "fanotify",
];
const OPTIONS: &[&str] = &[
    "--cap-add",
    "SYS_ADMIN",
    "--cap-add",
    "SYSLOG",
    "--cap-add",
    "DAC_READ_SEARCH",
    "--security-opt",
    "seccomp=unconfined",
];

#[test]
fn without_the_box_they_work() {
    let table = without_box(world!(), OPTIONS, &["kernel"]);
    for name in NAMES {
        assert!(table[*name].worked(), "{:?}", table[*name]);
    }
}

#[test]
fn in_the_box_they_are_refused() {
    let places = everywhere(
        nemoclaw!(),
        "nemoclaw",
        &["--security-opt", "seccomp=unconfined"],
        &["kernel"],
    );
    places.refused(NAMES);
    places.refused(&[
        "request_key_user",
        "init_module_empty",
        "quotactl_any",
        "iopl_three",
        "settime",
    ]);
}
