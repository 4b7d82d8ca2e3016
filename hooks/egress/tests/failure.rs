//! When a step fails, the hook fails with one sentence and leaves nothing behind; and who may register what.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

mod common;

use std::fs;

use common::{Box, Network, Router, can_run, inode, say, wanted_bundle};
use nemoclaw_api::Backend;
use serde_json::json;

/// The hook fails with a sentence that holds `wanted`, and the namespace is as it was.
#[track_caller]
fn fails_clean(inner: &Box, socket: &std::path::Path, changes: serde_json::Value, wanted: &str) {
    let before = inner.traces();
    let ran = inner.guard(socket, changes);
    assert!(!ran.ok, "{ran:?}");
    let sentence = ran.error.unwrap();
    assert!(sentence.contains(wanted), "{sentence}");
    assert_eq!(sentence.lines().count(), 1);
    assert!(ran.talk.contains(&sentence), "{}", ran.talk);
    assert_eq!(inner.traces(), before, "{wanted}");
}

#[test]
fn every_failing_step_leaves_nothing_behind() {
    if !can_run() {
        return;
    }
    for capture in ["sk_lookup", "tproxy"] {
        let (router, network, inner) = (Router::start(), Network::new(), Box::new("clean"));
        network.connect(&inner, 2);
        let with = || json!({ "capture": capture });
        let socket = router.socket();

        let absent = inner.directory.0.join("absent.sock");
        fails_clean(
            &inner,
            &absent,
            with(),
            "the router is not running: start it with `nemoclaw router start`",
        );

        let held = inner.start("hold_udp 198.18.0.1 53");
        fails_clean(
            &inner,
            &socket,
            with(),
            "cannot open the router's UDP port 53 in the sandbox's network: EADDRINUSE",
        );
        drop(held);
        let held = inner.start("hold_tcp 198.18.0.1 15001");
        fails_clean(
            &inner,
            &socket,
            with(),
            "cannot open the router's TCP port 15001",
        );
        drop(held);

        inner.run("ip rule add pref 102 prohibit to 192.0.2.77");
        inner.run("ip rule add pref 101 ipproto udp dport 53 lookup local");
        fails_clean(&inner, &socket, with(), "the kernel refused");
        inner.run("ip rule del pref 101");
        inner.run("ip rule del pref 102");

        let other = Router::refusing("the policy `x` is not for this node");
        fails_clean(
            &inner,
            &other.socket(),
            with(),
            "the policy `x` is not for this node",
        );
        assert_eq!(other.released(), ["clean"]);

        fs::rename(inner.bundle(), inner.directory.0.join("moved")).unwrap();
        fails_clean(
            &inner,
            &socket,
            with(),
            "cannot add the router's certificate",
        );
        assert_eq!(router.boxes(), 0, "the router forgot it");
        fs::rename(inner.directory.0.join("moved"), inner.bundle()).unwrap();

        assert!(inner.guard(&socket, with()).ok);
        assert_eq!(inner.probe("tcp 198.51.100.1 80"), "router 198.51.100.1:80");
    }
}

#[test]
fn a_namespace_that_is_not_tight_does_not_start() {
    if !can_run() {
        return;
    }
    let (router, inner) = (Router::start(), Box::new("loose"));
    inner.run("ip link set lo up");
    inner.run("ip route add local default dev lo table 77");
    inner.run("ip rule add pref 5 lookup 77"); // goes before our rules, and lets UDP go nowhere instead of refusing it
    fails_clean(
        &inner,
        &router.socket(),
        json!({}),
        "the sandbox's network is not tight, so it does not start",
    );
}

#[test]
fn another_sandboxs_namespace_is_refused_and_ones_own_is_guarded_anew() {
    if !can_run() {
        return;
    }
    let (router, inner) = (Router::start(), Box::new("first"));
    assert!(inner.guard(&router.socket(), json!({})).ok);
    let cookie = router.cookie("first");
    let before = inner.traces();

    fs::write(inner.bundle(), "again").unwrap();
    let ran = inner.guard(&router.socket(), json!({ "capture": "tproxy" }));
    assert!(ran.ok, "{ran:?}");
    assert_eq!(router.backend("first"), Backend::Tproxy);
    assert_eq!(router.cookie("first"), cookie);
    let ran = inner.guard(&router.socket(), json!({}));
    assert!(ran.ok, "{ran:?}");
    assert_eq!(inner.traces(), before);

    let mut second = Box::new("second");
    let ran = second.guard_as(&router.socket(), json!({}), inner.pid());
    let wanted = "the network namespace is guarded for sandbox `first` already: give this one a network of its own";
    assert_eq!(ran.error.as_deref(), Some(wanted));
    assert_eq!(inner.traces(), before);
    assert_eq!(inner.probe("tcp 198.51.100.1 80"), "router 198.51.100.1:80");
    second.name = "third".into();
}

