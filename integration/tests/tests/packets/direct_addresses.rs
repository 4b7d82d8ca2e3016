//! TCP to an address instead of a name: directly, by multipath TCP, by fast open, with a source route, by IPv6.

use crate::support::{leak_without_the_box, nothing_leaves_anywhere};
use nemoclaw_tests::{nemoclaw, world};

const FOUR: &[&str] = &[
    "tcp_direct",
    "tcp_mptcp",
    "tcp_mapped",
    "tcp_fast_open",
    "tcp_bind_source",
];

#[test]
fn without_the_box_they_reach_the_server() {
    leak_without_the_box(world!(), "bridge", FOUR);
}

#[test]
fn without_the_box_ipv6_reaches_the_server() {
    leak_without_the_box(world!(), "nct-six", &["tcp_ipv6"]);
}

#[test]
fn in_the_box_nothing_leaves() {
    let attempts: Vec<&str> = FOUR
        .iter()
        .copied()
        .chain(["tcp_ipv6", "tcp_source_route"])
        .collect();
    nothing_leaves_anywhere(nemoclaw!(), &attempts);
}
