//! A sandbox on an engine's bridge: inbound works, and nothing else of it ever crosses its device.
//!
//! Each trick is first shown to work without the fence.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

mod common;

use std::thread::sleep;
use std::time::Duration;

use common::{Box, Network, Router, can_run};
use serde_json::json;

const BACKENDS: [&str; 2] = ["sk_lookup", "tproxy"];
/// Longer than a frame needs to be counted on the other side.
const SETTLE: Duration = Duration::from_millis(60);

/// An unguarded box at 172.30.0.2 on a bridge.
fn on_bridge() -> (Router, Network, Box) {
    let (router, network, inner) = (Router::start(), Network::new(), Box::new("bridged"));
    network.connect(&inner, 2);
    (router, network, inner)
}

#[track_caller]
fn guard(inner: &Box, router: &Router, changes: serde_json::Value) {
    let ran = inner.guard(&router.socket(), changes);
    assert!(ran.ok, "{ran:?}");
}

#[test]
fn outward_traffic_comes_to_the_router_and_no_frame_leaves() {
    if !can_run() {
        return;
    }
    for capture in BACKENDS {
        let (router, network, inner) = on_bridge();
        let _world = network.start("serve 198.51.100.1 80");
        assert_eq!(inner.probe("tcp 198.51.100.1 80"), "own service");
        guard(&inner, &router, json!({ "capture": capture }));
        sleep(SETTLE);
        let before = network.frames(2);
        assert_eq!(
            inner.probe("tcp 198.51.100.1 80"),
            "router 198.51.100.1:80",
            "{capture}"
        );
        assert_eq!(
            inner.probe("tcp_from 198.51.100.1 80 172.30.0.2"),
            "router 198.51.100.1:80",
            "{capture}"
        );
        assert_eq!(
            inner.probe("tcp 172.30.0.1 22"),
            "router 172.30.0.1:22",
            "{capture}"
        );
        assert_eq!(
            inner.probe("dns 172.30.0.1"),
            "30 from 172.30.0.1:53",
            "{capture}"
        );
        assert_eq!(inner.probe("udp 198.51.100.1 9"), "EACCES", "{capture}");
        sleep(SETTLE);
        assert_eq!(network.frames(2), before, "{capture}");
    }
}

#[test]
fn a_published_port_is_reached_by_the_gateway_and_from_beyond() {
    if !can_run() {
        return;
    }
    for capture in BACKENDS {
        let (router, network, inner) = on_bridge();
        guard(&inner, &router, json!({ "capture": capture }));
        let _service = inner.start("serve 0.0.0.0 8080");
        assert_eq!(
            network.probe("tcp 172.30.0.2 8080"),
            "own service",
            "{capture}"
        );
        assert_eq!(
            network.probe("tcp_from 172.30.0.2 8080 198.51.100.1"),
            "own service",
            "{capture}"
        );
        assert_eq!(
            inner.probe("tcp 172.30.0.2 8080"),
            "own service",
            "{capture}"
        );
        assert_eq!(
            inner.probe("tcp 127.0.0.1 8080"),
            "own service",
            "{capture}"
        );
    }
}

#[test]
fn a_port_that_the_policy_does_not_open_is_not_reached() {
    if !can_run() {
        return;
    }
    let (router, network, inner) = on_bridge();
    let _services = [
        inner.start("serve 0.0.0.0 8080"),
        inner.start("serve 0.0.0.0 8081"),
    ];
    assert_eq!(network.probe("tcp 172.30.0.2 8081"), "own service");
    guard(&inner, &router, json!({ "inbound": [8080] }));
    assert_eq!(network.probe("tcp 172.30.0.2 8080"), "own service");
    assert_eq!(network.probe("tcp 172.30.0.2 8081"), "ECONNREFUSED");
}

#[test]
fn a_sibling_on_the_bridge_does_not_dial_in() {
    if !can_run() {
        return;
    }
    let (router, network, inner) = on_bridge();
    let sibling = Box::new("sibling");
    network.connect(&sibling, 3);
    let _service = inner.start("serve 0.0.0.0 8080");
    assert_eq!(sibling.probe("tcp 172.30.0.2 8080"), "own service");
    guard(&inner, &router, json!({}));
    assert_eq!(sibling.probe("tcp 172.30.0.2 8080"), "ECONNREFUSED");
    assert_eq!(network.probe("tcp 172.30.0.2 8080"), "own service");
}

