//! The one bundle: busybox, the six usual namespaces, and what Docker asks for, its seccomp profile too.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

/// Docker 20.10's profile, as that engine wrote it.
const SECCOMP: &str = include_str!("../../../../runtime/tests/samples/docker20-seccomp.json");
/// What Docker gives root in a container.
const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];
const BUSYBOX: &str = "/bin/busybox";
/// The cgroup below which all boxes of the bench lie.
pub const CGROUP: &str = "nemoclaw-bench";

/// Writes the tree and two bundles on it: `waits` and `ends`.
pub fn write(at: &Path) {
    assert!(
        Path::new(BUSYBOX).exists(),
        "`{BUSYBOX}` is missing: run `apt-get install --no-install-recommends busybox-static`"
    );
    let root = at.join("rootfs");
    for name in ["bin", "proc", "dev", "sys", "etc", "tmp", "sandbox"] {
        fs::create_dir_all(root.join(name)).expect("the tree");
    }
    fs::copy(BUSYBOX, root.join("bin/busybox")).expect("busybox");
    for name in ["true", "sleep"] {
        symlink("busybox", root.join("bin").join(name)).expect("applet");
    }
    // An interrupted bench leaves a box that ends by itself.
    for (name, args) in [("waits", vec!["sleep", "60"]), ("ends", vec!["true"])] {
        let dir = at.join(name);
        fs::create_dir_all(&dir).expect("bundle");
        fs::write(dir.join("config.json"), config(&root, &args).to_string()).expect("config.json");
    }
}

fn config(root: &Path, args: &[&str]) -> Value {
    let seccomp: Value = serde_json::from_str(SECCOMP).expect("the seccomp profile");
    let kinds = ["mount", "network", "uts", "pid", "ipc", "cgroup"];
    json!({
        "ociVersion": "1.0.2",
        "hostname": "bench",
        "root": { "path": root },
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": args,
            "env": ["PATH=/bin"],
            "cwd": "/",
            "capabilities": { "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES },
        },
        "mounts": mounts(),
        "linux": {
            "cgroupsPath": format!("/{CGROUP}/box"),
            "namespaces": kinds.map(|kind| json!({ "type": kind })),
            "resources": {
                "devices": devices(),
                "memory": { "limit": 512 << 20 },
                "cpu": { "shares": 1024 },
                "pids": { "limit": 1024 },
            },
            "seccomp": seccomp,
            "maskedPaths": [
                "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

fn devices() -> Value {
    json!([
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 9, "access": "rwm" },
        { "allow": true, "type": "c", "major": 1, "minor": 8, "access": "rwm" },
        { "allow": true, "type": "c", "major": 5, "minor": 0, "access": "rwm" },
        { "allow": true, "type": "c", "major": 5, "minor": 1, "access": "rwm" },
        { "allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm" },
    ])
}

fn mounts() -> Value {
    let mount = |target: &str, kind: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    json!([
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"]
        ),
        mount(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5"
            ]
        ),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            &["ro", "nosuid", "noexec", "nodev"]
        ),
        mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev/shm",
            "tmpfs",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]
        ),
    ])
}
