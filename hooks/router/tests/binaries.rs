//! Rules that name programs, through the whole router: who may, who may not, what is written down, and what it costs.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{Rig, Sandbox, able, worked};

const HOSTS: &[&str] = &["api.test"];

fn said(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

fn curl() -> String {
    said("readlink -f \"$(command -v curl)\"")
}

/// `binaries` as YAML, for port 80 with a look at requests and for port 2222 without.
fn policy(port: u16, binaries: &str) -> String {
    let protocol = match port {
        80 => ", protocol: rest, access: full",
        _ => "",
    };
    format!(
        "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - {{ host: api.test, port: {port}{protocol} }}\n{binaries}"
    )
}

fn only(port: u16, path: &str) -> String {
    policy(port, &format!("    binaries: [{{ path: {path} }}]\n"))
}

/// Bash that asks for `/` and says what comes.
fn bash(sandbox: &Sandbox, program: &str, script: &str) -> Output {
    let address = sandbox.address("api.test").to_string();
    let mut command = Command::new(program);
    command
        .args(["-c", script, "bash", &address])
        .stdin(Stdio::null());
    sandbox
        .netns
        .within(move || command.output().expect("bash"))
}

const ASK: &str = "exec 3<>/dev/tcp/$1/80; printf 'GET / HTTP/1.1\\r\\nHost: api.test\\r\\nConnection: close\\r\\n\\r\\n' >&3; read -u 3 line; echo \"$line\"";

fn threads(rig: &Rig) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", rig.pid())).expect("threads");
    tasks
        .filter(|task| {
            let comm = task.as_ref().expect("thread").path().join("comm");
            std::fs::read_to_string(comm).is_ok_and(|name| name.trim() == "programs")
        })
        .count()
}

#[test]
fn a_rule_holds_for_the_programs_it_names_and_for_no_other() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let mut sandbox = Sandbox::new(&rig, "a", 80, &policy(80, ""));
    // Baseline: without `binaries` any program may, and nobody looks who it is.
    let before = bash(&sandbox, "/bin/bash", ASK);
    assert!(
        String::from_utf8_lossy(&before.stdout).contains("200"),
        "{before:?}"
    );
    assert_eq!(threads(&rig), 0);

    sandbox.edit(&only(80, &curl()));
    rig.wait_until("the edit is in force", || rig.boxed("a").generation == 2);
    assert_eq!(sandbox.curl("api.test", &["http://api.test/"]).status, 200);
    let refused = bash(&sandbox, "/bin/bash", ASK);
    assert!(
        !String::from_utf8_lossy(&refused.stdout).contains("200"),
        "{refused:?}"
    );
    let event = rig.audited("a", |event| {
        event.verdict == "deny"
            && event
                .reason
                .as_ref()
                .is_some_and(|why| why.contains("bash"))
    });
    let program = event.program.as_ref().expect("the program");
    assert!(event.pid.is_some() && program.sha256.is_some(), "{event:?}");
    assert_eq!(program.path, said("readlink -f /bin/bash"));
    assert_eq!(threads(&rig), 1);

    sandbox.edit(&only(80, "/usr/bin/b*h"));
    rig.wait_until("the edit is in force", || rig.boxed("a").generation == 3);
    let now = bash(&sandbox, "/bin/bash", ASK);
    assert!(
        String::from_utf8_lossy(&now.stdout).contains("200"),
        "{now:?}"
    );
    sandbox.end();
    rig.wait_until("the finder ends with the sandbox", || threads(&rig) == 0);
}

#[test]
fn a_connection_that_is_passed_through_asks_for_its_program_too() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 2222, &only(2222, "/usr/bin/bash"));
    let greeting = "exec 3<>/dev/tcp/$1/2222; read -n 3 -u 3 line && echo \"got $line\"";
    let allowed = bash(&sandbox, "/bin/bash", greeting);
    assert!(
        String::from_utf8_lossy(&allowed.stdout).contains("got"),
        "{allowed:?}"
    );
    let copy = rig.directory.path().join("copy");
    std::fs::copy("/bin/bash", &copy).expect("copy");
    let refused = bash(&sandbox, copy.to_str().expect("text"), greeting);
    assert!(refused.stdout.is_empty(), "{refused:?}");
    let path = format!("not for `{}`", copy.display());
    rig.audited("a", |event| {
        let reason = event.reason.as_deref().unwrap_or_default();
        event.kind == "tcp" && event.verdict == "deny" && reason.contains(&path)
    });
}

