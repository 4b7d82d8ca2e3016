//! What the hook's tests share: boxes (a process in a network namespace of its own), a network around them, a stand-in
//! for the router, and a probe that tells what a program inside sees.
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

mod network;
mod router;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

pub use network::{Network, tool};
pub use router::{Router, inode, wanted_bundle};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Whether tests that need root can run; if not, why, where the test's reader sees it.
pub fn can_run() -> bool {
    let root = nix::unistd::geteuid().is_root();
    let missing = ["ip", "nsenter", "unshare", "setpriv", "python3", "nft"]
        .into_iter()
        .find(|name| tool(name).is_none());
    match (root, missing) {
        (false, _) => say("SKIPPED: network namespaces need root"),
        (true, Some(name)) => say(&format!("SKIPPED: `{name}` is not installed")),
        (true, None) => return true,
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "in CI these tests must run"
    );
    false
}

/// Tell the reader of the tests, past the harness, which keeps what a passing test prints.
pub fn say(line: &str) {
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .unwrap();
}

/// A directory that goes with its owner.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Directory {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ncx-egress-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// A process in a network namespace of its own: a container's first process as the hook sees it.
pub struct Box {
    pub name: String,
    pub directory: Directory,
    /// Words before the hook's own on its command line.
    pub wrapper: Vec<String>,
    first: Child,
}

/// What the hook did.
#[derive(Debug)]
pub struct Ran {
    pub ok: bool,
    pub talk: String,
    /// The content of `egress.error`.
    pub error: Option<String>,
}

impl Box {
    pub fn new(name: &str) -> Box {
        let first = Command::new("unshare")
            .args(["-n", "sleep", "600"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let new = Box {
            name: name.into(),
            directory: Directory::new(),
            wrapper: Vec::new(),
            first,
        };
        let home = fs::read_link("/proc/self/ns/net").unwrap();
        let own = PathBuf::from(format!("/proc/{}/ns/net", new.pid()));
        let comm = PathBuf::from(format!("/proc/{}/comm", new.pid()));
        wait_until("the box's first process", || {
            fs::read_link(&own).is_ok_and(|link| link != home)
                && fs::read_to_string(&comm).is_ok_and(|c| c == "sleep\n")
        });
        fs::write(new.bundle(), "image's part").unwrap();
        new
    }

    pub fn pid(&self) -> u32 {
        self.first.id()
    }

    pub fn bundle(&self) -> PathBuf {
        self.directory.0.join("ca-bundle.pem")
    }

    /// Run the hook's `create` with this hand-over, over what is the same in all tests.
    pub fn guard(&self, socket: &Path, changes: serde_json::Value) -> Ran {
        self.guard_as(socket, changes, self.pid())
    }

    pub fn guard_as(&self, socket: &Path, changes: serde_json::Value, pid: u32) -> Ran {
        self.told(socket, changes);
        self.hook("create", pid)
    }

    /// Run the hook's `resume`, as a router does that was started anew.
    pub fn resume(&self, socket: &Path, changes: serde_json::Value) -> Ran {
        self.told(socket, changes);
        self.hook("resume", self.pid())
    }

    fn told(&self, socket: &Path, changes: serde_json::Value) {
        let mut told = json!({
            "version": 1, "sandbox": self.name, "egress": "router", "policies": [],
            "router_socket": socket, "capture": "auto", "inbound": null,
        });
        for (key, value) in changes.as_object().unwrap() {
            told[key] = value.clone();
        }
        fs::write(self.directory.0.join("egress.json"), told.to_string()).unwrap();
    }

    pub fn hook(&self, verb: &str, pid: u32) -> Ran {
        let state = json!({
            "ociVersion": "1.0.2", "id": self.name, "status": "creating", "pid": pid, "bundle": "/",
            "annotations": { "nemoclaw.dev/state": self.directory.0 },
        });
        let words = [
            &self.wrapper[..],
            &[env!("CARGO_BIN_EXE_nemoclaw-egress").into(), verb.into()],
        ]
        .concat();
        let mut hook = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        hook.stdin
            .take()
            .unwrap()
            .write_all(state.to_string().as_bytes())
            .unwrap();
        let output = hook.wait_with_output().unwrap();
        let error = fs::read_to_string(self.directory.0.join("egress.error")).ok();
        Ran {
            ok: output.status.success(),
            talk: String::from_utf8(output.stderr).unwrap(),
            error,
        }
    }

    /// A command inside, as root with all rights.
    pub fn enter(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.pid().to_string(), "-n"])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        text(&self.enter(&words).output().unwrap())
    }

    /// What a program inside sees: the last line of `tests/probe.py WORDS`.
    pub fn probe(&self, words: &str) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.py");
        let output = self
            .enter(&["python3", script])
            .args(words.split(' '))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
            + String::from_utf8_lossy(&output.stderr).trim()
    }

    /// The same, going on in the background until its first line came.
    pub fn start(&self, words: &str) -> Background {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.py");
        let mut command = self.enter(&["python3", "-u", script]);
        Background::new(command.args(words.split(' ')))
    }

    /// All that a fence would leave: rules, routes, nf_tables, sockets, settings.
    pub fn traces(&self) -> String {
        let settings = "cat /proc/sys/net/ipv4/tcp_fwmark_accept /proc/sys/net/ipv4/fwmark_reflect \
                        /proc/sys/net/ipv4/conf/all/src_valid_mark";
        [
            "ip rule",
            "ip -6 rule",
            "ip -4 route show table all",
            "nft list ruleset",
            "ss -lntuH",
            "ip -o link",
            settings,
        ]
        .map(|line| self.run(line))
        .join("\n--\n")
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        let _gone = self.first.kill();
        let _status = self.first.wait();
    }
}

/// A program that goes on until dropped.
pub struct Background(Child, std::io::BufReader<std::process::ChildStdout>);

impl Background {
    pub fn new(command: &mut Command) -> Background {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut lines, &mut String::new()).unwrap();
        Background(child, lines)
    }

    /// Its next line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut self.1, &mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

pub fn text(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "waited in vain for {what}"
        );
        sleep(Duration::from_millis(2));
    }
}
