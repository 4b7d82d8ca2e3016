//! Each process of a box has a session keyring of its own: looked for from outside, since inside it may not ask.

use std::collections::BTreeSet;
use std::time::Duration;

use nemoclaw_tests::alone;
use nemoclaw_tests::container::Container;

/// The serial numbers of the session keyrings of this machine.
fn sessions() -> BTreeSet<String> {
    let keys = std::fs::read_to_string("/proc/keys").expect("/proc/keys");
    keys.lines()
        .filter(|line| line.contains("_ses"))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Those that were not in `before` and stay: not of processes that end at once, as an engine's helpers do.
fn staying(before: &BTreeSet<String>) -> BTreeSet<String> {
    let mut stay: BTreeSet<String> = sessions().difference(before).cloned().collect();
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        let now = sessions();
        stay.retain(|serial| now.contains(serial));
    }
    stay
}

#[test]
fn create_and_exec_get_session_keyrings_of_their_own() {
    let world = alone!();
    let _turn = crate::turn();
    let before = sessions();
    let words = ["nct/busybox", "sleep", "300"];
    let container = Container::start(world, "nemoclaw-test", &[], &words);
    let first = staying(&before);
    assert!(!first.is_empty(), "the first process must hold a new one");
    let before = sessions();
    container.exec_with(&["-d"], &["sleep", "300"]).ok();
    let execed = staying(&before);
    assert!(!execed.is_empty(), "an execed process must hold another");
    drop(container);
    let theirs: BTreeSet<String> = first.union(&execed).cloned().collect();
    let left = || sessions().intersection(&theirs).count();
    for _ in 0..100 {
        if left() == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{} of {theirs:?} did not end with the box", left());
}
