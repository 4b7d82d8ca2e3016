//! Ways round the routing table: SO_BINDTODEVICE, IP_UNICAST_IF, IP_PKTINFO, SO_MARK, MSG_DONTROUTE, a chosen source.

use crate::support::{leak_without_the_box, nothing_leaves_anywhere};
use nemoclaw_tests::{nemoclaw, world};

const NAMES: &[&str] = &[
    "tcp_bind_device",
    "tcp_unicast_if",
    "tcp_mark",
    "udp_bind_device",
    "udp_unicast_if",
    "udp_pktinfo",
    "udp_pktinfo_source",
    "udp_bind_source",
];

#[test]
fn without_the_box_they_leave() {
    leak_without_the_box(world!(), "bridge", NAMES);
}

#[test]
fn in_the_box_nothing_leaves() {
    let attempts: Vec<&str> = NAMES.iter().copied().chain(["udp_dont_route"]).collect();
    nothing_leaves_anywhere(nemoclaw!(), &attempts);
}
