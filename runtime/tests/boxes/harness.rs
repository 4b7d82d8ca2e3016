//! A bundle of busybox, a node with a stand-in for the egress hook, and calls of the runtime.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

static NEXT: AtomicU32 = AtomicU32::new(0);
static SKIPPED: AtomicU32 = AtomicU32::new(0);

const BUSYBOX: &str = "/bin/busybox";
const APPLETS: [&str; 16] = [
    "sh", "cat", "echo", "sleep", "grep", "touch", "mkdir", "rm", "ln", "id", "env", "kill",
    "true", "false", "chmod", "mv",
];

/// What a test needs for one or more boxes.
pub struct Node {
    dir: TempDir,
    policy: Option<&'static str>,
}

/// One call's result.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A node, or `None` (counted and said) where the machine cannot run boxes.
pub fn node() -> Option<Node> {
    let missing = if !nix::unistd::geteuid().is_root() {
        Some("root")
    } else if !Path::new(BUSYBOX).exists() {
        Some("busybox-static")
    } else {
        None
    };
    if let Some(missing) = missing {
        let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
        eprintln!("skipped ({count} so far): this test needs {missing}");
        return None;
    }
    let node = Node {
        dir: tempfile::tempdir().expect("a directory"),
        policy: None,
    };
    node.write_hook("cat > /dev/null");
    let at = node.path().display();
    fs::create_dir(node.path().join("policies")).expect("policies");
    fs::write(
        node.path().join("node.yaml"),
        format!(
            "version: 1\ndefault_policy: offline\nselectable: [{{name: unconfined, widens: true}}]\n\
             policy_dir: {at}/policies\nstate_dir: {at}/state\ndata_dir: {at}/data\negress_hook: {at}/hook.sh\n"
        ),
    )
    .expect("node.yaml");
    let bin = node.rootfs().join("bin");
    fs::create_dir_all(&bin).expect("bin");
    fs::copy(BUSYBOX, bin.join("busybox")).expect("busybox");
    APPLETS
        .iter()
        .for_each(|name| symlink("busybox", bin.join(name)).expect("applet"));
    for name in ["proc", "dev", "sys", "etc", "tmp", "sandbox/work"] {
        fs::create_dir_all(node.rootfs().join(name)).expect("directory");
    }
    Some(node)
}

/// An id that no other test uses, and that the end-to-end tests, which may run beside, do not count as theirs.
pub fn id() -> String {
    format!(
        "ncb-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

impl Node {
    /// The same node, with a handler's policy.
    pub fn under(self, policy: &'static str) -> Node {
        Node {
            policy: Some(policy),
            ..self
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn rootfs(&self) -> PathBuf {
        self.path().join("bundle/rootfs")
    }

    pub fn bundle(&self) -> PathBuf {
        self.path().join("bundle")
    }

    /// The egress hook's stand-in: a shell script.
    pub fn write_hook(&self, script: &str) {
        let path = self.path().join("hook.sh");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("hook");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    /// Write config.json for `sh -c SCRIPT`, changed by `change`.
    pub fn config(&self, script: &str, change: impl FnOnce(&mut Value)) {
        let kinds = ["pid", "network", "ipc", "uts", "mount"];
        let mut config = json!({
            "ociVersion": "1.0.2",
            "root": { "path": "rootfs" },
            "process": {
                "user": { "uid": 0, "gid": 0 }, "args": ["sh", "-c", script], "env": ["PATH=/bin"], "cwd": "/",
                "capabilities": {
                    "bounding": ["CAP_CHOWN", "CAP_NET_RAW"], "effective": ["CAP_CHOWN", "CAP_NET_RAW"],
                    "permitted": ["CAP_CHOWN", "CAP_NET_RAW"]
                }
            },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
                { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"] },
                { "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"] }
            ],
            "linux": { "namespaces": kinds.map(|kind| json!({ "type": kind })) }
        });
        change(&mut config);
        fs::write(self.bundle().join("config.json"), config.to_string()).expect("config.json");
    }

    /// A call, not yet made.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nemoclaw-runtime"));
        command
            .env_remove("RUST_BACKTRACE")
            .arg("--root")
            .arg(self.path().join("root"));
        command.arg("--config").arg(self.path().join("node.yaml"));
        command
            .arg("--log")
            .arg(self.path().join("log.json"))
            .args(["--log-format", "json"]);
        if let Some(policy) = self.policy {
            command.args(["--policy", policy]);
        }
        command.args(args).stdin(Stdio::null());
        command
    }

    /// A call and what it said, with the sentences that the log got from it.
    pub fn call(&self, args: &[&str]) -> Said {
        let before = self.errors().len();
        let mut said = said(self.command(args).output().expect("the runtime runs"));
        said.err.extend(self.errors().drain(..).skip(before));
        said
    }

    /// `run` in the foreground.
    pub fn run(&self, id: &str) -> Said {
        let bundle = self.bundle();
        self.call(&["run", "--bundle", bundle.to_str().expect("path"), id])
    }

    /// `create`, without a pipe that init would keep open.
    pub fn create(&self, id: &str) -> Said {
        let bundle = self.bundle();
        let error = self.path().join(format!("{id}.err"));
        let before = self.errors().len();
        let mut command = self.command(&["create", "--bundle", bundle.to_str().expect("path"), id]);
        command
            .stdout(Stdio::null())
            .stderr(fs::File::create(&error).expect("file"));
        let status = command.status().expect("the runtime runs");
        let mut err = fs::read_to_string(&error).expect("text");
        err.extend(self.errors().drain(..).skip(before));
        Said {
            code: status.code().unwrap_or(-1),
            out: String::new(),
            err,
        }
    }

    /// `create` and `start`, which must work.
    pub fn up(&self, id: &str) {
        let created = self.create(id);
        assert_eq!(created.code, 0, "{}", created.err);
        let started = self.call(&["start", id]);
        assert_eq!(started.code, 0, "{}", started.err);
    }

    /// The messages of all `error` lines of the log.
    pub fn errors(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("log.json")).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
        lines
            .filter(|line| line["level"] == "error")
            .map(|line| line["msg"].as_str().expect("msg").to_owned())
            .collect()
    }

    /// Nothing of the box is left: no state, no cgroup.
    pub fn assert_nothing_left(&self, id: &str) {
        for directory in [
            self.path().join("state/boxes").join(id),
            self.path().join("root").join(id),
        ] {
            assert!(!directory.exists(), "{} is left", directory.display());
        }
        let left = cgroups(id);
        assert!(left.is_empty(), "cgroups are left: {left:?}");
    }
}

/// The cgroups of a box without a `cgroupsPath`, in every hierarchy.
pub fn cgroups(id: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let all = hierarchies
        .chain([root.to_path_buf()])
        .map(|hierarchy| hierarchy.join("nemoclaw").join(id));
    all.filter(|path| path.exists()).collect()
}

fn said(output: Output) -> Said {
    use std::os::unix::process::ExitStatusExt;
    Said {
        code: output
            .status
            .code()
            .unwrap_or_else(|| -output.status.signal().unwrap_or(0)),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
