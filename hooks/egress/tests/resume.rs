//! A router that was started anew takes its boxes back: nothing leaves meanwhile, and a squatter is named.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

mod common;

use common::{Box, Network, Router, can_run, wanted_bundle};
use serde_json::json;

const BACKENDS: [&str; 2] = ["sk_lookup", "tproxy"];

#[test]
fn between_two_routers_nothing_leaves_and_after_it_all_is_as_before() {
    if !can_run() {
        return;
    }
    for capture in BACKENDS {
        let with = || json!({ "capture": capture });
        let (router, network, inner) = (Router::start(), Network::new(), Box::new("resumed"));
        network.connect(&inner, 2);
        assert!(inner.guard(&router.socket(), with()).ok);
        let before = inner.traces();
        let frames = network.frames(2);
        let flood = inner.start("flood 198.51.100.1");
        router.kill();
        assert_eq!(inner.probe("tcp 198.51.100.1 80"), "ECONNREFUSED");
        for _ in 0..5 {
            let next = Router::start();
            let ran = inner.resume(&next.socket(), with());
            assert!(ran.ok, "{capture}: {ran:?}");
            assert_eq!(inner.probe("tcp 198.51.100.1 80"), "router 198.51.100.1:80");
            assert_eq!(inner.probe("dns 8.8.8.8"), "30 from 8.8.8.8:53");
        }
        assert_eq!(network.frames(2), frames, "frames left, by {capture}");
        drop(flood);
        let last = Router::start();
        assert!(inner.resume(&last.socket(), with()).ok);
        assert_eq!(inner.traces(), before, "{capture}");
        let bundle = std::fs::read_to_string(inner.bundle()).unwrap();
        assert_eq!(
            bundle,
            wanted_bundle("image's part"),
            "the CA stands there once"
        );
    }
}

#[test]
fn a_process_that_squats_on_a_port_is_named_and_the_fence_stands() {
    if !can_run() {
        return;
    }
    for capture in BACKENDS {
        let with = || json!({ "capture": capture });
        let (router, inner) = (Router::start(), Box::new("squatted"));
        assert!(inner.guard(&router.socket(), with()).ok);
        router.kill();
        let next = Router::start();
        let fence = inner.run("nft list ruleset") + &inner.run("ip rule");

        let held = inner.start("hold_udp 0.0.0.0 53");
        let ran = inner.resume(&next.socket(), with());
        assert!(!ran.ok, "{ran:?}");
        let sentence = ran.error.unwrap();
        assert!(
            sentence.contains("(python3) in the sandbox holds the router's UDP port 53"),
            "{sentence}"
        );
        assert_eq!(inner.run("nft list ruleset") + &inner.run("ip rule"), fence);
        assert_eq!(next.boxes(), 0);
        drop(held);

        let held = inner.start("hold_tcp 0.0.0.0 15001");
        let ran = inner.resume(&next.socket(), with());
        if capture == "sk_lookup" {
            assert!(ran.ok, "a fresh port serves as well: {ran:?}");
            assert_eq!(inner.probe("tcp 8.8.8.8 80"), "router 8.8.8.8:80");
        } else {
            let sentence = ran.error.unwrap();
            assert!(
                sentence.contains("holds the router's TCP port 15001"),
                "{sentence}"
            );
        }
        drop(held);
    }
}

#[test]
fn only_a_namespace_that_is_guarded_for_this_sandbox_is_resumed() {
    if !can_run() {
        return;
    }
    let (router, inner) = (Router::start(), Box::new("bare"));
    let before = inner.traces();
    let ran = inner.resume(&router.socket(), json!({}));
    assert!(ran.error.unwrap().contains("has no fence"));
    assert_eq!(inner.traces(), before);
    assert!(inner.guard(&router.socket(), json!({})).ok);
    let ran = inner.resume(&router.socket(), json!({ "sandbox": "bare" }));
    // The stand-in takes a name twice; the fence and the sockets are what count here: the ports are held by a router.
    assert!(ran.error.unwrap().contains("port"));
    assert_eq!(router.boxes(), 1);
}
