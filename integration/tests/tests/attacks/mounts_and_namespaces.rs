//! Mounting, and leaving by a new namespace.

use nemoclaw_tests::probe::{everywhere, without_box};
use nemoclaw_tests::{nemoclaw, world};

const NAMES: &[&str] = &[
    "mount_tmpfs",
    "mount_bind",
    "remount_root_writable",
    "umount_proc",
    "fsopen_tmpfs",
    "open_tree_clone",
    "mount_setattr_root",
    "unshare_user",
    "unshare_net",
    "unshare_mount",
    "clone_user",
    "clone3_user",
    "setns_pid1",
    "chroot_tmp",
];

/// The baseline needs an engine that lets programs use them: the attack is real, Docker's defaults are not the wall under test.
const OPTIONS: &[&str] = &[
    "--cap-add",
    "SYS_ADMIN",
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
    places.refused(&["pivot_root_tmp", "sethostname_any"]);
}
