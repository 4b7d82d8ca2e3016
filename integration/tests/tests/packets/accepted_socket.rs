//! A connection that was accepted from outside, disconnected by `connect(AF_UNSPEC)`, then used to call out:
//! whatever let its replies through must not let the new call through.

use std::time::Duration;

use crate::support::{network, target};
use nemoclaw_tests::container::Container;
use nemoclaw_tests::packets::{Seen, Watch};
use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::{World, nemoclaw, netns, world};

fn attack(world: &World, runtime: &str, network_name: &str) -> (String, Seen, String) {
    network(world, network_name);
    let target = target();
    let goal = format!("target={target}");
    let container = Container::start(
        world,
        runtime,
        &["--network", network_name],
        &["nct/busybox", "/usr/bin/nemoclaw-probe", "recon", &goal],
    );
    wait_for("the probe to listen", Duration::from_secs(10), || {
        container
            .verb(&["logs"])
            .stdout
            .contains("listening")
            .then_some(())
    });
    let watch = Watch::start();
    let call = format!("exec 3<>/dev/tcp/{}/18790; sleep 3", container.ip());
    netns::script(netns::ENGINE, &format!("timeout 6 bash -c '{call}'"));
    container.verb(&["wait"]).ok();
    let seen = watch.finish();
    (container.verb(&["logs"]).stdout, seen, target)
}

#[test]
fn without_the_box_the_call_leaves() {
    let (said, seen, target) = attack(world!(), "runc", "bridge");
    assert!(said.contains("\"worked\""), "{said}");
    assert!(!seen.to(&target).is_empty());
}

#[test]
fn in_the_box_it_does_not() {
    let world = nemoclaw!();
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        for network_name in ["bridge", "nct-own"] {
            let (said, seen, target) = attack(world, runtime, network_name);
            assert!(
                said.contains("\"refused\""),
                "{runtime} on {network_name}: the box must accept the call and fail to call out: {said}"
            );
            Seen::none(&seen.to(&target), &format!("{runtime} on {network_name}"));
        }
    }
}
