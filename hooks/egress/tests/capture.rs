//! What a program in a guarded sandbox sees, with both back-ends: its traffic comes to the router, all else is refused.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

mod common;

use common::{Box, Network, Router, can_run};
use nemoclaw_api::Backend;
use serde_json::json;

const BACKENDS: [(&str, Backend); 2] = [
    ("sk_lookup", Backend::SkLookup),
    ("tproxy", Backend::Tproxy),
];

/// A box with `lo` only, guarded by each back-end in turn.
fn with_each(test: impl Fn(&Box, &str)) {
    if !can_run() {
        return;
    }
    for (name, backend) in BACKENDS {
        let (router, inner) = (Router::start(), Box::new("lonely"));
        let ran = inner.guard(&router.socket(), json!({ "capture": name }));
        assert!(ran.ok, "{name}: {ran:?}");
        assert_eq!(router.backend("lonely"), backend);
        test(&inner, name);
    }
}

#[track_caller]
fn sees(inner: &Box, capture: &str, attempt: &str, wanted: &str) {
    assert_eq!(inner.probe(attempt), wanted, "{attempt}, by {capture}");
}

#[test]
fn tcp_to_any_address_reaches_the_router_under_its_own_destination() {
    with_each(|inner, name| {
        for target in [
            "93.184.216.34 8080",
            "10.9.0.2 22",
            "169.254.169.254 80",
            "198.18.5.5 443",
            "8.8.8.8 53",
        ] {
            let wanted = format!("router {}", target.replace(' ', ":"));
            sees(inner, name, &format!("tcp {target}"), &wanted);
        }
        sees(
            inner,
            name,
            "tcp6 ::ffff:93.184.216.34 80",
            "router 93.184.216.34:80",
        );
        sees(
            inner,
            name,
            "mptcp 93.184.216.34 80",
            "router 93.184.216.34:80",
        );
        sees(
            inner,
            name,
            "tcp_device 93.184.216.34 80 lo",
            "router 93.184.216.34:80",
        );
    });
}

#[test]
fn dns_to_any_address_is_answered_from_that_address() {
    with_each(|inner, name| {
        for address in ["8.8.8.8", "198.18.0.53", "127.0.0.11"] {
            sees(
                inner,
                name,
                &format!("dns {address}"),
                &format!("30 from {address}:53"),
            );
        }
        sees(inner, name, "dns_connected 1.1.1.1", "30 bytes");
    });
}

#[test]
fn dockers_resolver_is_captured_on_every_port_and_from_every_source() {
    with_each(|inner, name| {
        sees(inner, name, "tcp 127.0.0.11 53", "router 127.0.0.11:53");
        sees(
            inner,
            name,
            "tcp 127.0.0.11 41331",
            "router 127.0.0.11:41331",
        );
        // By tproxy this odd source gets no answer at all; what counts is that it does not reach Docker's resolver.
        let served = inner.start("serve 127.0.0.11 41331");
        let own = inner.probe("tcp_from 127.0.0.11 41331 127.0.0.11");
        assert!(
            ["router 127.0.0.11:41331", "TIMEOUT"].contains(&&*own),
            "{own}, by {name}"
        );
        drop(served);
    });
}

#[test]
fn every_other_protocol_is_refused_at_once() {
    with_each(|inner, name| {
        for attempt in [
            "udp 8.8.8.8 443",
            "udp 8.8.8.8 123",
            "udp 224.0.0.251 5353",
            "udp 8.8.8.8 53 136",
            "raw 8.8.8.8 1",
            "raw 8.8.8.8 47",
            "raw 8.8.8.8 132",
            "raw_header 8.8.8.8",
            "tcp6 2001:db8::1 443",
            "udp6 2001:db8::1 53",
        ] {
            let seen = inner.probe(attempt);
            assert!(
                ["EACCES", "EPERM"].contains(&&*seen),
                "{attempt}, by {name}: {seen}"
            );
        }
        let ping = inner.probe("ping 8.8.8.8");
        assert!(
            ["EACCES", "EPERM"].contains(&&*ping),
            "ping, by {name}: {ping}"
        );
    });
}

#[test]
fn the_sandboxs_own_services_work() {
    with_each(|inner, name| {
        for (listen, address) in [
            ("127.0.0.1", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("0.0.0.0", "127.5.5.5"),
            ("::", "127.0.0.1"),
        ] {
            sees(
                inner,
                name,
                &format!("local {listen} 18789 {address}"),
                "own service",
            );
        }
        sees(inner, name, "local6 18790", "own service");
        sees(
            inner,
            name,
            "serve_beside 93.184.216.34 8443",
            "own service",
        );
        sees(inner, name, "tcp 127.0.0.1 9", "ECONNREFUSED");
        sees(inner, name, "tcp 127.0.0.1 15001", "ECONNREFUSED");
    });
}

#[test]
fn nobody_squats_on_the_routers_sockets() {
    with_each(|inner, name| {
        for pair in ["tcp 15001", "udp 53"] {
            for option in ["addr", "port"] {
                sees(inner, name, &format!("squat {pair} {option}"), "EADDRINUSE");
            }
        }
    });
}

#[test]
fn an_own_listener_hijacks_no_outside_address() {
    with_each(|inner, name| {
        sees(
            inner,
            name,
            "local 0.0.0.0 8080 93.184.216.34",
            "router 93.184.216.34:8080",
        );
        sees(
            inner,
            name,
            "local :: 8080 93.184.216.34",
            "router 93.184.216.34:8080",
        );
    });
}

#[test]
fn a_killed_router_means_refused_at_once() {
    if !can_run() {
        return;
    }
    for (name, _) in BACKENDS {
        let (router, inner) = (Router::start(), Box::new("orphan"));
        assert!(inner.guard(&router.socket(), json!({ "capture": name })).ok);
        sees(
            &inner,
            name,
            "tcp 93.184.216.34 80",
            "router 93.184.216.34:80",
        );
        router.kill();
        sees(&inner, name, "tcp 93.184.216.34 80", "ECONNREFUSED");
        let dns = inner.probe("dns_connected 8.8.8.8");
        assert!(
            ["ECONNREFUSED", "EACCES", "EHOSTUNREACH"].contains(&&*dns),
            "{dns}, by {name}"
        );
    }
}

#[test]
fn offline_refuses_everything_and_takes_the_devices_down() {
    if !can_run() {
        return;
    }
    let (network, inner) = (Network::new(), Box::new("offline"));
    network.connect(&inner, 2);
    let served = inner.start("serve 127.0.0.11 41331");
    assert_eq!(inner.probe("tcp 127.0.0.11 41331"), "own service");
    let ran = inner.guard("/nonexistent".as_ref(), json!({ "egress": "offline" }));
    assert!(ran.ok, "{ran:?}");
    let before = network.frames(2);
    for attempt in [
        "tcp 198.51.100.1 80",
        "dns 8.8.8.8",
        "udp 198.51.100.1 9",
        "tcp 127.0.0.11 41331",
    ] {
        assert_eq!(inner.probe(attempt), "EACCES", "{attempt}");
    }
    assert_eq!(inner.probe("local 127.0.0.1 8080 127.0.0.1"), "own service");
    assert!(inner.run("ip -o link show dev eth0").contains("state DOWN"));
    inner.run("ip link set eth0 up");
    assert!(
        inner
            .probe("udp_device 198.51.100.1 9 eth0")
            .starts_with('E')
    );
    assert_eq!(network.frames(2), before);
    drop(served);
}
