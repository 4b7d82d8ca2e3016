//! A sandbox in miniature: a network namespace whose traffic to one port ends at the router.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use nemoclaw_api::client::Registration;
use nemoclaw_api::{Backend, RegisterFds, Request};
use nemoclaw_policy::handover::{Capture, Egress, Handover, PolicyText};
use nix::sys::socket::{setsockopt, sockopt::Ipv4PacketInfo};

use super::{Answer, Netns, Rig};

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
        let file = rig.directory.path().join(format!("{name}.yaml"));
        std::fs::write(&file, policy).expect("policy");
        let handover = handover(rig, name, &file, policy);
        let registration = match register(rig, handover, &netns, init.id(), port) {
            Ok(registration) => registration,
            Err(error) => {
                let _ = init.kill();
                let _ = init.wait();
                return Err(error);
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

    /// Register it again, as the hook does after a full restart, with the hand-over that the router kept.
    pub fn register_again(&self, rig: &Rig) -> Registration {
        let kept = rig
            .directory
            .path()
            .join(format!("state/router/{}/egress.json", self.name));
        let text = std::fs::read(kept).expect("what was kept");
        let handover = serde_json::from_slice(&text).expect("a hand-over");
        register(rig, handover, &self.netns, self.init.id(), self.port).expect("registered")
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

    /// What a server says that speaks first, and what it says back to `echo`.
    pub fn greeted(&self, name: &str) -> ([u8; 6], [u8; 4]) {
        let (address, port) = (self.address(name), self.port);
        self.netns.within(move || {
            let mut stream = TcpStream::connect((address, port)).expect("connect");
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .expect("time-out");
            let mut heard = [0; 6];
            stream.read_exact(&mut heard).expect("greeting");
            stream.write_all(b"echo").expect("write");
            let mut echo = [0; 4];
            stream.read_exact(&mut echo).expect("echo");
            (heard, echo)
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

fn handover(rig: &Rig, name: &str, file: &Path, policy: &str) -> Handover {
    Handover {
        version: 1,
        sandbox: name.to_owned(),
        egress: Egress::Router,
        policies: vec![PolicyText {
            name: "test".into(),
            path: Some(file.to_owned()),
            text: policy.to_owned(),
        }],
        router_socket: rig.socket(),
        capture: Capture::Tproxy,
        inbound: None,
    }
}

fn register(
    rig: &Rig,
    handover: Handover,
    netns: &Netns,
    init: u32,
    port: u16,
) -> Result<Registration, String> {
    let (listener, dns) = netns.within(move || sockets(port));
    let request = Request::Register {
        handover,
        pid: i32::try_from(init).expect("pid"),
        netns_cookie: u64::from(init),
        capture: Backend::Tproxy,
    };
    let descriptors = RegisterFds {
        listener,
        dns,
        netns: netns.descriptor(),
        pidfd: crate::sys::pidfd(init),
        bpf: None,
    };
    rig.client()
        .register(&request, &descriptors)
        .map_err(|error| error.to_string())
}

fn sockets(port: u16) -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind(("0.0.0.0", port)).expect("listener");
    let dns = UdpSocket::bind("0.0.0.0:53").expect("DNS socket");
    setsockopt(&dns, Ipv4PacketInfo, &true).expect("IP_PKTINFO");
    (listener.into(), dns.into())
}