#[test]
fn no_trick_with_the_device_sends_a_frame() {
    if !can_run() {
        return;
    }
    let tricks = [
        "udp_device 198.51.100.1 9 eth0",
        "udp_unicast_if 198.51.100.1 9 eth0",
        "udp_pktinfo 198.51.100.1 9 eth0",
        "dns 198.51.100.1 53 172.30.0.2",
        "tcp_device 198.51.100.1 81 eth0",
        "multicast 239.1.2.3 9 eth0",
        "broadcast 9 eth0",
        "join 239.1.2.4 eth0",
        "raw 198.51.100.1 1 eth0",
        "raw_header 198.51.100.1 eth0",
        "udp6_device ff02::1 9 eth0",
        "packet eth0",
    ];
    for capture in BACKENDS {
        let (router, network, inner) = on_bridge();
        sleep(Duration::from_secs(2)); // until IPv6 has settled: else its own frames would count
        for trick in tricks {
            let before = network.frames(2);
            inner.probe(trick);
            sleep(SETTLE);
            assert!(
                network.frames(2) > before,
                "{trick} does nothing even without the fence"
            );
        }
        guard(&inner, &router, json!({ "capture": capture }));
        sleep(SETTLE);
        for trick in tricks {
            let before = network.frames(2);
            let seen = inner.probe(trick);
            sleep(SETTLE);
            assert_eq!(network.frames(2), before, "{trick}, by {capture}: {seen}");
        }
    }
}

#[test]
fn an_accepted_socket_cannot_be_turned_outward() {
    if !can_run() {
        return;
    }
    let (router, network, inner) = on_bridge();
    let _world = network.start("serve 198.51.100.1 90");
    let turn = |inner: &Box| {
        let mut trick = inner.start("reconnect 7000 198.51.100.1 90");
        let _knock = network.start("tcp 172.30.0.2 7000");
        (trick.line(), trick.line())
    };
    assert_eq!(turn(&inner), ("mark 0".into(), "own service".into()));
    guard(&inner, &router, json!({}));
    assert_eq!(
        turn(&inner),
        (format!("mark {}", 0x4e43), "ECONNREFUSED".into())
    );
}

#[test]
fn dockers_own_redirection_of_its_resolver_is_overtaken() {
    if !can_run() {
        return;
    }
    for capture in BACKENDS {
        let (router, _network, inner) = on_bridge();
        for line in [
            "nft add table ip nat",
            "nft add chain ip nat OUTPUT { type nat hook output priority -100; }",
            "nft add rule ip nat OUTPUT ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:41331",
            "nft add rule ip nat OUTPUT ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:41332",
        ] {
            inner.run(line);
        }
        let _resolver = [
            inner.start("serve 127.0.0.11 41331"),
            inner.start("hold_udp 127.0.0.11 41332"),
        ];
        assert_eq!(inner.probe("tcp 127.0.0.11 53"), "own service");
        assert_eq!(inner.probe("dns 127.0.0.11"), "TIMEOUT");
        guard(&inner, &router, json!({ "capture": capture }));
        assert_eq!(
            inner.probe("tcp 127.0.0.11 53"),
            "router 127.0.0.11:53",
            "{capture}"
        );
        assert_eq!(
            inner.probe("dns 127.0.0.11"),
            "30 from 127.0.0.11:53",
            "{capture}"
        );
        assert_eq!(
            inner.probe("tcp 127.0.0.11 41331"),
            "router 127.0.0.11:41331",
            "{capture}"
        );
    }
}

#[test]
fn a_device_that_comes_later_is_no_way_out_and_no_way_in() {
    if !can_run() {
        return;
    }
    let (router, network, inner) = (Router::start(), Network::new(), Box::new("later"));
    guard(&inner, &router, json!({}));
    network.connect_as(&inner, "eth1", "172.30.0.9/16", 9);
    let _service = inner.start("serve 0.0.0.0 8080");
    sleep(SETTLE);
    let before = network.frames(9);
    assert_eq!(inner.probe("udp_device 198.51.100.1 9 eth1"), "EPERM");
    assert_eq!(inner.probe("udp_pktinfo 172.30.0.1 9 eth1"), "EPERM");
    assert_eq!(inner.probe("tcp 172.30.0.1 80"), "router 172.30.0.1:80");
    sleep(SETTLE);
    assert_eq!(network.frames(9), before);
    assert_eq!(network.probe("tcp 172.30.0.9 8080"), "TIMEOUT");
}
