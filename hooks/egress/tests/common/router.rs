//! A stand-in for the router: speaks the socket's protocol, tells every connection its original destination, and answers
//! every datagram from the address it was sent to.

use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nemoclaw_api::{Backend, RegisterFds, Request, Response, wire};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg,
};

use super::Directory;

pub const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nstand-in\n-----END CERTIFICATE-----\n";

/// A running stand-in. It dies as a killed router does: every descriptor closes.
pub struct Router {
    directory: Directory,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    refuse: Option<String>,
    boxes: Mutex<BTreeMap<String, Registered>>,
    released: Mutex<Vec<String>>,
}

/// A registration as it came.
struct Registered {
    backend: Backend,
    cookie: u64,
    held: Arc<RegisterFds>,
}

impl Router {
    pub fn start() -> Router {
        Router::start_with(None)
    }

    /// One that refuses every registration with this sentence.
    pub fn refusing(sentence: &str) -> Router {
        Router::start_with(Some(sentence.into()))
    }

    fn start_with(refuse: Option<String>) -> Router {
        let directory = Directory::new();
        let listener = UnixListener::bind(directory.0.join("router.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::new(Shared {
            refuse,
            ..Shared::default()
        });
        let (own, also) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || admin(&listener, &own)),
            thread::spawn(move || traffic(&also)),
        ];
        Router {
            directory,
            shared,
            threads,
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.0.join("router.sock")
    }

    pub fn backend(&self, sandbox: &str) -> Backend {
        self.shared.boxes.lock().unwrap()[sandbox].backend
    }

    pub fn cookie(&self, sandbox: &str) -> u64 {
        self.shared.boxes.lock().unwrap()[sandbox].cookie
    }

    pub fn boxes(&self) -> usize {
        self.shared.boxes.lock().unwrap().len()
    }

    pub fn released(&self) -> Vec<String> {
        self.shared.released.lock().unwrap().clone()
    }

    pub fn kill(self) {}
}

impl Drop for Router {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
        self.shared.boxes.lock().unwrap().clear();
    }
}

fn admin(listener: &UnixListener, shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => answer(&stream, shared),
            Err(_) => thread::sleep(Duration::from_micros(200)),
        }
    }
}

fn answer(stream: &UnixStream, shared: &Shared) {
    stream.set_nonblocking(false).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let Ok((request, descriptors)) = wire::receive::<Request>(stream) else {
        return;
    };
    let response = match (request, &shared.refuse) {
        (Request::Register { .. }, Some(message)) => Response::Error {
            message: message.clone(),
        },
        (
            Request::Register {
                handover,
                netns_cookie,
                capture,
                ..
            },
            None,
        ) => {
            let held = Arc::new(RegisterFds::from_wire(capture, descriptors).unwrap());
            let registered = Registered {
                backend: capture,
                cookie: netns_cookie,
                held,
            };
            shared
                .boxes
                .lock()
                .unwrap()
                .insert(handover.sandbox, registered);
            Response::Registered {
                generation: 1,
                ca_pem: CERTIFICATE.into(),
            }
        }
        (Request::Release { sandbox }, _) => {
            shared.boxes.lock().unwrap().remove(&sandbox);
            shared.released.lock().unwrap().push(sandbox);
            Response::Done
        }
        _ => Response::Error {
            message: "not in the stand-in".into(),
        },
    };
    wire::send(stream, &response, &[]).unwrap();
}

fn traffic(shared: &Shared) {
    while !shared.stop.load(Ordering::Relaxed) {
        let held: Vec<_> = shared
            .boxes
            .lock()
            .unwrap()
            .values()
            .map(|one| Arc::clone(&one.held))
            .collect();
        for one in held {
            greet(&one.listener);
            echo(&one.dns);
        }
        thread::sleep(Duration::from_micros(200));
    }
}

fn greet(listener: &OwnedFd) {
    let listener = TcpListener::from(listener.try_clone().unwrap());
    while let Ok((mut stream, _)) = listener.accept() {
        let SocketAddr::V4(asked) = stream.local_addr().unwrap() else {
            continue;
        };
        let _lost = writeln!(stream, "router {asked}");
    }
}

fn echo(dns: &OwnedFd) {
    loop {
        let mut bytes = [0; 512];
        let mut part = [IoSliceMut::new(&mut bytes)];
        let mut control = nix::cmsg_space!(libc::in_pktinfo);
        let Ok(message) = recvmsg::<SockaddrIn>(
            dns.as_raw_fd(),
            &mut part,
            Some(&mut control),
            MsgFlags::empty(),
        ) else {
            return;
        };
        let asked = message.cmsgs().unwrap().find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => Some(info.ipi_addr),
            _ => None,
        });
        let (length, from) = (message.bytes, message.address.unwrap());
        let source = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: asked.unwrap(),
            ipi_addr: asked.unwrap(),
        };
        let part = [IoSlice::new(&bytes[..length])];
        let control = [ControlMessage::Ipv4PacketInfo(&source)];
        let _lost = sendmsg(
            dns.as_raw_fd(),
            &part,
            &control,
            MsgFlags::empty(),
            Some(&from),
        );
    }
}

/// The bundle that the hook is to leave.
pub fn wanted_bundle(before: &str) -> String {
    format!("{before}\n{CERTIFICATE}")
}

/// Whether `path` is still the inode it was.
pub fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap())
}
