//! A node in miniature: a router and real TLS servers in one network namespace, sandboxes in others.
#![allow(dead_code)]

mod answer;
mod certificates;
pub mod client;
mod echo;
mod grpc;
mod lenient;
mod net;
pub mod openmetrics;
pub mod proxy;
pub mod recorder;
mod sandbox;
pub mod socket;
pub mod two;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nemoclaw_api::audit::chain::{Head, Keys};
use nemoclaw_api::audit::verify::{Against, Report, verify};
use nemoclaw_api::client::Client;
use nemoclaw_api::{BoxStatus, RouterStatus, audit};

pub use answer::Answer;
pub use net::Netns;
#[allow(unused_imports, reason = "one test file has sandboxes of its own")]
pub use sandbox::Sandbox;
use upstream::Upstream;

/// The upstream servers' address.
pub const OUTSIDE: &str = "203.0.113.10";
/// The router's DNS server, which leads inside.
pub const RESOLVER: &str = "203.0.113.53";

/// Whether the tests can run; says why not.
pub fn able() -> bool {
    let root = nix::unistd::geteuid().is_root();
    let ip = Command::new("ip").arg("-V").output().is_ok();
    let curl = Command::new("curl").arg("-V").output().is_ok();
    if !(root && ip && curl) {
        eprintln!("skipped: needs root, `ip` and `curl` (root: {root}, ip: {ip}, curl: {curl})");
    }
    root && ip && curl
}

/// Processor time that the threads of this name in a process have had.
pub fn worked(pid: u32, name: &str) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let times = tasks.filter_map(|task| {
        let task = task.ok()?.path();
        let comm = std::fs::read_to_string(task.join("comm")).ok()?;
        let had = std::fs::read_to_string(task.join("schedstat")).ok()?;
        let had = had.split(' ').next()?.parse().ok()?;
        (comm.trim() == name).then_some(Duration::from_nanos(had))
    });
    times.sum()
}

/// A router with its servers.
pub struct Rig {
    pub directory: tempfile::TempDir,
    pub outside: Netns,
    process: Child,
    upstream: Upstream,
}

impl Rig {
    /// Start everything. `hosts` all lead to [`OUTSIDE`].
    pub fn start(hosts: &[&str]) -> Rig {
        Rig::start_with(hosts, "", "true")
    }

    /// The same with more lines of configuration, and with a shell command that runs in the router's own mount namespace
    /// before it; `$D` is the rig's directory.
    pub fn start_with(hosts: &[&str], more: &str, before: &str) -> Rig {
        let list: String = hosts
            .iter()
            .map(|host| format!("    {host}: [{OUTSIDE}]\n"))
            .collect();
        Rig::assemble(hosts, more, &format!("  hosts:\n{list}"), before)
    }

    /// The same with other keys below `router` in place of `hosts`.
    pub fn start_behind(hosts: &[&str], router: &str) -> Rig {
        Rig::assemble(hosts, "", router, "true")
    }

    fn assemble(hosts: &[&str], more: &str, router: &str, before: &str) -> Rig {
        let directory = tempfile::Builder::new()
            .prefix("nrt-")
            .tempdir()
            .expect("directory");
        let outside = Netns::new("out");
        for address in [OUTSIDE, RESOLVER] {
            outside.ip(&["addr", "add", address, "dev", "lo"]);
        }
        let upstream = Upstream::start(&outside, hosts);
        let path = |name: &str| directory.path().join(name);
        for (name, text) in [
            ("upstream-ca.pem", &upstream.outside.ca),
            ("client.pem", &upstream.client.certificate),
            ("client.key", &upstream.client.key),
        ] {
            std::fs::write(path(name), text).expect("PEM");
        }
        let config = format!(
            "version: 1\nstate_dir: {0}/state\ndata_dir: {0}/data\n{1}router:\n  user: nobody\n  resolvers: [{RESOLVER}]\n  \
             extra_ca: [{0}/upstream-ca.pem]\n{router}",
            directory.path().display(),
            more.replace("$D", &directory.path().display().to_string()),
        );
        std::fs::write(path("config.yaml"), config).expect("config");
        let process = launch(directory.path(), &outside, before);
        let rig = Rig {
            directory,
            outside,
            process,
            upstream,
        };
        rig.answers();
        rig
    }

