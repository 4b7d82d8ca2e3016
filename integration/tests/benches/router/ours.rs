//! Our router and the sandboxes that it serves.

use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nemoclaw_api::client::Client;
use nemoclaw_api::{Backend, RegisterFds, Request};
use nemoclaw_policy::handover::{
    CA_BUNDLE_FILE, Capture, Egress, FILE, Handover, PolicyText, RESOLV_CONF_FILE,
};
use nemoclaw_tests::shell::{run, wait_for};
use nemoclaw_tests::world::dist_dir;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{setsockopt, sockopt::Ipv4PacketInfo};

use crate::ground::{Ground, PORT, Server};
use crate::meter;
use crate::subjects::{Mode, Subject};
use crate::sys;

/// A router.
pub struct Router {
    /// Its directory.
    pub dir: PathBuf,
    server: Server,
}

impl Router {
    /// Starts the router whose binary is in `binaries`.
    pub fn start(ground: &Ground, name: &str, binaries: &Path) -> Router {
        let dir = ground.path(name);
        fs::create_dir(&dir).expect("directory");
        let hosts =
            Mode::ALL.map(|mode| format!("    {}: [{}]\n", mode.host("ours"), mode.upstream()));
        let config = format!(
            "version: 1\nstate_dir: {0}/state\ndata_dir: {0}/data\negress_hook: {1}\nrouter:\n  user: nobody\n  socket: {0}/router.sock\n  \
             resolvers: [127.0.0.1]\n  extra_ca: [{2}]\n  hosts:\n{3}",
            dir.display(),
            dist_dir().join("nemoclaw-egress").display(),
            ground.path("ca.pem").display(),
            hosts.concat(),
        );
        let file = dir.join("config.yaml");
        fs::write(&file, config).expect("configuration");
        let words = ["run", "--config", &file.display().to_string()];
        let server = Server::start(ground, name, &binaries.join("nemoclaw-router"), &words);
        let router = Router { dir, server };
        let log = ground.path(&format!("{name}.log"));
        wait_for(
            &format!("the router's answer ({})", log.display()),
            Duration::from_secs(15),
            || Client::connect(&router.socket()).ok()?.status().ok(),
        );
        router
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("router.sock")
    }

    /// Warden and worker.
    pub fn pids(&self) -> Vec<i32> {
        let pids = meter::family(self.server.pid());
        assert!(pids.len() == 2, "a warden and a worker: {pids:?}");
        pids
    }

    fn handover(&self, sandbox: &str, policy: &str) -> Handover {
        let file = self.dir.join(format!("{sandbox}.yaml"));
        fs::write(&file, policy).expect("policy");
        Handover {
            version: 1,
            sandbox: sandbox.to_owned(),
            egress: Egress::Router,
            policies: vec![PolicyText {
                name: "bench".to_owned(),
                path: Some(file),
                text: policy.to_owned(),
            }],
            router_socket: self.socket(),
            capture: Capture::Auto,
            inbound: None,
        }
    }
}

/// A sandbox: a process in a network namespace whose traffic ends at a router.
pub struct Sandbox {
    first: Child,
    policy: PathBuf,
}

impl Sandbox {
    /// One that the real hook fences.
    pub fn fenced(router: &Router, name: &str, policy: &str) -> Sandbox {
        let handover = router.handover(name, policy);
        let sandbox = Sandbox::begin(router, name);
        let dir = router.dir.join(format!("{name}.box"));
        fs::create_dir(&dir).expect("directory");
        for (file, text) in [
            (FILE, serde_json::to_string(&handover).expect("JSON")),
            (CA_BUNDLE_FILE, String::new()),
            (RESOLV_CONF_FILE, String::new()),
        ] {
            fs::write(dir.join(file), text).expect("state");
        }
        let state = serde_json::json!({
            "ociVersion": "1.0.2", "id": name, "status": "creating", "pid": sandbox.pid(), "bundle": "/",
            "annotations": { "nemoclaw.dev/state": dir },
        });
        let mut hook = Command::new(dist_dir().join("nemoclaw-egress"))
            .arg("create")
            .stdin(Stdio::piped())
            .spawn()
            .expect("hook");
        let mut input = hook.stdin.take().expect("input");
        input
            .write_all(state.to_string().as_bytes())
            .expect("state");
        drop(input);
        assert!(hook.wait().expect("hook").success(), "the hook failed");
        sandbox
    }

