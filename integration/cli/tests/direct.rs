//! The direct engine for real: the built runtime, hook and router, this machine's kernel, no network beyond loopback.
//!
//! The binaries are those of `make build` (or of `NEMOCLAW_DIST`). Without them, or without root, the tests say that they
//! are left out; in CI they must run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may fail loudly"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A machine of its own, with the router stopped and every sandbox removed at the end.
struct Node {
    directory: tempfile::TempDir,
    binaries: PathBuf,
}

fn binaries() -> PathBuf {
    let given = std::env::var_os("NEMOCLAW_DIST").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/dist"))
}

/// A node, or why there can be none.
fn node() -> Option<Node> {
    let binaries = binaries();
    let missing = if !nix::unistd::geteuid().is_root() {
        Some("needs root")
    } else if !["nemoclaw-runtime", "nemoclaw-egress", "nemoclaw-router"]
        .iter()
        .all(|name| binaries.join(name).exists())
    {
        Some("needs the binaries of `make build`")
    } else {
        None
    };
    if let Some(reason) = missing {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "CI must run this test, but it {reason}"
        );
        eprintln!("skipped: {reason}");
        return None;
    }
    // Not in /tmp: a policy file there might be another's.
    let directory = tempfile::Builder::new()
        .prefix("nemoclaw-direct.")
        .tempdir_in("/var/lib")
        .unwrap();
    let path = directory.path().display();
    let text = format!("version: 1\nstate_dir: {path}/run\ndata_dir: {path}/data\n");
    std::fs::write(directory.path().join("config.yaml"), text).unwrap();
    Some(Node {
        directory,
        binaries,
    })
}

impl Node {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nemoclaw"));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("SUDO_UID");
        command.env("NEMOCLAW_CONFIG", self.directory.path().join("config.yaml"));
        for (variable, name) in [
            ("NEMOCLAW_RUNTIME", "nemoclaw-runtime"),
            ("NEMOCLAW_ROUTER", "nemoclaw-router"),
        ] {
            command.env(variable, self.binaries.join(name));
        }
        command
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A call that must succeed; its stdout.
    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command in an offline sandbox: exit code and stdout.
    fn run(&self, more: &[&str], script: &str) -> (Option<i32>, String) {
        let arguments = [
            &["run", "--policy", "offline"],
            more,
            &["--", "sh", "-c", script],
        ]
        .concat();
        let output = self.output(&arguments);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    }

    /// Nothing may be left of sandboxes that ended.
    #[track_caller]
    fn is_clean(&self) {
        for place in ["data/direct", "run/boxes", "run/runtime"] {
            let entries = std::fs::read_dir(self.directory.path().join(place));
            let names: Vec<_> = entries
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert!(names.is_empty(), "{place}: {names:?}");
        }
    }

