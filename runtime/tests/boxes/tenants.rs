//! What `exec` and `kill` do at their edges.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Node, id, node};

/// Where root and the users of a box with a user namespace are on the host.
const MAPPED: u32 = 231_072;

/// Give the tree of the image to the mapped root, and let it reach the bundle.
fn map_users(node: &Node) {
    fn give(path: &Path) {
        std::os::unix::fs::lchown(path, Some(MAPPED), Some(MAPPED)).expect("owner");
        let directory = path.is_dir() && !path.is_symlink();
        for entry in directory
            .then(|| fs::read_dir(path).expect("directory"))
            .into_iter()
            .flatten()
        {
            give(&entry.expect("entry").path());
        }
    }
    give(&node.rootfs());
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(node.path(), open).expect("mode");
    chown(node.rootfs(), Some(MAPPED), Some(MAPPED)).expect("owner");
}

fn with_user_namespace(config: &mut Value) {
    let mapping = json!([{ "containerID": 0, "hostID": MAPPED, "size": 65536 }]);
    config["linux"]["uidMappings"] = mapping.clone();
    config["linux"]["gidMappings"] = mapping;
    let namespaces = config["linux"]["namespaces"]
        .as_array_mut()
        .expect("namespaces");
    namespaces.push(json!({ "type": "user" }));
}

#[test]
fn an_execed_user_is_one_of_the_boxs_user_namespace() {
    let Some(node) = node() else { return };
    map_users(&node);
    let box_id = id();
    node.config("sleep 60", with_user_namespace);
    node.up(&box_id);
    let probe = "id -u; id -g; cat /proc/self/uid_map; grep -E '^(Cap...|NoNewPrivs|Seccomp):' /proc/self/status";
    let root = node.call(&["exec", &box_id, "sh", "-c", probe]);
    let user = node.call(&["exec", "--user", "1000:1001", &box_id, "sh", "-c", probe]);
    let (root_ids, root_walls) = root.out.split_at(4);
    assert_eq!(root_ids, "0\n0\n", "{}", root.err);
    assert!(root_walls.contains(&MAPPED.to_string()), "{root_walls}");
    assert_eq!(
        user.out,
        format!("1000\n1001\n{root_walls}"),
        "{}",
        user.err
    );
    assert!(root_walls.contains("Seccomp:\t2"), "{root_walls}");
    // On the host it is the mapped user.
    let file = "touch /tmp/by-user; chmod 777 /tmp";
    let made = node.call(&["exec", "--user", "1000:1001", &box_id, "sh", "-c", file]);
    assert_eq!(made.code, 1, "/tmp belongs to root: {}", made.err);
    let outside = node.call(&["exec", "--user", "70000", &box_id, "true"]);
    assert_eq!(outside.code, 255);
    assert!(outside.err.contains("user"), "{}", outside.err);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn an_init_that_ignores_signals_ends_by_kill_only() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config(
        "trap '' TERM INT HUP; echo > /tmp/ready; while :; do sleep 1; done",
        |_| {},
    );
    node.up(&box_id);
    let ready = || node.call(&["exec", &box_id, "cat", "/tmp/ready"]).code == 0;
    assert!((0..50).any(|_| ready()), "init sets its traps");
    for signal in ["TERM", "SIGINT", "1"] {
        assert_eq!(node.call(&["kill", &box_id, signal]).code, 0, "{signal}");
    }
    std::thread::sleep(Duration::from_millis(300));
    let status = || node.call(&["state", &box_id]).out;
    assert!(status().contains("\"running\""), "{}", status());
    assert_eq!(node.call(&["kill", &box_id, "KILL"]).code, 0);
    let stopped = || {
        std::thread::sleep(Duration::from_millis(20));
        status().contains("\"stopped\"")
    };
    assert!((0..100).any(|_| stopped()), "{}", status());
    assert_eq!(node.call(&["delete", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn an_exec_gets_no_capability_that_its_policy_does_not_give() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    let words = [
        "exec",
        "--cap",
        "CAP_SYS_ADMIN",
        "--cap",
        "CAP_NET_RAW",
        &box_id,
        "grep",
        "^Cap",
        "/proc/self/status",
    ];
    let said = node.call(&words);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.out.lines().count(), 5, "{}", said.out);
    for line in said.out.lines() {
        assert!(line.ends_with("\t0000000000000000"), "{line}");
    }
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

/// The names of the processes that the box's cgroup holds.
fn names(box_id: &str) -> Vec<String> {
    let pids = crate::harness::cgroups(box_id)
        .iter()
        .filter_map(|path| fs::read_to_string(path.join("cgroup.procs")).ok())
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    pids.lines()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

#[test]
fn a_killed_exec_leaves_nobody_waiting_in_the_box() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("exec sleep 60", |_| {});
    node.up(&box_id);
    for step in 0..40 {
        let mut exec = node
            .command(&["exec", &box_id, "true"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("run");
        std::thread::sleep(Duration::from_millis(4 * step));
        exec.kill().expect("kill");
        exec.wait().expect("wait");
    }
    let alone = || {
        std::thread::sleep(Duration::from_millis(20));
        names(&box_id) == ["sleep"]
    };
    assert!((0..100).any(|_| alone()), "{:?}", names(&box_id));
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

/// A box whose root sends a signal to whatever else there is, as fast as it can.
fn up_with_attack(node: &Node, signal: &str) -> String {
    let box_id = id();
    let script = format!(
        "while :; do for p in 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do kill -{signal} $p; done; done 2>/dev/null"
    );
    node.config(&script, |_| {});
    node.up(&box_id);
    box_id
}

#[test]
fn an_exec_that_the_box_stops_fails_in_time_with_one_sentence() {
    let Some(node) = node() else { return };
    let box_id = up_with_attack(&node, "STOP");
    let hit = (0..20).any(|_| {
        let (before, told) = (std::time::Instant::now(), node.errors().len());
        // Without pipes: a program that is stopped once it runs would hold them open.
        let mut exec = node.command(&["exec", "--detach", &box_id, "true"]);
        exec.stdout(Stdio::null()).stderr(Stdio::null());
        let status = exec.status().expect("the runtime runs");
        assert!(before.elapsed() < Duration::from_secs(20));
        let told = node.errors().split_off(told);
        assert!(
            status.success() || told.concat().contains("within 10 s"),
            "{told:?}"
        );
        !status.success()
    });
    assert!(hit, "the box never stopped an exec in time");
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn an_exec_that_the_box_kills_fails_with_one_sentence() {
    let Some(node) = node() else { return };
    let box_id = up_with_attack(&node, "KILL");
    let hit = (0..30).any(|_| {
        let before = node.errors().len();
        let said = node.call(&["exec", "--detach", &box_id, "true"]);
        let told = node.errors().split_off(before);
        match said.code {
            0 => assert!(told.is_empty(), "{told:?}"),
            _ => assert!(
                told.len() == 1 && told.concat().starts_with("the process was killed before"),
                "{told:?}"
            ),
        }
        said.code != 0
    });
    assert!(hit, "the box never killed an exec in time");
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}
