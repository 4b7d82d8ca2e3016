//! Reload, crash and end: what changes, and what must not.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Rig, Sandbox, able};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const HOSTS: &[&str] = &["api.test", "other.test"];

fn policy(access: &str) -> String {
    format!(
        "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - {{ host: api.test, port: 443, protocol: rest, access: {access} }}\n"
    )
}

#[test]
fn the_worker_has_given_up_everything() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let status = rig.status();
    let worker = status.worker_pid.expect("a worker");
    let text = std::fs::read_to_string(format!("/proc/{worker}/status")).expect("status");
    let field = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}"));
        line.split_once(':').expect("value").1.trim().to_owned()
    };
    assert_eq!(field("Seccomp:"), "2");
    assert_eq!(field("NoNewPrivs:"), "1");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(
            u64::from_str_radix(&field(set), 16).expect("hex"),
            0,
            "{set}"
        );
    }
    for ids in ["Uid:", "Gid:"] {
        assert!(
            field(ids).split_whitespace().all(|id| id != "0"),
            "{ids} {}",
            field(ids)
        );
    }
    assert_eq!(field("Groups:"), "");
}

#[test]
fn an_edit_is_in_force_within_100_ms_and_the_status_shows_it() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    let mut times = Vec::new();
    for round in 0..10 {
        let access = if round % 2 == 0 { "full" } else { "read-only" };
        let begin = Instant::now();
        sandbox.edit(&policy(access));
        let generation = round + 2;
        rig.wait_until("the edit is in force", || {
            rig.boxed("a").generation == generation
        });
        times.push(begin.elapsed());
        let expected = if access == "full" { 200 } else { 403 };
        assert_eq!(
            sandbox
                .curl("api.test", &["-d", "x", "https://api.test/"])
                .status,
            expected
        );
    }
    times.sort();
    eprintln!(
        "edit to enforcement: median {:?}, worst {:?}",
        times[5], times[9]
    );
    assert!(times[9] < Duration::from_millis(100), "{times:?}");
}

#[test]
fn a_request_in_flight_is_cut_when_the_policy_takes_it_away() {
    if !able() {
        return;
    }
    for version in ["--http1.1", "--http2"] {
        cut_in_flight(version);
    }
}

fn cut_in_flight(version: &str) {
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    let file = sandbox.policy.clone();
    let editor = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        let other = policy("read-only").replace("api.test", "other.test");
        std::fs::write(&file, other).expect("edit");
    });
    let begin = Instant::now();
    let answer = sandbox.curl("api.test", &[version, "https://api.test/slow"]);
    editor.join().expect("editor");
    assert_ne!(answer.exit, 0, "{answer:?}");
    assert!(answer.body.contains("piece"));
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "cut after {:?}",
        begin.elapsed()
    );
    assert_eq!(
        sandbox
            .ask("api.test", hickory_proto::rr::RecordType::A)
            .0
            .to_string(),
        "Non-Existent Domain"
    );
}

#[test]
fn a_passed_through_connection_is_cut_when_its_host_is_taken_away() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let raw = "version: 1\nnetwork_policies:\n  raw:\n    endpoints:\n      - { host: api.test, port: 2222 }\n";
    let sandbox = Sandbox::new(&rig, "a", 2222, raw);
    let address = sandbox.address("api.test");
    let mut stream = sandbox.netns.within(move || {
        let mut stream = TcpStream::connect((address, 2222)).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("time-out");
        let mut greeting = [0; 6];
        stream.read_exact(&mut greeting).expect("greeting");
        stream
    });
    rig.wait_until("the connection is counted", || {
        rig.boxed("a").connections == 1
    });
    let begin = Instant::now();
    sandbox.edit(&policy("read-only"));
    let end = stream.read(&mut [0; 1]);
    assert!(end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    eprintln!(
        "a passed-through connection was cut {:?} after the edit",
        begin.elapsed()
    );
    assert!(
        begin.elapsed() < Duration::from_millis(500),
        "{:?}",
        begin.elapsed()
    );
    rig.wait_until("the connection is gone", || rig.boxed("a").connections == 0);
}

#[test]
fn a_hundred_mutated_files_never_change_the_generation_and_the_fault_has_a_caret() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let good = policy("read-only");
    let sandbox = Sandbox::new(&rig, "a", 443, &good);
    for number in 0..100 {
        // A stray character that no policy may hold, somewhere else each time.
        let at = (number * 37) % good.len();
        let mutated = format!("{}\u{1}{}", &good[..at], &good[at..]);
        sandbox.edit(&mutated);
        if number % 10 == 0 {
            rig.wait_until("the fault shows", || rig.boxed("a").fault.is_some());
        }
    }
    rig.wait_until("the fault shows", || rig.boxed("a").fault.is_some());
    std::thread::sleep(Duration::from_millis(60));
    let status = rig.boxed("a");
    assert_eq!(status.generation, 1, "{status:?}");
    assert!(
        status
            .fault
            .as_ref()
            .is_some_and(|fault| fault.contains('^') && fault.contains("a.yaml:")),
        "{status:?}"
    );
    assert_eq!(sandbox.curl("api.test", &["https://api.test/"]).status, 200);
    std::fs::remove_file(&sandbox.policy).expect("remove");
    rig.wait_until("a missing file is a fault", || {
        rig.boxed("a")
            .fault
            .is_some_and(|fault| fault.contains("cannot read"))
    });
    assert_eq!(
        sandbox.curl("api.test", &["https://api.test/"]).status,
        200,
        "the old policy stays"
    );
    sandbox.edit(&good);
    rig.wait_until("the fault is gone", || rig.boxed("a").fault.is_none());
    assert_eq!(rig.boxed("a").generation, 1);
}