#[test]
fn the_hosts_namespace_and_a_dead_process_are_refused() {
    if !can_run() {
        return;
    }
    let (router, inner) = (Router::start(), Box::new("strange"));
    let ran = inner.guard_as(&router.socket(), json!({}), std::process::id());
    let wanted = "the container shares the host's network, which cannot be guarded: start it without `--network host`";
    assert_eq!(ran.error.as_deref(), Some(wanted));
    let ran = inner.guard_as(&router.socket(), json!({}), i32::MAX.unsigned_abs());
    assert!(
        ran.error
            .unwrap()
            .contains("the container's first process 2147483647 is gone")
    );
}

#[test]
fn without_bpf_it_says_so_and_takes_tproxy() {
    if !can_run() {
        return;
    }
    let (router, mut inner) = (Router::start(), Box::new("hardened"));
    inner.wrapper = vec![
        "python3".into(),
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/without_bpf.py").into(),
    ];
    fails_clean(
        &inner,
        &router.socket(),
        json!({ "capture": "sk_lookup" }),
        "allow bpf(2), or write `capture: auto`",
    );
    let ran = inner.guard(&router.socket(), json!({ "capture": "auto" }));
    assert!(ran.ok, "{ran:?}");
    let why = "capture is by tproxy, because bpf(2) cannot make a socket map: EPERM: Operation not permitted";
    assert!(ran.talk.contains(why), "{}", ran.talk);
    assert_eq!(router.backend("hardened"), Backend::Tproxy);
    assert_eq!(inner.probe("tcp 198.51.100.1 80"), "router 198.51.100.1:80");
}

#[test]
fn the_certificate_is_appended_to_the_same_inode() {
    if !can_run() {
        return;
    }
    let (router, inner) = (Router::start(), Box::new("certified"));
    let before = inode(&inner.bundle());
    assert!(inner.guard(&router.socket(), json!({})).ok);
    assert_eq!(
        fs::read_to_string(inner.bundle()).unwrap(),
        wanted_bundle("image's part")
    );
    assert_eq!(inode(&inner.bundle()), before);
}

#[test]
fn release_tells_the_router_and_never_fails() {
    if !can_run() {
        return;
    }
    let (router, inner) = (Router::start(), Box::new("ended"));
    assert!(inner.guard(&router.socket(), json!({})).ok);
    assert!(inner.hook("release", 0).ok);
    assert_eq!(router.released(), ["ended"]);
    router.kill();
    let ran = inner.hook("release", 0);
    assert!(
        ran.ok && ran.talk.contains("the router is not running"),
        "{ran:?}"
    );
    fs::remove_file(inner.directory.0.join("egress.json")).unwrap();
    assert!(inner.hook("release", 0).ok);
}

#[test]
fn a_good_run_is_silent_and_notes_its_capture_and_time() {
    if !can_run() {
        return;
    }
    for (capture, bridge) in [
        ("sk_lookup", false),
        ("sk_lookup", true),
        ("tproxy", false),
        ("tproxy", true),
    ] {
        let (router, network) = (Router::start(), Network::new());
        let mut times: Vec<u64> = (2..22)
            .map(|number| once(&router, bridge.then_some((&network, number)), capture))
            .collect();
        times.sort_unstable();
        let median = times[times.len() / 2];
        let place = if bridge { "on a bridge" } else { "lo only" };
        say(&format!(
            "hook by {capture}, {place}: median of 20 runs {median} us, without waiting for the router"
        ));
    }
}

fn once(router: &Router, network: Option<(&Network, u8)>, capture: &str) -> u64 {
    let inner = Box::new("timed");
    if let Some((network, number)) = network {
        network.connect(&inner, number);
    }
    let ran = inner.guard(&router.socket(), json!({ "capture": capture }));
    assert!(ran.ok && ran.talk.is_empty(), "{ran:?}");
    let note = fs::read_to_string(inner.directory.0.join("egress.log")).unwrap();
    assert!(note.contains(&format!("is guarded: {capture}")), "{note}");
    inner.hook("release", 0);
    let mut numbers = note
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse::<u64>().ok());
    let (all, waited) = (numbers.next().unwrap(), numbers.next().unwrap());
    all - waited
}
