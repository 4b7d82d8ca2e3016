//! Conformance: what an OCI runtime must do, by topic, seen from outside only.
//!
//! Each check is a function of a runtime. The tests here try them on ours, under the policy `unconfined`; `make
//! conformance-peers` tries them on Debian's runc and crun too and fails where one of them passes and ours does not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a broken precondition must end the test with its reason"
)]

mod bundle;
mod cgroups;
mod check;
mod runtime;
mod said;
mod sys;
mod terminal;

mod devices;
mod exec;
mod hooks;
mod identity;
mod interface;
mod lifecycle;
mod listener;
mod many;
mod masks;
mod mounts;
mod namespaces;
mod process;
mod propagation;
mod records;
mod resources;
mod seccomp;

/// Every check of every topic.
fn all() -> Vec<check::Check> {
    [
        lifecycle::CHECKS,
        interface::CHECKS,
        records::CHECKS,
        process::CHECKS,
        identity::CHECKS,
        hooks::CHECKS,
        mounts::CHECKS,
        propagation::CHECKS,
        masks::CHECKS,
        devices::CHECKS,
        namespaces::CHECKS,
        cgroups::CHECKS,
        seccomp::CHECKS,
        listener::CHECKS,
        exec::CHECKS,
        resources::CHECKS,
        terminal::CHECKS,
        many::CHECKS,
    ]
    .concat()
}

#[test]
#[ignore = "slow: all checks on three runtimes; `make conformance-peers` runs it"]
fn what_a_peer_passes_ours_passes() {
    use runtime::{Kind, Runtime};
    let peers = [Kind::Runc, Kind::Crun];
    for kind in peers.into_iter().chain([Kind::Ours]) {
        if let Err(reason) = Runtime::available(kind) {
            return nemoclaw_tests::skip::announce("what_a_peer_passes_ours_passes", &reason);
        }
    }
    check::compare(&all(), &peers);
}
