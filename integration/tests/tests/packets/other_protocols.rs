//! UDP, UDP-Lite, ICMP, SCTP, GRE, raw IP and raw frames, broadcast and multicast, over IPv4 and IPv6.

use crate::support::{leak_without_the_box, nothing_leaves_anywhere};
use nemoclaw_tests::{nemoclaw, world};

const FOUR: &[&str] = &[
    "udp_send",
    "udp_connected",
    "udp_gso",
    "udp_port_53_payload",
    "udp_broadcast",
    "udp_multicast",
    "igmp_join",
    "udplite_send",
    "icmp_raw",
    "gre_raw",
    "sctp_raw",
    "ip_header_included",
    "packet_frame",
];
const SIX: &[&str] = &["udp_ipv6", "udp_ipv6_link_local"];

#[test]
fn without_the_box_they_leave() {
    leak_without_the_box(world!(), "bridge", FOUR);
}

#[test]
fn without_the_box_ipv6_leaves() {
    leak_without_the_box(world!(), "nct-six", SIX);
}

#[test]
fn in_the_box_nothing_leaves() {
    let attempts: Vec<&str> = FOUR
        .iter()
        .chain(SIX)
        .copied()
        .chain(["icmp_ping", "sctp_connect"])
        .collect();
    nothing_leaves_anywhere(nemoclaw!(), &attempts);
}