    /// A policy file of an offline sandbox with these resources.
    fn limited(&self, resources: &str) -> String {
        let path = self.directory.path().join("limited.yaml");
        let text = format!(
            "version: 1\nbox: {{ mode: offline }}\nfilesystem_policy: {{ read_only: [/], read_write: [/sandbox, /tmp] }}\n\
             resources: {resources}\n"
        );
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Loop devices of this node's files, once those that are going are gone.
    fn loops(&self, expected: usize) -> usize {
        let own = self.directory.path().display().to_string();
        let count = || {
            let all = std::fs::read_dir("/sys/block").unwrap().flatten();
            let files = all.filter_map(|entry| {
                std::fs::read_to_string(entry.path().join("loop/backing_file")).ok()
            });
            files.filter(|file| file.contains(&own)).count()
        };
        for _ in 0..50 {
            if count() == expected {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        count()
    }

    /// Removes every sandbox, whatever became of it. What a killed command had begun may still go on for a moment.
    fn remove_all(&self) {
        for _ in 0..30 {
            let list = self.output(&["list", "--output", "json"]).stdout;
            let list: Value = serde_json::from_slice(&list).unwrap_or_default();
            let names = list["sandboxes"].as_array().into_iter().flatten();
            let names: Vec<&str> = names.filter_map(|one| one["name"].as_str()).collect();
            if names.is_empty() {
                return;
            }
            for name in names {
                self.output(&["rm", "-f", name]);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// What of this node is mounted on this machine.
    fn mounted(&self) -> Vec<String> {
        let own = self.directory.path().display().to_string();
        let text = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let lines = text.lines().filter(|line| line.contains(&own));
        lines.map(str::to_owned).collect()
    }

    fn image(&self, name: &str) -> PathBuf {
        self.directory
            .path()
            .join("data/direct")
            .join(name)
            .join("sandbox.ext4")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.remove_all();
        self.output(&["router", "stop"]);
    }
}

#[test]
fn the_exit_code_is_the_command_s_or_docker_s() {
    let Some(node) = node() else { return };
    assert_eq!(node.run(&[], "exit 3").0, Some(3));
    assert_eq!(node.run(&[], "sh -c 'kill -TERM $$'; exit $?").0, Some(143));
    let run = |command: &str| {
        node.output(&["run", "--policy", "offline", "--", command])
            .status
            .code()
    };
    assert_eq!(run("no-such-program"), Some(127));
    assert_eq!(run("/etc/hosts"), Some(126));
    node.is_clean();
}

#[test]
fn the_root_is_this_machine_s_programs_and_nothing_of_its_secrets() {
    let Some(node) = node() else { return };
    let script = "ls -A / | tr '\\n' ' '; for path in /etc/shadow /etc/ssl/private /root /home /boot /opt; do \
        [ -e $path ] && echo \"LEAK $path\"; done; touch /usr/x /etc/x /x /proc/x 2>/dev/null; \
        for path in /usr/x /etc/x /x; do [ -e $path ] && echo \"WROTE $path\"; done; \
        grep -E '^(Seccomp|NoNewPrivs|CapEff|CapBnd):' /proc/self/status | tr -d '\\t'";
    let (_, out) = node.run(&[], script);
    assert!(!out.contains("LEAK") && !out.contains("WROTE"), "{out}");
    assert!(out.contains("sandbox") && out.contains("usr"), "{out}");
    for wall in [
        "Seccomp:2",
        "NoNewPrivs:1",
        "CapEff:0000000000000000",
        "CapBnd:0000000000000000",
    ] {
        assert!(out.contains(wall), "{wall} is not in {out}");
    }
    node.is_clean();
}

#[test]
fn it_runs_as_the_owner_of_the_mounted_sandbox_directory() {
    let Some(node) = node() else { return };
    let work = node.directory.path().join("work");
    std::fs::create_dir(&work).unwrap();
    std::os::unix::fs::chown(&work, Some(1000), Some(1000)).unwrap();
    let volume = format!("{}:/sandbox", work.display());
    let (code, out) = node.run(&["-v", &volume], "id -u; echo made >/sandbox/file");
    assert_eq!((code, out.as_str()), (Some(0), "1000\n"));
    assert_eq!(
        std::fs::read_to_string(work.join("file")).unwrap(),
        "made\n"
    );
    assert_eq!(
        node.run(&[], "id -u").1,
        "65532\n",
        "without a directory it is nobody's account"
    );
}

#[test]
fn a_volume_outside_the_policy_s_writable_paths_is_read_only() {
    let Some(node) = node() else { return };
    let data = node.directory.path().join("open");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let volume = format!("{}:/usr/share/data", data.display());
    let (code, _) = node.run(&["-v", &volume], "echo x >/usr/share/data/file");
    assert_ne!(code, Some(0));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
}

#[test]
fn a_detached_sandbox_lives_is_entered_and_ends() {
    let Some(node) = node() else { return };
    let script = "trap 'echo bye; exit 4' TERM; echo hello; while :; do sleep 0.1; done";
    let name = node.good(&[
        "run", "-d", "--name", "worker", "--policy", "offline", "--", "sh", "-c", script,
    ]);
    assert_eq!(name, "worker\n");
    let exec = node.output(&[
        "exec",
        "wor",
        "-e",
        "A=5",
        "--",
        "sh",
        "-c",
        "grep Seccomp: /proc/self/status; exit $A",
    ]);
    assert_eq!(exec.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&exec.stdout).contains("Seccomp:\t2"));
    let status: Value =
        serde_json::from_str(&node.good(&["status", "worker", "--output", "json"])).unwrap();
    assert_eq!(status["sandboxes"][0]["state"], "running");
    assert_eq!(status["sandboxes"][0]["egress"], "offline");
    let refused = node.output(&["rm", "worker"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("hint: run `nemoclaw rm -f worker`"));
    assert_eq!(node.good(&["stop", "worker"]), "worker\n");
    let list: Value = serde_json::from_str(&node.good(&["list", "--output", "json"])).unwrap();
    assert_eq!(list["sandboxes"][0]["exit_code"], 4);
    assert_eq!(node.good(&["logs", "worker"]), "hello\nbye\n");
    node.good(&["rm", "worker"]);
    node.is_clean();
}

#[test]
fn a_failing_detached_start_tells_and_leaves_nothing() {
    let Some(node) = node() else { return };
    let output = node.output(&["run", "-d", "--policy", "offline", "--", "no-such-program"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&output.stderr).contains("executable file not found"));
    node.is_clean();
}

#[test]
fn the_router_is_started_when_it_is_needed_and_refusals_are_shown() {
    let Some(node) = node() else { return };
    // The name service of the C library asks the router; nothing is looked up outside.
    let run = node.output(&[
        "run",
        "--name",
        "asker",
        "--",
        "getent",
        "hosts",
        "unlisted.example",
    ]);
    let error = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!(run.status.code(), Some(2), "{error}");
    assert!(error.contains("started: the router"), "{error}");
    let denied = node.good(&["logs", "asker", "--denied"]);
    assert!(denied.contains("deny dns unlisted.example"), "{denied}");
    assert!(node.good(&["router", "status"]).contains("worker"));
    node.good(&["router", "stop"]);
    assert_eq!(node.output(&["router", "status"]).status.code(), Some(1));
}

const WAIT: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
const FILL: &str = "dd if=/dev/zero of=$1/x bs=64k count=512 2>&1";

#[test]
fn a_program_that_fills_its_directories_meets_their_sizes_and_the_host_keeps_its_disk() {
    let Some(node) = node() else { return };
    let policy = node.limited("{ disk: { /sandbox: 8Mi, /tmp: 1Mi } }");
    let fill = format!(
        "fill() {{ {FILL}; }}; touch /sandbox/before; fill /sandbox; fill /tmp; ls -A /sandbox; stat -c %s /tmp/x; {WAIT}"
    );
    let free = node.run(
        &["--name", "free"],
        &format!("fill() {{ {FILL}; }}; fill /sandbox"),
    );
    assert!(free.1.contains("512+0 records out"), "{}", free.1);
    node.good(&["rm", "free"]);
    let arguments = [
        "run", "-d", "--name", "full", "--policy", &policy, "--", "sh", "-c", &fill,
    ];
    node.good(&arguments);
    let mut log = String::new();
    for _ in 0..100 {
        log = node.good(&["logs", "full"]);
        if log.ends_with("1048576\n") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(log.matches("No space left on device").count(), 2, "{log}");
    assert!(log.ends_with("before\nx\n1048576\n"), "{log}");
    let file = std::fs::metadata(node.image("full")).unwrap();
    assert_eq!(file.len(), 8 << 20);
    assert!(std::os::unix::fs::MetadataExt::blocks(&file) * 512 <= 8 << 20);
    assert_eq!(node.loops(1), 1);
    assert_eq!(node.mounted(), Vec::<String>::new());
    node.good(&["rm", "-f", "full"]);
    assert_eq!(node.loops(0), 0);
    node.is_clean();
}

#[test]
fn a_limited_sandbox_keeps_its_files_until_it_is_removed() {
    let Some(node) = node() else { return };
    let policy = node.limited("{ disk: { /sandbox: 16Mi } }");
    let script = "echo work >/sandbox/file; id -u; stat -c %u /sandbox; ";
    let script = format!("{script}{WAIT}");
    let arguments = [
        "run", "-d", "--name", "keeps", "--policy", &policy, "--", "sh", "-c", &script,
    ];
    node.good(&arguments);
    while node.good(&["logs", "keeps"]).lines().count() < 2 {}
    assert_eq!(node.good(&["logs", "keeps"]), "65532\n65532\n");
    assert_eq!(
        node.good(&["exec", "keeps", "--", "cat", "/sandbox/file"]),
        "work\n"
    );
    node.good(&["stop", "keeps"]);
    assert_eq!(node.loops(0), 0);
    let mut debugfs = Command::new("debugfs");
    let shown = debugfs
        .args(["-R", "cat /file"])
        .arg(node.image("keeps"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "work\n");
    node.good(&["rm", "keeps"]);
    node.is_clean();
}

#[test]
fn killing_everything_of_a_limited_sandbox_leaves_no_loop_device_and_no_mount() {
    let Some(node) = node() else { return };
    let policy = node.limited("{ memory: 64Mi, cpu: 0.5, pids: 50, disk: { /sandbox: 8Mi } }");
    let arguments = [
        "run", "-d", "--name", "killed", "--policy", &policy, "--", "sleep", "60",
    ];
    node.good(&arguments);
    assert_eq!(node.loops(1), 1);
    let status: Value =
        serde_json::from_str(&node.good(&["status", "killed", "--output", "json"])).unwrap();
    let first = status["sandboxes"][0]["pid"].as_i64().unwrap();
    let limits = &status["sandboxes"][0]["limits"];
    assert_eq!(limits["memory"], 64 << 20);
    assert_eq!(
        (&limits["cpu_milli"], &limits["pids"]),
        (&500.into(), &50.into())
    );
    assert!(
        node.good(&["status", "killed"])
            .contains("memory 64 MiB, cpu 0.5, pids 50, nofile ")
    );
    let stat = std::fs::read_to_string(format!("/proc/{first}/status")).unwrap();
    let keeper = stat
        .lines()
        .find_map(|line| line.strip_prefix("PPid:\t"))
        .unwrap()
        .to_owned();
    for pid in [keeper, first.to_string()] {
        assert!(
            Command::new("kill")
                .args(["-9", &pid])
                .status()
                .unwrap()
                .success()
        );
    }
    assert_eq!(node.loops(0), 0);
    assert_eq!(node.mounted(), Vec::<String>::new());
    node.good(&["rm", "-f", "killed"]);
    // Killed at any time while it is made: a box may have come to life by then, and is removed like any other.
    for wait in [5, 15, 25, 40, 60, 90] {
        let mut command = node.command(&["run", "--policy", &policy, "--", "true"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(node.mounted(), Vec::<String>::new(), "{wait} ms");
        node.remove_all();
        assert_eq!(node.loops(0), 0, "{wait} ms");
    }
    node.is_clean();
}

#[test]
fn what_cannot_hold_the_size_is_refused_with_what_helps() {
    let Some(node) = node() else { return };
    let policy = node.limited("{ disk: { /sandbox: 8Mi } }");
    let work = node.directory.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let volume = format!("{}:/sandbox", work.display());
    let output = node.output(&["run", "--policy", &policy, "-v", &volume, "--", "true"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("limits `/sandbox` to 8 MiB, which the volume"),
        "{said}"
    );
    // Hidden by a device: no regular file, so no program.
    let hide = "mount --bind /dev/null /usr/sbin/mkfs.ext4 && exec \"$@\"";
    let call = node.command(&["run", "--policy", &policy, "--", "true"]);
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", hide, "sh"])
        .arg(call.get_program())
        .args(call.get_args());
    for (key, value) in call.get_envs() {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot limit `/sandbox` to 8 MiB"), "{said}");
    assert!(said.contains("this machine has no `mkfs.ext4`"), "{said}");
    assert!(said.contains("install the package `e2fsprogs`"), "{said}");
    node.is_clean();
}

#[test]
fn a_changed_policy_holds_within_milliseconds_and_learn_drafts_what_was_refused() {
    let Some(node) = node() else { return };
    let path = node.directory.path().join("p.yaml");
    let text = "version: 1
filesystem_policy: { read_only: [/], read_write: [/tmp] }
network_policies:
  own:
    endpoints:
      - { host: api.example.org, port: 443, protocol: rest, access: read-only }
include: [npm] # ours
";
    std::fs::write(&path, text).unwrap();
    let file = path.display().to_string();
    node.good(&[
        "run", "-d", "--name", "live", "--policy", &file, "--", "sleep", "300",
    ]);
    let ask = [
        "--host", "pypi.org", "--method", "GET", "--path", "/simple/",
    ];
    let explain = || node.output(&[&["policy", "explain", "live"], &ask[..]].concat());
    assert_eq!(explain().status.code(), Some(1));
    let milliseconds = |said: &str, generation: u32| {
        let head = format!("sandbox live: generation {generation} in force after ");
        let time = said
            .strip_prefix(&head)
            .and_then(|rest| rest.strip_suffix(" ms\n"));
        time.unwrap_or_else(|| panic!("{said}"))
            .parse::<f64>()
            .unwrap()
    };
    let mut times = Vec::new();
    for round in 0..5 {
        let added = node.good(&["policy", "add", "live", "pypi"]);
        times.push(milliseconds(&added, 2 + 2 * round));
        assert_eq!(
            explain().status.code(),
            Some(0),
            "what is in force is shown"
        );
        let removed = node.good(&["policy", "remove", "live", "pypi"]);
        times.push(milliseconds(&removed, 3 + 2 * round));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    times.sort_by(f64::total_cmp);
    eprintln!("change of a policy to its being in force, 10 times: {times:?} ms");
    // The promise is 50 ms; one change may meet a machine that was busy elsewhere.
    assert!(times[8] < 50.0, "{times:?}");
    let knock = "import socket; s = socket.socket(); s.settimeout(5); s.connect(('192.0.2.7', 5432)); s.recv(1)";
    let refused = node.output(&["exec", "live", "--", "python3", "-c", knock]);
    assert!(!refused.status.success());
    let draft = node.good(&["policy", "learn", "live"]);
    assert!(
        draft.contains("{ host: \"192.0.2.7\", port: 5432 } # once"),
        "{draft}"
    );
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        text,
        "nothing is applied"
    );
    node.good(&["rm", "-f", "live"]);
    node.is_clean();
}
