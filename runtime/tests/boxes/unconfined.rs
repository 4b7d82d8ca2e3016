//! Policy `unconfined`: the engine's config as it stands.

use serde_json::json;

use crate::harness::{id, node};

const PROBE: &str = "grep -E '^(CapBnd|NoNewPrivs|Seccomp:)' /proc/self/status; mkdir /sandbox/made 2>/dev/null || echo refused";

#[test]
fn a_profile_is_loaded_without_no_new_privs_in_run_and_exec() {
    let Some(node) = node() else { return };
    let node = node.under("unconfined");
    let box_id = id();
    let profile = json!({
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{ "names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }]
    });
    let change = |config: &mut serde_json::Value| config["linux"]["seccomp"] = profile.clone();
    let expected = "CapBnd:\t0000000000002001\nNoNewPrivs:\t0\nSeccomp:\t2\nrefused\n";
    node.config(PROBE, change);
    let first = node.run(&box_id);
    assert_eq!(first.out, expected, "{}", first.err);
    node.config("sleep 60", change);
    node.up(&box_id);
    let later = node.call(&["exec", &box_id, "sh", "-c", PROBE]);
    assert_eq!(later.out, expected, "{}", later.err);
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn an_allow_list_without_the_seccomp_call_can_be_stacked_on_ours() {
    let Some(node) = node() else { return };
    let names = [
        "execve",
        "read",
        "write",
        "openat",
        "open",
        "close",
        "mmap",
        "brk",
        "exit_group",
        "arch_prctl",
        "prctl",
        "getuid",
        "fstat",
        "stat",
        "newfstatat",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "prlimit64",
        "readlinkat",
        "readlink",
        "getrandom",
        "mprotect",
        "ioctl",
        "getpid",
        "getppid",
        "rt_sigaction",
        "rt_sigprocmask",
        "getcwd",
        "uname",
        "geteuid",
        "getgid",
        "getegid",
        "munmap",
        "fcntl",
        "wait4",
        "clone",
        "fork",
        "vfork",
        "exit",
    ];
    node.config("echo fine", |config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "syscalls": [
                { "names": names.to_vec(), "action": "SCMP_ACT_ALLOW" },
                { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }
            ]
        });
    });
    let said = node.run(&id());
    assert_eq!(said.out, "fine\n", "{}", said.err);
}

#[test]
fn calls_that_wait_for_a_listener_that_nobody_gets_are_refused_with_a_sentence() {
    let Some(node) = node() else { return };
    let node = node.under("unconfined");
    let box_id = id();
    node.config("true", |config| {
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }]
        });
    });
    let said = node.run(&box_id);
    assert!(said.err.contains("SCMP_ACT_NOTIFY"), "{}", said.err);
    node.assert_nothing_left(&box_id);
}

#[test]
fn what_features_names_is_there_time_namespaces_and_recursive_options() {
    let Some(node) = node() else { return };
    let node = node.under("unconfined");
    let features = node.call(&["features"]).out;
    let features: serde_json::Value = serde_json::from_str(&features).expect("JSON");
    for named in ["time", "cgroup"] {
        let all = features["linux"]["namespaces"].as_array().expect("a list");
        assert!(all.contains(&named.into()), "{named}");
    }
    let volume = node.path().join("volume");
    std::fs::create_dir_all(volume.join("below")).expect("volume");
    let script = "cat /proc/self/timens_offsets; touch /volume/x 2>/dev/null || echo read-only";
    node.config(script, |config| {
        let linux = &mut config["linux"];
        linux["timeOffsets"] = json!({ "monotonic": { "secs": 86400, "nanosecs": 0 } });
        let namespaces = linux["namespaces"].as_array_mut().expect("namespaces");
        namespaces.push(json!({ "type": "time" }));
        namespaces.push(json!({ "type": "cgroup" }));
        config["mounts"].as_array_mut().expect("mounts").push(json!({
            "destination": "/volume", "type": "bind", "source": volume, "options": ["rbind", "rro"]
        }));
    });
    let said = node.run(&id());
    let words: Vec<&str> = said.out.split_whitespace().collect();
    assert_eq!(
        words,
        ["monotonic", "86400", "0", "boottime", "0", "0", "read-only"],
        "{}",
        said.err
    );
}

#[test]
fn a_sysctl_of_the_hosts_network_that_a_path_names_is_refused() {
    let Some(node) = node() else { return };
    let node = node.under("unconfined");
    // What it is already, so that a runtime with this fault changes nothing here.
    let value = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("a sysctl");
    node.config("true", |config| {
        config["linux"]["namespaces"][1]["path"] = json!("/proc/self/ns/net");
        config["linux"]["sysctl"] = json!({ "net.core.somaxconn": value.trim() });
    });
    let said = node.run(&id());
    assert!(said.err.contains("shares with the host"), "{}", said.err);
}
