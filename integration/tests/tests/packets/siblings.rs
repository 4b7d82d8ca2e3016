//! A sibling container on the same bridge dials in, and the box dials its sibling.

use crate::support::network;
use nemoclaw_tests::container::{Container, run};
use nemoclaw_tests::packets::{Seen, Watch};
use nemoclaw_tests::{World, nemoclaw, netns, world};

const SERVER: &[&str] = &["nct/busybox", "httpd", "-f", "-p", "8080", "-h", "/etc"];

fn sibling_gets_in(world: &World, runtime: &str, network_name: &str) -> bool {
    network(world, network_name);
    let server = Container::start(world, runtime, &["--network", network_name], SERVER);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let url = format!("http://{}:8080/passwd", server.ip());
    let got = run(
        world,
        "runc",
        &["--network", network_name],
        &["nct/debian", "curl", "-sS", "-m", "2", &url],
    );
    got.code == 0
}

#[test]
fn without_the_box_a_sibling_dials_in() {
    assert!(sibling_gets_in(world!(), "runc", "bridge"));
}

#[test]
fn in_the_box_it_does_not() {
    let world = nemoclaw!();
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        for network_name in ["bridge", "nct-own"] {
            assert!(
                !sibling_gets_in(world, runtime, network_name),
                "{runtime} on {network_name}: the sibling reached the box"
            );
        }
    }
}

#[test]
fn the_gateway_still_reaches_the_box() {
    let world = nemoclaw!();
    let server = Container::start(world, "nemoclaw-test", &[], SERVER);
    std::thread::sleep(std::time::Duration::from_millis(500));
    netns::script(
        netns::ENGINE,
        &format!("curl -sS -m 3 http://{}:8080/passwd", server.ip()),
    )
    .ok()
    .says("root:");
}

#[test]
fn the_box_does_not_reach_its_sibling() {
    let world = nemoclaw!();
    let server = Container::start(world, "runc", &[], SERVER);
    let url = format!("http://{}:8080/passwd", server.ip());
    let words = ["nct/debian", "curl", "-sS", "-m", "2", &url];
    run(world, "runc", &[], &words).ok().says("root:");
    let client = Container::start(world, "nemoclaw-test", &[], &["nct/debian", "sleep", "300"]);
    let watch = Watch::start();
    let got = client.exec(&words[1..]);
    let seen = watch.finish();
    assert!(got.code != 0, "{got:?}");
    Seen::none(&seen.from_box(&client.mac()), "dialling the sibling");
}