#[test]
fn what_was_first_seen_outlives_a_worker_and_a_changed_program_is_refused_by_name() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let tool = rig.directory.path().join("tool");
    let name = tool.to_str().expect("text");
    std::fs::copy("/bin/bash", &tool).expect("copy");
    let sandbox = Sandbox::new(&rig, "a", 80, &only(80, name));
    let first = bash(&sandbox, name, ASK);
    assert!(
        String::from_utf8_lossy(&first.stdout).contains("200"),
        "{first:?}"
    );
    let worker = rig.status().worker_pid.expect("a worker");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(worker),
        nix::sys::signal::Signal::SIGKILL,
    )
    .expect("kill");
    let again = bash(&sandbox, name, ASK);
    assert!(
        String::from_utf8_lossy(&again.stdout).contains("200"),
        "{again:?}"
    );
    std::fs::remove_file(&tool).expect("remove");
    std::fs::copy("/bin/bash", &tool).expect("copy");
    let mut file = std::fs::File::options()
        .append(true)
        .open(&tool)
        .expect("tool");
    std::io::Write::write_all(&mut file, b"more").expect("write");
    drop(file);
    let refused = bash(&sandbox, name, ASK);
    assert!(
        !String::from_utf8_lossy(&refused.stdout).contains("200"),
        "{refused:?}"
    );
    rig.audited("a", |event| {
        event.finding.as_deref() == Some("changed_program")
            && event.reason.as_ref().is_some_and(|reason| {
                reason.contains("is not the program that was first seen under this path")
            })
    });
}

#[test]
fn a_program_that_is_gone_before_it_is_found_is_refused_and_the_reason_says_so() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, &only(80, "/usr/bin/bash"));
    let many = "for i in $(seq 50); do exec 3<>/dev/tcp/$1/80; exec 3>&-; done";
    bash(&sandbox, "/bin/bash", many);
    rig.audited("a", |event| {
        event.verdict == "deny"
            && event.reason.as_ref().is_some_and(|reason| {
                reason.ends_with("the connection was closed before its program was found")
            })
    });
}

#[test]
fn a_new_connection_costs_little_more_where_a_rule_names_programs() {
    let python = Command::new("python3").arg("-V").output().is_ok();
    if !able() || !python {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 80, &policy(80, ""));
    let without = latency(&sandbox);
    sandbox.edit(&policy(80, "    binaries: [{ path: '/**' }]\n"));
    rig.wait_until("the edit is in force", || rig.boxed("a").generation == 2);
    let with = latency(&sandbox);
    // This sandbox has no control group of its own: all processes of the machine are looked at.
    let processes = std::fs::read_dir("/proc").expect("processes").count();
    let cost = worked(rig.pid(), "programs") / 200;
    eprintln!(
        "connection and first answer, best tenth and median of 200: {without:?} us without programs, {with:?} us with; \
         {cost:?} of a processor for the search among about {processes} processes"
    );
    let most = match cfg!(debug_assertions) {
        true => Duration::from_millis(20),
        false => Duration::from_millis(5),
    };
    assert!(cost < most, "{cost:?}");
}

/// Microseconds of a connection with its first request: best tenth and median.
fn latency(sandbox: &Sandbox) -> (i64, i64) {
    let address = sandbox.address("api.test").to_string();
    let script = "import socket, sys, time\n\
        def once():\n\
        \x20   begin = time.perf_counter()\n\
        \x20   s = socket.create_connection((sys.argv[1], 80))\n\
        \x20   s.sendall(b'GET / HTTP/1.1\\r\\nHost: api.test\\r\\n\\r\\n')\n\
        \x20   assert b'200' in s.recv(4096)\n\
        \x20   return time.perf_counter() - begin\n\
        times = sorted(once() for _ in range(200))\n\
        print(int(times[20] * 1000000), int(times[100] * 1000000))\n";
    let mut command = Command::new("python3");
    command.args(["-c", script, &address]);
    let output = sandbox
        .netns
        .within(move || command.output().expect("python"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let times: Vec<i64> = text
        .split_whitespace()
        .filter_map(|time| time.parse().ok())
        .collect();
    assert_eq!(times.len(), 2, "{output:?}");
    (times[0], times[1])
}