    /// One without a fence: addresses lead to the listener, and nothing else is there.
    pub fn plain(router: &Router, name: &str, policy: &str) -> Sandbox {
        let handover = router.handover(name, policy);
        let sandbox = Sandbox::begin(router, name);
        let pid = sandbox.pid();
        let net = format!("--net=/proc/{pid}/ns/net");
        run("nsenter", &[&net, "ip", "link", "set", "lo", "up"]).ok();
        run(
            "nsenter",
            &[&net, "ip", "addr", "add", "198.18.0.0/15", "dev", "lo"],
        )
        .ok();
        let netns = || File::open(format!("/proc/{pid}/ns/net")).expect("namespace");
        let inside = netns();
        let sockets = std::thread::spawn(move || {
            setns(&inside, CloneFlags::CLONE_NEWNET).expect("setns");
            sockets()
        });
        let (listener, dns) = sockets.join().expect("sockets");
        let request = Request::Register {
            handover,
            pid,
            netns_cookie: u64::from(pid.unsigned_abs()),
            capture: Backend::Tproxy,
        };
        let descriptors = RegisterFds {
            listener,
            dns,
            netns: netns().into(),
            pidfd: sys::pidfd(pid),
            bpf: None,
        };
        Client::connect(&router.socket())
            .and_then(|client| client.register(&request, &descriptors))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        sandbox
    }

    fn begin(router: &Router, name: &str) -> Sandbox {
        let home = fs::read_link("/proc/self/ns/net").expect("namespace");
        let first = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "-n", "sleep", "3600"])
            .stdin(Stdio::null())
            .spawn()
            .expect("first process");
        let own = format!("/proc/{}/ns/net", first.id());
        let comm = format!("/proc/{}/comm", first.id());
        wait_for(
            "the sandbox's first process",
            Duration::from_secs(10),
            || {
                let there = fs::read_link(&own).is_ok_and(|link| link != home)
                    && fs::read_to_string(&comm).is_ok_and(|comm| comm == "sleep\n");
                there.then_some(())
            },
        );
        Sandbox {
            first,
            policy: router.dir.join(format!("{name}.yaml")),
        }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.first.id()).expect("pid")
    }

    /// This sandbox as a subject.
    pub fn subject(&self, name: &'static str, router: &Router) -> Subject {
        Subject {
            name,
            client: Some(self.pid()),
            pids: router.pids(),
        }
    }

    /// Replaces its policy, as an editor does.
    pub fn edit(&self, text: &str) {
        let next = self.policy.with_extension("next");
        fs::write(&next, text).expect("policy");
        fs::rename(&next, &self.policy).expect("rename");
    }

    /// Runs `work` on a thread inside.
    pub fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> std::thread::JoinHandle<T> {
        let netns = File::open(format!("/proc/{}/ns/net", self.pid())).expect("namespace");
        std::thread::spawn(move || {
            setns(&netns, CloneFlags::CLONE_NEWNET).expect("setns");
            work()
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn sockets() -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).expect("listener");
    let dns = UdpSocket::bind("0.0.0.0:53").expect("DNS socket");
    setsockopt(&dns, Ipv4PacketInfo, &true).expect("IP_PKTINFO");
    (listener.into(), dns.into())
}

/// Endpoints of one entry: a policy may have a few more.
const ENDPOINTS: usize = 1000;

/// A policy that allows what the bench asks, behind `others` entries for other hosts.
pub fn policy(others: usize, path: &str) -> String {
    let mut text = "version: 1\nnetwork_policies:\n".to_owned();
    for number in 0..others {
        if number % ENDPOINTS == 0 {
            text += &format!("  others{number}:\n    endpoints:\n");
        }
        text += &format!(
            "      - {{ host: n{number}.other.test, port: {PORT}, protocol: rest, access: read-only }}\n"
        );
    }
    text += &format!(
        "  passed:\n    endpoints:\n      - {{ host: {}, port: {PORT}, protocol: tcp, tls: skip }}\n  inspected:\n    endpoints:\n",
        Mode::L4.host("ours")
    );
    for mode in [Mode::L7, Mode::TlsOne, Mode::TlsTwo] {
        text += &format!(
            "      - {{ host: {}, port: {PORT}, protocol: rest, rules: [ {{ allow: {{ method: GET, path: '{path}' }} }}, \
             {{ allow: {{ method: POST, path: '/api/*/items' }} }} ] }}\n",
            mode.host("ours")
        );
    }
    text
}
