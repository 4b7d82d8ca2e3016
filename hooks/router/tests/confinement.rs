//! Inside the worker's confinement: what it must not do fails, and what it lives by works.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod sys;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;

use nemoclaw_router::worker::confine::confine;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

const NOBODY: u32 = 65534;
const PORT: &str = "CONFINEMENT_PORT";

/// Runs in a process of its own, since it never comes back: started by the test below only.
#[test]
#[ignore = "started by another test, in a process of its own"]
fn inside() {
    let port: u16 = std::env::var(PORT)
        .expect("a port")
        .parse()
        .expect("a number");
    let kept = std::fs::File::open("/").expect("a directory that was open before");
    confine(NOBODY, NOBODY).expect("confined");

    for path in ["/etc/passwd", "/proc/self/status", "/dev/null", "/"] {
        assert!(std::fs::File::open(path).is_err(), "opened {path}");
    }
    assert!(std::fs::write("/tmp/confinement", "x").is_err());
    assert!(std::fs::read_dir("/tmp").is_err());
    let below = nix::fcntl::openat(
        Some(std::os::fd::AsRawFd::as_raw_fd(&kept)),
        "etc/passwd",
        nix::fcntl::OFlag::O_RDONLY,
        nix::sys::stat::Mode::empty(),
    );
    assert!(below.is_err(), "opened through an old directory");
    let none = SockFlag::empty();
    for (family, kind) in [
        (AddressFamily::Packet, SockType::Raw),
        (AddressFamily::Inet, SockType::Raw),
        (AddressFamily::Netlink, SockType::Raw),
        (AddressFamily::Unix, SockType::Stream),
        (AddressFamily::Vsock, SockType::Stream),
    ] {
        assert_eq!(
            socket(family, kind, none, None).err(),
            Some(Errno::EPERM),
            "{family:?}"
        );
    }
    assert!(nix::unistd::execv(c"/bin/true", &[c"true"]).is_err());
    assert!(Command::new("/bin/true").spawn().is_err());
    assert_eq!(sys::fork(), Err(Errno::EPERM));
    assert_eq!(sys::trace_parent(), Err(Errno::EPERM));
    let nothing: Option<&str> = None;
    let mounted = nix::mount::mount(
        nothing,
        "/tmp",
        Some("tmpfs"),
        nix::mount::MsFlags::empty(),
        nothing,
    );
    assert_eq!(mounted, Err(Errno::EPERM));
    assert_eq!(
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER),
        Err(Errno::EPERM)
    );
    assert_eq!(
        nix::unistd::setuid(nix::unistd::Uid::from_raw(0)),
        Err(Errno::EPERM)
    );
    let parent = nix::unistd::Pid::parent();
    assert!(nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGKILL).is_err());
    assert!(sys::executable_memory().is_err());

    works(port);
    eprintln!("all held");
}

fn works(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("TCP");
    stream.write_all(b"ping").expect("write");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("read");
    assert_eq!(&answer, b"pong");
    UdpSocket::bind("127.0.0.1:0").expect("UDP");
    std::thread::spawn(|| {}).join().expect("a thread");
}

#[test]
fn what_the_worker_must_not_do_fails_and_what_it_lives_by_works() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).expect("read");
        assert_eq!(&asked, b"ping");
        stream.write_all(b"pong").expect("write");
    });
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--ignored",
            "--exact",
            "inside",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PORT, port.to_string())
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("the other process");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("all held"),
        "{said}"
    );
}
