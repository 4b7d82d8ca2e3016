//! The two network namespaces and the wire between them.
//!
//! `nct-eng` holds Docker and the router, `nct-srv` the outside world. Nothing else is connected: whatever a box sends
//! can go no further than here, and the machine's own network stays untouched.

use std::fs::File;
use std::path::PathBuf;

use nix::sched::{CloneFlags, setns};

use crate::shell::{run, sh};

/// Namespace of the engines and the router.
pub const ENGINE: &str = "nct-eng";
/// Namespace of the servers.
pub const SERVERS: &str = "nct-srv";
/// Namespace of the second engine: a dockerd without a bridge removes another's `docker0`.
pub const REMAPPED: &str = "nct-eng2";
/// The wire's end in [`ENGINE`].
pub const OUTER: &str = "nct-out";

/// The file that stands for a namespace.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from("/run/netns").join(name)
}

/// Makes both namespaces and the wire, where they are not there yet.
pub fn up() {
    for name in [ENGINE, SERVERS, REMAPPED] {
        if !path(name).exists() {
            run("ip", &["netns", "add", name]).ok();
        }
        run("ip", &["-n", name, "link", "set", "lo", "up"]).ok();
    }
    if run("ip", &["-n", ENGINE, "link", "show", OUTER]).code == 0 {
        return;
    }
    let script = format!(
        "set -e
        ip -n {ENGINE} link add {OUTER} type veth peer name nct-in netns {SERVERS}
        ip -n {ENGINE} addr add 203.0.113.1/24 dev {OUTER}
        ip -n {ENGINE} addr add 2001:db8:2::1/64 dev {OUTER} nodad
        ip -n {SERVERS} addr add 203.0.113.2/24 dev nct-in
        for host in 10 11 12 13 14 15 16; do ip -n {SERVERS} addr add 203.0.113.$host/24 dev nct-in; done
        ip -n {SERVERS} addr add 2001:db8:2::2/64 dev nct-in nodad
        ip -n {ENGINE} link set {OUTER} up
        ip -n {SERVERS} link set nct-in up
        # whole ranges that answer: every test has addresses of its own to attack
        for range in 198.51.100.0/24 192.0.2.0/24 10.99.0.0/24; do
          ip -n {SERVERS} route add local $range dev lo
          ip -n {ENGINE} route add $range via 203.0.113.2
        done
        ip -n {SERVERS} -6 route add local 2001:db8:9::/64 dev lo
        ip -n {ENGINE} -6 route add 2001:db8:9::/64 via 2001:db8:2::2
        ip -n {SERVERS} route add default via 203.0.113.1
        ip -n {SERVERS} -6 route add default via 2001:db8:2::1
        nsenter --net=/run/netns/{ENGINE} sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'"
    );
    sh(&script).ok();
}

/// Removes both.
pub fn down() {
    for name in [ENGINE, SERVERS, REMAPPED] {
        run("ip", &["netns", "del", name]);
    }
}

/// Runs `work` on a thread inside the namespace `name`: sockets it opens belong there.
///
/// # Panics
/// When the namespace cannot be entered, or `work` panics.
pub fn inside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(path(name)).expect("network namespace");
    std::thread::spawn(move || {
        setns(&file, CloneFlags::CLONE_NEWNET).expect("setns");
        work()
    })
    .join()
    .expect("the thread in the namespace")
}

/// A shell script inside the namespace `name` (network only: /sys stays, so cgroups stay visible).
pub fn script(name: &str, script: &str) -> crate::Output {
    let net = format!("--net={}", path(name).display());
    run("nsenter", &[&net, "sh", "-c", script])
}