    fn answers(&self) {
        self.wait_until("the router answers", || {
            self.try_client()
                .is_some_and(|client| client.status().is_ok())
        });
    }

    /// Kill the router, worker and all, and start another in its place.
    pub fn kill_and_start(&mut self) {
        let worker = self.status().worker_pid.expect("a worker");
        self.process.kill().expect("kill");
        self.process.wait().expect("wait");
        self.wait_until("the worker ends with its warden", || {
            !Path::new(&format!("/proc/{worker}")).exists()
        });
        self.process = launch(self.directory.path(), &self.outside, "true");
        self.answers();
    }

    /// A path as the router sees it.
    pub fn seen(&self, path: &str) -> PathBuf {
        let below = self.directory.path().strip_prefix("/").expect("absolute");
        PathBuf::from(format!("/proc/{}/root", self.pid()))
            .join(below)
            .join(path)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("router.log")).unwrap_or_default()
    }

    pub fn wait_until(&self, what: &str, mut true_now: impl FnMut() -> bool) -> Duration {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(10) {
            if true_now() {
                return begin.elapsed();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("never: {what}\n{}", self.log());
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("state/router.sock")
    }

    fn try_client(&self) -> Option<Client> {
        Client::connect(&self.socket()).ok()
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.socket()).unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    pub fn status(&self) -> RouterStatus {
        self.client().status().expect("status")
    }

    pub fn boxed(&self, name: &str) -> BoxStatus {
        let boxes = self.client().list().expect("list");
        boxes
            .into_iter()
            .find(|found| found.sandbox == name)
            .expect("the sandbox")
    }

    pub fn audit(&self, name: &str) -> Vec<audit::Event> {
        let path = self
            .directory
            .path()
            .join(format!("data/audit/{name}.jsonl"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // The last line may be on its way.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .filter_map(|line| {
                audit::record::Record::parse(line)
                    .expect("a record")
                    .event()
            })
            .collect()
    }

    /// Let the router sign its logs, and hold one against what was signed.
    pub fn verified(&self, name: &str) -> Report {
        self.client().seal().expect("sealed");
        let data = self.seen("data");
        let keys = std::fs::read_to_string(Keys::path(&data)).expect("keys");
        let head = std::fs::read(Head::path(&data, name)).expect("head");
        let against = Against {
            keys: &Keys::parse(&keys).expect("keys"),
            head: Some(&serde_json::from_slice(&head).expect("a head")),
            whole: true,
            live: true,
        };
        let current = data.join(format!("audit/{name}.jsonl"));
        let older = (1..9)
            .rev()
            .map(|number| current.with_extension(format!("jsonl.{number}")));
        let files: Vec<PathBuf> = older
            .chain([current.clone()])
            .filter(|path| path.exists())
            .collect();
        verify(&files, &against).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Wait for an audit event.
    pub fn audited(&self, name: &str, wanted: impl Fn(&audit::Event) -> bool) -> audit::Event {
        let mut found = None;
        self.wait_until("the audit event", || {
            found = self.audit(name).into_iter().find(|event| wanted(event));
            found.is_some()
        });
        found.expect("found")
    }

    /// Method and path of what the upstream servers were asked since the last time.
    pub fn asked_upstream(&self) -> Vec<String> {
        std::mem::take(&mut self.upstream.seen.lock().expect("lock"))
    }

    /// The CA of the servers outside.
    pub fn outside_ca(&self) -> &certificates::Outside {
        &self.upstream.outside
    }

    /// The worker's memory, in KiB.
    pub fn worker_memory(&self) -> u64 {
        let pid = self.status().worker_pid.expect("a worker");
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
        let line = text
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        let number = line.split_whitespace().nth(1).expect("a number");
        number.parse().expect("a number")
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Wait for the router's own end.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            if let Some(status) = self.process.try_wait().expect("wait") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the router did not end\n{}", self.log());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- router's log\n{}", self.log());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn launch(directory: &Path, outside: &Netns, before: &str) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(directory.join("router.log"))
        .expect("log");
    let script = format!("{before} && exec \"$R\" run --config \"$D/config.yaml\"");
    Command::new("ip")
        .args(["netns", "exec", &outside.name, "sh", "-c", &script])
        .env("D", directory)
        .env("R", env!("CARGO_BIN_EXE_nemoclaw-router"))
        .stderr(log)
        .spawn()
        .expect("router")
}
