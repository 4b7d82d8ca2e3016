//! The end of a process by lack of memory is heard.

use std::time::{Duration, Instant};

use nix::poll::{PollTimeout, poll};
use nix::unistd::Pid;
use serde_json::json;

use crate::harness::{Group, command, group, pid};

/// Takes memory until it is killed.
const GREEDY: &str = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";

fn heard(group: &Group, within: Duration, during: impl FnOnce()) -> bool {
    let mut listener = group.cgroup.listen().expect("a listener");
    during();
    let end = Instant::now() + within;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        let mut fds = [listener.poll()];
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        poll(&mut fds, left).expect("polled");
        if fds[0].any().unwrap_or(false) && listener.heard().expect("read") {
            return true;
        }
    }
    false
}

#[test]
fn a_greedy_process_is_killed_and_it_is_heard() {
    let Some(group) = group() else { return };
    group.limit(json!({ "memory": { "limit": 16 << 20, "swap": 16 << 20 } }));
    let quiet = heard(&group, Duration::from_millis(50), || {});
    assert!(!quiet, "nobody was killed yet");
    let told = heard(&group, Duration::from_secs(20), || {
        let mut child = command(&format!("sleep 0.2; {GREEDY}"));
        group
            .cgroup
            .join(Pid::from_raw(pid(&child)))
            .expect("joined");
        assert!(!child.wait().expect("ended").success());
    });
    assert!(told);
}

#[test]
fn the_end_of_the_cgroup_is_no_lack_of_memory() {
    let Some(group) = group() else { return };
    let told = heard(&group, Duration::from_millis(200), || {
        group.cgroup.remove().expect("removed");
    });
    assert!(!told);
}
