//! Each box has a session keyring of its own: seen from outside, since inside it may not ask.

use std::collections::BTreeSet;

use nemoclaw_tests::alone;
use nemoclaw_tests::container::Container;

fn session_keyrings() -> BTreeSet<String> {
    let keys = std::fs::read_to_string("/proc/keys").expect("/proc/keys");
    let sessions = keys.lines().filter(|line| line.contains("_ses"));
    sessions
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn create_and_exec_get_session_keyrings_of_their_own() {
    let world = alone!();
    let _turn = crate::turn();
    let before = session_keyrings();
    let container = Container::start(
        world,
        "nemoclaw-test",
        &[],
        &["nct/busybox", "sleep", "300"],
    );
    let started = session_keyrings();
    assert!(
        started.difference(&before).next().is_some(),
        "create must make a session keyring: {before:?} -> {started:?}"
    );
    container.exec_with(&["-d"], &["sleep", "300"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let keyring = |line: &str| nemoclaw_tests::sh(line).text();
    // The exec'ed process must not stand in the engine's keyring either: engine and exec differ.
    assert!(!keyring("cat /proc/keys").is_empty());
}
