//! A node in miniature: a router and real TLS servers in one network namespace, sandboxes in others.
#![allow(dead_code)]

mod net;
mod upstream;

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use nemoclaw_api::client::{Client, Registration};
use nemoclaw_api::{Backend, BoxStatus, RegisterFds, Request, RouterStatus, audit};
use nemoclaw_policy::handover::{Capture, Egress, Handover, PolicyText};
use nix::sys::socket::{setsockopt, sockopt::Ipv4PacketInfo};

pub use net::Netns;
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

/// A router with its servers.
pub struct Rig {
    pub directory: tempfile::TempDir,
    pub outside: Netns,
    process: Child,
    _upstream: Upstream,
}

impl Rig {
    /// Start everything. `hosts` all lead to [`OUTSIDE`].
    pub fn start(hosts: &[&str]) -> Rig {
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
        std::fs::write(path("upstream-ca.pem"), &upstream.ca).expect("CA");
        let list: String = hosts
            .iter()
            .map(|host| format!("    {host}: [{OUTSIDE}]\n"))
            .collect();
        let config = format!(
            "version: 1\nstate_dir: {0}/state\ndata_dir: {0}/data\nrouter:\n  user: nobody\n  resolvers: [{RESOLVER}]\n  \
             extra_ca: [{0}/upstream-ca.pem]\n  hosts:\n{list}",
            directory.path().display()
        );
        std::fs::write(path("config.yaml"), config).expect("config");
        let log = std::fs::File::create(path("router.log")).expect("log");
        let process = Command::new("ip")
            .args([
                "netns",
                "exec",
                &outside.name,
                env!("CARGO_BIN_EXE_nemoclaw-router"),
                "run",
                "--config",
            ])
            .arg(path("config.yaml"))
            .stderr(log)
            .spawn()
            .expect("router");
        let rig = Rig {
            directory,
            outside,
            process,
            _upstream: upstream,
        };
        rig.wait_until("the router answers", || {
            rig.try_client()
                .is_some_and(|client| client.status().is_ok())
        });
        rig
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
        text.lines()
            .map(|line| serde_json::from_str(line).expect("an event"))
            .collect()
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

/// A sandbox: a network namespace whose traffic to one port ends at the router.
pub struct Sandbox {
    pub name: String,
    pub netns: Netns,
    pub policy: PathBuf,
    pub registration: Registration,
    pub port: u16,
    ca: PathBuf,
    init: Child,
}

impl Sandbox {
    /// Make one and register it.
    pub fn new(rig: &Rig, name: &str, port: u16, policy: &str) -> Sandbox {
        Self::try_new(rig, name, port, policy)
            .unwrap_or_else(|error| panic!("{error}\n{}", rig.log()))
    }

    pub fn try_new(rig: &Rig, name: &str, port: u16, policy: &str) -> Result<Sandbox, String> {
        let netns = Netns::new(name);
        netns.ip(&["addr", "add", "198.18.0.0/15", "dev", "lo"]);
        netns.ip(&["route", "add", "local", "8.8.8.8", "dev", "lo"]);
        let mut init = Command::new("ip")
            .args(["netns", "exec", &netns.name, "sleep", "600"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("init");
        let (listener, dns) = netns.within(move || sockets(port));
        let file = rig.directory.path().join(format!("{name}.yaml"));
        std::fs::write(&file, policy).expect("policy");
        let handover = Handover {
            version: 1,
            sandbox: name.to_owned(),
            egress: Egress::Router,
            policies: vec![PolicyText {
                name: "test".into(),
                path: Some(file.clone()),
                text: policy.to_owned(),
            }],
            router_socket: rig.socket(),
            capture: Capture::Tproxy,
            inbound: None,
        };
        let pid = i32::try_from(init.id()).expect("pid");
        let cookie = u64::from(init.id());
        let request = Request::Register {
            handover,
            pid,
            netns_cookie: cookie,
            capture: Backend::Tproxy,
        };
        let descriptors = RegisterFds {
            listener,
            dns,
            netns: netns.descriptor(),
            pidfd: crate::sys::pidfd(init.id()),
            bpf: None,
        };
        let registration = match rig.client().register(&request, &descriptors) {
            Ok(registration) => registration,
            Err(error) => {
                let _ = init.kill();
                let _ = init.wait();
                return Err(error.to_string());
            }
        };
        let ca = rig.directory.path().join(format!("{name}-ca.pem"));
        std::fs::write(&ca, &registration.ca_pem).expect("CA");
        Ok(Sandbox {
            name: name.to_owned(),
            netns,
            policy: file,
            registration,
            port,
            ca,
            init,
        })
    }

    /// Ask the router's DNS.
    pub fn ask(&self, name: &str, kind: RecordType) -> (ResponseCode, Vec<Ipv4Addr>) {
        let name = Name::from_ascii(format!("{name}.")).expect("name");
        self.netns.within(move || {
            let socket = UdpSocket::bind("0.0.0.0:0").expect("socket");
            socket
                .set_read_timeout(Some(Duration::from_secs(3)))
                .expect("time-out");
            // Connected: an answer from any other address would not arrive.
            socket.connect("198.18.0.53:53").expect("connect");
            let mut message = Message::query();
            message.add_query(Query::query(name, kind));
            socket
                .send(&message.to_vec().expect("bytes"))
                .expect("send");
            let mut buffer = [0; 2048];
            let length = socket.recv(&mut buffer).expect("a DNS answer");
            let answer = Message::from_vec(&buffer[..length]).expect("message");
            let addresses = answer
                .answers
                .iter()
                .filter_map(|record| match &record.data {
                    RData::A(address) => Some(address.0),
                    _ => None,
                })
                .collect();
            (answer.metadata.response_code, addresses)
        })
    }

    /// The virtual address of a name.
    pub fn address(&self, name: &str) -> Ipv4Addr {
        let (code, addresses) = self.ask(name, RecordType::A);
        *addresses
            .first()
            .unwrap_or_else(|| panic!("{name}: {code}"))
    }

    /// curl inside the sandbox, trusting the sandbox's CA; `host` is looked up first.
    pub fn curl(&self, host: &str, arguments: &[&str]) -> Answer {
        self.curl_at(host, self.address(host), arguments)
    }

    /// curl with `host` standing for `address`.
    pub fn curl_at(&self, host: &str, address: Ipv4Addr, arguments: &[&str]) -> Answer {
        let mut command = Command::new("curl");
        command
            .args([
                "-sS",
                "--max-time",
                "8",
                "-w",
                "\n%{http_code} %{http_version} %{num_connects}",
                "--cacert",
            ])
            .arg(&self.ca)
            .args(["--resolve", &format!("{host}:{}:{address}", self.port)])
            .args(arguments)
            .stdin(Stdio::null());
        Answer::of(&self.netns.within(move || command.output().expect("curl")))
    }

    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// Replace the policy file as an editor does.
    pub fn edit(&self, text: &str) {
        let next = self.policy.with_extension("next");
        std::fs::write(&next, text).expect("write");
        std::fs::rename(&next, &self.policy).expect("rename");
    }

    /// End its first process.
    pub fn end(&mut self) {
        let _ = self.init.kill();
        let _ = self.init.wait();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}

fn sockets(port: u16) -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind(("0.0.0.0", port)).expect("listener");
    let dns = UdpSocket::bind("0.0.0.0:53").expect("DNS socket");
    setsockopt(&dns, Ipv4PacketInfo, &true).expect("IP_PKTINFO");
    (listener.into(), dns.into())
}

/// What curl saw.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub version: String,
    pub connections: u32,
    pub body: String,
    pub error: String,
    pub exit: i32,
}

impl Answer {
    fn of(output: &Output) -> Answer {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, last) = text.rsplit_once('\n').unwrap_or(("", "0 0 0"));
        let words: Vec<&str> = last.split(' ').collect();
        Answer {
            status: words[0].parse().unwrap_or_default(),
            version: words.get(1).copied().unwrap_or_default().to_owned(),
            connections: words
                .get(2)
                .and_then(|word| word.parse().ok())
                .unwrap_or_default(),
            body: body.to_owned(),
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
            exit: output.status.code().unwrap_or(-1),
        }
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
