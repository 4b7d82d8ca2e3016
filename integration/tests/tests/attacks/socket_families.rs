//! Sockets that speak past the router, or to the kernel.

use nemoclaw_tests::probe::{everywhere, without_box};
use nemoclaw_tests::{nemoclaw, world};

const NEEDED: &[&str] = &["tcp", "tcp6", "udp", "unix_stream", "netlink_route"];
const REAL: &[&str] = &[
    "af_packet",
    "af_packet_dgram",
    "af_packet_old",
    "af_vsock",
    "af_xdp",
    "netlink_netfilter",
    "netlink_audit",
    "netlink_kobject",
    "netlink_sock_diag",
    "netlink_xfrm",
    "raw_icmp",
    "raw_ip",
    "raw6_icmp",
    "udplite",
    "mptcp",
];
/// Not in every kernel: refused in the box wherever they exist.
const ELSEWHERE: &[&str] = &[
    "af_alg",
    "af_key",
    "af_can",
    "af_tipc",
    "af_rds",
    "af_bluetooth",
    "af_kcm",
    "af_smc",
    "ping",
    "ping6",
    "sctp",
    "dccp",
];

#[test]
fn without_the_box_they_open() {
    let table = without_box(
        world!(),
        &["--security-opt", "seccomp=unconfined"],
        &["sockets"],
    );
    for name in REAL.iter().chain(NEEDED) {
        assert!(table[*name].worked(), "{:?}", table[*name]);
    }
}

#[test]
fn in_the_box_only_the_needed_ones_open() {
    let places = everywhere(
        nemoclaw!(),
        "nemoclaw",
        &["--security-opt", "seccomp=unconfined"],
        &["sockets"],
    );
    places.always(NEEDED);
    places.refused(REAL);
    places.refused(ELSEWHERE);
}
