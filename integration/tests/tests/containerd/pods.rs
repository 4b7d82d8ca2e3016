//! What kubelet does with a pod's life.

use std::time::Duration;

use crate::engine;
use nemoclaw_tests::pods::{Pod, call};
use nemoclaw_tests::probe::parse_state;
use nemoclaw_tests::shell::wait_for;
use serde_json::json;

const SLEEPER: &[&str] = &["sleep", "300"];

#[test]
fn two_containers_run_exec_log_and_end() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-test", &[]);
    let script = "echo to-out; echo to-err >&2; hostname; exec sleep 300";
    let first = pod.container("first", "nct/busybox", &["sh", "-c", script]);
    let second = pod.container("second", "nct/busybox", SLEEPER);
    first.logs("stdout F to-out");
    first.logs("stderr F to-err");
    first.logs("nct-pod-");
    second
        .exec(&["sh", "-c", "echo in; echo out >&2; exit 5"])
        .exits(5);
    second.exec(&["echo", "hello"]).ok().says("hello");
    second
        .exec(&["no-such-program"])
        .fails_saying("executable file not found");
    for member in [&first, &second] {
        let state = parse_state(member.exec(&["nemoclaw-probe", "state"]));
        assert_eq!(
            (state.seccomp.as_str(), state.cap_bnd.as_str()),
            ("2", "0000000000000000")
        );
    }
    assert_eq!(first.status()["status"]["state"], "CONTAINER_RUNNING");
    second.call("StopContainer", &json!({ "timeout": 1 }));
    assert_eq!(second.status()["status"]["state"], "CONTAINER_EXITED");
    second.call("RemoveContainer", &json!({}));
    first
        .exec(&["echo", "still there"])
        .ok()
        .says("still there");
}

#[test]
fn stats_count_and_update_changes_limits() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-test", &[]);
    let script = "head -c 8000000 /dev/zero | tail >/dev/null; exec sleep 300";
    let resources = json!({ "linux": { "resources": {
        "memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000, "cpu_period": 100_000
    } } });
    let member = pod
        .ask_container("one", "nct/busybox", &["sh", "-c", script], &resources)
        .expect("a container");
    let used = |path: &[&str]| -> u64 {
        let mut value = &member.call("ContainerStats", &json!({}))["stats"];
        for key in path {
            value = &value[key];
        }
        value["value"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    };
    wait_for("work to be counted", Duration::from_secs(5), || {
        (used(&["cpu", "usage_core_nano_seconds"]) > 1_000_000).then_some(())
    });
    assert!(used(&["memory", "working_set_bytes"]) > 0);
    let limits = || {
        let file = |controller: &str, name: &str| {
            let script = format!(
                "cat /sys/fs/cgroup/{controller}$(sed -n 's/.*:{controller}://p' /proc/{}/cgroup)/{name}",
                member.pid()
            );
            nemoclaw_tests::sh(&script).text()
        };
        (
            file("memory", "memory.limit_in_bytes"),
            file("cpu", "cpu.cfs_quota_us"),
        )
    };
    assert_eq!(limits(), ((64 << 20).to_string(), "50000".to_owned()));
    let more = json!({ "linux": { "memory_limit_in_bytes": 96 << 20, "cpu_quota": 70000, "cpu_period": 100_000 } });
    member.call("UpdateContainerResources", &more);
    assert_eq!(limits(), ((96 << 20).to_string(), "70000".to_owned()));
}

#[test]
fn containers_that_share_processes_see_each_other_and_signal_nobody_else() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-test", &[]);
    let shared =
        json!({ "linux": { "security_context": { "namespace_options": { "pid": "POD" } } } });
    let start = |name: &str| {
        pod.ask_container(name, "nct/busybox", SLEEPER, &shared)
            .expect("a container")
    };
    let (first, second) = (start("first"), start("second"));
    let seen = second.exec(&["ps"]).ok();
    assert_eq!(seen.stdout.matches("sleep 300").count(), 2, "{seen:?}");
    assert!(seen.stdout.contains("/probe sleep"), "{seen:?}");
    let script = "for p in 1 $(pidof sleep); do kill -9 $p; done";
    second
        .exec(&["sh", "-c", script])
        .fails_saying("not permitted");
    assert_eq!(first.status()["status"]["state"], "CONTAINER_RUNNING");
    assert_eq!(
        pod.status()["status"]["state"],
        serde_json::Value::Null,
        "SANDBOX_READY is the default"
    );
}

