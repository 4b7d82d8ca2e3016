//! The keys of whoever runs the engine must not reach the box, nor those of one of its processes another's.

use std::collections::BTreeSet;
use std::process::Command;

use crate::harness::{id, node};
use crate::programs;

/// `write(1, [keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)], 4); exit_group(0)`
const SESSION_ID: &[u8] =
    b"\xb8\xfa\x00\x00\x00\x31\xff\xbe\xfd\xff\xff\xff\x31\xd2\x0f\x05\x50\xb8\x01\x00\x00\x00\
      \xbf\x01\x00\x00\x00\x48\x89\xe6\xba\x04\x00\x00\x00\x0f\x05\xb8\xe7\x00\x00\x00\x31\xff\x0f\x05";

/// The serial number of the session keyring of the process that `command` runs.
fn session_of(mut command: Command) -> i32 {
    let output = command.output().expect("the command runs");
    let bytes = output.stdout.as_slice().try_into();
    bytes
        .map(i32::from_le_bytes)
        .unwrap_or_else(|_| panic!("four bytes: {output:?}"))
}

#[test]
fn run_and_each_exec_have_a_session_keyring_of_their_own() {
    let Some(node) = node() else { return };
    // Only here may a process ask for its keyring; it is made by the same code as under every other policy.
    let node = node.under("unconfined");
    let probe = programs::put(&node, SESSION_ID);
    let ours = session_of(Command::new(probe));
    node.config("exec probe", |_| {});
    let bundle = node.bundle();
    let first_id = id();
    let run = node.command(&["run", "--bundle", bundle.to_str().expect("path"), &first_id]);
    let mut sessions = vec![ours, session_of(run)];
    node.config("sleep 60", |_| {});
    let box_id = id();
    node.up(&box_id);
    for _ in 0..2 {
        sessions.push(session_of(node.command(&["exec", &box_id, "probe"])));
    }
    assert!(sessions.iter().all(|serial| *serial > 0), "{sessions:?}");
    let different: BTreeSet<i32> = sessions.iter().copied().collect();
    assert_eq!(different.len(), sessions.len(), "{sessions:?}");
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn only_no_new_keyring_of_an_unconfined_box_keeps_the_callers() {
    let Some(node) = node() else { return };
    let probe = programs::put(&node, SESSION_ID);
    node.config("exec probe", |_| {});
    let ours = session_of(Command::new(probe));
    let node = node.under("unconfined");
    let bundle = node.bundle();
    let box_id = id();
    let words = [
        "run",
        "--no-new-keyring",
        "--bundle",
        bundle.to_str().expect("path"),
        &box_id,
    ];
    assert_eq!(session_of(node.command(&words)), ours);
}