#[test]
fn a_killed_worker_is_followed_by_one_with_the_same_identity_within_a_second() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    sandbox.edit(&policy("read-write"));
    rig.wait_until("the edit is in force", || rig.boxed("a").generation == 2);
    sandbox.edit("version: nonsense\n");
    rig.wait_until("the fault shows", || rig.boxed("a").fault.is_some());
    let address = sandbox.address("api.test");
    assert_eq!(sandbox.curl("api.test", &["https://api.test/"]).status, 200);
    for round in 0..3 {
        let worker = rig.status().worker_pid.expect("a worker");
        let begin = Instant::now();
        kill(Pid::from_raw(worker), Signal::SIGKILL).expect("kill");
        // Dialled at once: the connection waits in the backlog.
        let answer = sandbox.curl_at("api.test", address, &["-d", "x", "https://api.test/"]);
        eprintln!("round {round}: served {:?} after kill -9", begin.elapsed());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            begin.elapsed() < Duration::from_secs(1),
            "{:?}",
            begin.elapsed()
        );
        assert_eq!(
            sandbox.address("api.test"),
            address,
            "the virtual address changed"
        );
        assert_eq!(rig.boxed("a").generation, 2);
        let now = rig.status();
        assert!(
            now.worker_pid.is_some_and(|pid| pid != worker) && now.restarts == round + 1,
            "{now:?}"
        );
    }
    sandbox.edit(&policy("read-only"));
    rig.wait_until("policies are followed again", || {
        rig.boxed("a").generation == 3
    });
}

#[test]
fn a_sandbox_that_ends_is_forgotten_and_its_name_is_free_again() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let mut sandbox = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    let twice = Sandbox::try_new(&rig, "a", 443, &policy("read-only"));
    assert!(twice.is_err_and(|error| error.contains("registered already")));
    sandbox.end();
    rig.wait_until("it is forgotten", || {
        rig.client().list().expect("list").is_empty()
    });
    let again = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    assert_eq!(again.curl("api.test", &["https://api.test/"]).status, 200);
    rig.client().release("a").expect("release");
    rig.client()
        .release("a")
        .expect("releasing twice is no error");
    assert!(rig.client().list().expect("list").is_empty());
}

#[test]
fn a_faulty_policy_is_not_registered() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let refused = Sandbox::try_new(&rig, "a", 443, "version: 1\nnetwork_polices: {}\n");
    let error = refused.err().expect("refused");
    assert!(
        error.contains("a.yaml:2:1") && error.contains('^'),
        "{error}"
    );
    assert!(rig.client().list().expect("list").is_empty());
}

#[test]
fn the_router_drains_and_ends_and_a_second_one_is_refused() {
    if !able() {
        return;
    }
    let mut rig = Rig::start(HOSTS);
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_nemoclaw-router"))
        .args(["run", "--config"])
        .arg(rig.directory.path().join("config.yaml"))
        .output()
        .expect("second router");
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("already running"));
    let begin = Instant::now();
    kill(Pid::from_raw(rig.pid().cast_signed()), Signal::SIGTERM).expect("kill");
    assert!(rig.ended().success());
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    assert!(!rig.socket().exists());
}

#[test]
fn under_load_a_killed_worker_costs_only_the_requests_in_flight() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    let address = sandbox.address("api.test");
    let worker = rig.status().worker_pid.expect("a worker");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        kill(Pid::from_raw(worker), Signal::SIGKILL).expect("kill");
        Instant::now()
    });
    let begin = Instant::now();
    let mut served = Vec::new();
    while begin.elapsed() < Duration::from_millis(1500) {
        let answer = sandbox.curl_at("api.test", address, &["https://api.test/"]);
        assert!(answer.status == 200 || answer.exit != 0, "{answer:?}");
        if answer.status == 200 {
            served.push(Instant::now());
        }
    }
    let killed = killer.join().expect("killer");
    let next = served
        .iter()
        .find(|at| **at > killed)
        .expect("service again");
    eprintln!(
        "under load: served again {:?} after kill -9",
        *next - killed
    );
    assert!(*next - killed < Duration::from_secs(1));
}
