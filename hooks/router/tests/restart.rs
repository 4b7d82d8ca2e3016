//! A full restart of the router: what lives is taken back as it was, and what cannot be is named.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::print_stderr)]

mod common;
mod sys;

use std::os::unix::fs::PermissionsExt;

use common::{Rig, Sandbox, able};

const HOSTS: &[&str] = &["api.test"];

fn policy(access: &str) -> String {
    format!(
        "version: 1\nnetwork_policies:\n  api:\n    endpoints:\n      - {{ host: api.test, port: 443, protocol: rest, access: {access} }}\n"
    )
}

/// A hook in place of the real one: keeps what it was asked, and fails with a sentence.
fn stand_in(rig: &Rig) {
    let path = rig.directory.path().join("hook");
    let script = format!(
        "#!/bin/sh\n{{ echo \"$1\"; cat; }} >{}/asked\necho 'nemoclaw-egress: process 7 (squatter) in the sandbox holds the port' >&2\nexit 1\n",
        rig.directory.path().display()
    );
    std::fs::write(&path, script).expect("hook");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
}

#[test]
fn a_sandbox_that_outlives_a_killed_router_keeps_its_trust_its_addresses_and_its_generation() {
    if !able() {
        return;
    }
    let mut rig = Rig::start_with(HOSTS, "egress_hook: $D/hook\n", "true");
    stand_in(&rig);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    sandbox.edit(&policy("read-write"));
    rig.wait_until("the edit is in force", || rig.boxed("a").generation == 2);
    let address = sandbox.address("api.test");
    assert_eq!(sandbox.curl("api.test", &["https://api.test/"]).status, 200);
    let kept = rig.directory.path().join("state/router/a/identity.json");
    rig.wait_until("the address is kept", || {
        std::fs::read_to_string(&kept).is_ok_and(|text| text.contains("api.test"))
    });
    // A faulty file on disk: what was in force must stay in force, over the restart too.
    sandbox.edit("version: nonsense\n");
    rig.wait_until("the fault shows", || rig.boxed("a").fault.is_some());

    rig.kill_and_start();
    let asked = rig.directory.path().join("asked");
    rig.wait_until("the hook is asked to resume", || {
        std::fs::read_to_string(&asked).is_ok_and(|text| text.contains('}'))
    });
    let asked = std::fs::read_to_string(asked).expect("asked");
    let (verb, state) = asked.split_once('\n').expect("verb and state");
    let state: serde_json::Value = serde_json::from_str(state).expect("an OCI state");
    assert_eq!((verb, state["id"].as_str()), ("resume", Some("a")));
    rig.wait_until("the squatter is named", || {
        rig.log()
            .contains("sandbox a is not served: process 7 (squatter) in the sandbox holds the port")
    });
    rig.audited("a", |event| {
        event.verdict == "deny"
            && event
                .reason
                .as_ref()
                .is_some_and(|reason| reason.contains("(squatter)"))
    });

    let again = sandbox.register_again(&rig);
    assert_eq!(again.ca_pem, sandbox.registration.ca_pem, "another CA");
    assert_eq!(again.generation, 2);
    let write = sandbox.curl_at("api.test", address, &["-d", "x", "https://api.test/"]);
    assert_eq!(
        write.status, 200,
        "the address means the name still, and the policy allows: {write:?}"
    );
    assert_eq!(sandbox.address("api.test"), address);
    rig.wait_until("the fault shows again", || rig.boxed("a").fault.is_some());
    rig.audited("a", |event| {
        event.reason.as_deref() == Some("the router was started again")
    });
}

#[test]
fn what_was_kept_goes_with_the_sandbox() {
    if !able() {
        return;
    }
    let mut rig = Rig::start_with(HOSTS, "egress_hook: $D/hook\n", "true");
    stand_in(&rig);
    let kept = |rig: &Rig, name: &str| rig.directory.path().join("state/router").join(name);
    let mut ended = Sandbox::new(&rig, "ended", 443, &policy("read-only"));
    let mut missed = Sandbox::new(&rig, "missed", 443, &policy("read-only"));
    assert!(kept(&rig, "ended").exists() && kept(&rig, "missed").exists());
    ended.end();
    rig.wait_until("it is forgotten", || !kept(&rig, "ended").exists());
    missed.end();
    rig.wait_until("it is forgotten", || !kept(&rig, "missed").exists());
    let mut between = Sandbox::new(&rig, "between", 443, &policy("read-only"));
    let worker = rig.status().worker_pid;
    between.end();
    rig.kill_and_start();
    assert!(!kept(&rig, "between").exists());
    assert_ne!(rig.status().worker_pid, worker);
}

#[test]
fn neither_process_leaves_a_core_and_an_aborted_worker_is_followed_by_another() {
    if !able() {
        return;
    }
    let rig = Rig::start(HOSTS);
    let sandbox = Sandbox::new(&rig, "a", 443, &policy("read-only"));
    let worker = rig.status().worker_pid.expect("a worker");
    for pid in [rig.pid(), worker.cast_unsigned()] {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .expect("a limit");
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    }
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(worker),
        nix::sys::signal::Signal::SIGABRT,
    )
    .expect("kill");
    assert_eq!(sandbox.curl("api.test", &["https://api.test/"]).status, 200);
    let log = rig.log();
    assert!(
        log.contains("SIGABRT") && !log.contains("core dumped"),
        "{log}"
    );
    assert_eq!(rig.boxed("a").generation, 1);
}