#[test]
fn a_pod_that_ended_leaves_no_state_and_its_audit_stays() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-test", &[]);
    let (first, second) = (
        pod.container("first", "nct/busybox", SLEEPER),
        pod.container("second", "nct/busybox", SLEEPER),
    );
    second
        .exec(&["nemoclaw-probe", "dns", "name=other.example.com"])
        .ok();
    let ids = [&pod.id, &first.id, &second.id];
    let pids = [pod.pid(), first.pid(), second.pid()];
    let state = |id: &String| world.path("state/boxes").join(id).exists();
    assert!(ids.into_iter().all(state));
    let audit = |id: &String| {
        world
            .path("data/audit")
            .join(format!("{id}.jsonl"))
            .exists()
    };
    assert_eq!(
        ids.map(audit),
        [true, false, false],
        "a pod is one sandbox to the router"
    );
    pod.end();
    assert!(!ids.into_iter().any(state), "state is left of {ids:?}");
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    assert!(audit(&pod.id));
    let gone = call(
        world,
        "PodSandboxStatus",
        &json!({ "pod_sandbox_id": pod.id }),
    );
    gone.fails_saying("not found");
}

#[test]
fn what_kubelet_gives_every_container_works() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let Some(world) = engine() else { return };
    let dir = tempfile::tempdir_in(world.path("data")).expect("directory");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
    let at = |name: &str| dir.path().join(name).display().to_string();
    // A projected volume: the names are links into a directory that is swapped as a whole.
    std::fs::create_dir_all(at("token/..1")).expect("volume");
    std::fs::write(at("token/..1/token"), "secret word\n").expect("token");
    symlink("..1", at("token/..data")).expect("link");
    symlink("..data/token", at("token/token")).expect("link");
    std::fs::create_dir(at("work")).expect("emptyDir");
    for file in ["hosts", "end"] {
        std::fs::write(at(file), "127.0.0.1 from-kubelet\n").expect("file");
    }
    let more = json!({
        "envs": [{ "key": "KUBERNETES_SERVICE_HOST", "value": "10.96.0.1" }],
        "mounts": [
            { "container_path": "/var/run/secrets/kubernetes.io/serviceaccount", "host_path": at("token"), "readonly": true },
            { "container_path": "/etc/hosts", "host_path": at("hosts") },
            { "container_path": "/dev/termination-log", "host_path": at("end") },
            { "container_path": "/sandbox", "host_path": at("work") },
        ],
        "linux": {
            "resources": { "cpu_period": 100_000, "cpu_shares": 2, "oom_score_adj": 1000 },
            "security_context": {
                "capabilities": { "add_capabilities": ["NET_BIND_SERVICE"], "drop_capabilities": ["ALL"] },
                "run_as_user": { "value": 0 },
                "readonly_rootfs": true,
                "no_new_privs": true,
                "seccomp": { "profile_type": "RuntimeDefault" },
                "masked_paths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/sys/firmware"],
                "readonly_paths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys"],
            },
        },
    });
    let pod = Pod::start(world, "nemoclaw", &[]);
    let member = pod
        .ask_container("one", "nct/busybox", SLEEPER, &more)
        .expect("a container");
    let script = "cat /var/run/secrets/kubernetes.io/serviceaccount/token /etc/hosts; echo $KUBERNETES_SERVICE_HOST; \
                  echo x >/sandbox/new && echo work is written; cat /proc/1/oom_score_adj";
    let said = member.exec(&["sh", "-c", script]).ok();
    for word in [
        "secret word",
        "from-kubelet",
        "10.96.0.1",
        "work is written",
        "1000",
    ] {
        assert!(said.stdout.contains(word), "{word}: {said:?}");
    }
    // No policy of ours lists this file as writable, so `terminationMessagePolicy: FallbackToLogsOnError` is what to use.
    member
        .exec(&["sh", "-c", "echo the end >/dev/termination-log"])
        .fails_saying("Read-only file system");
}
