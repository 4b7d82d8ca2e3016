//! Podman gives a namespace by path, with its interface in it: it is fenced as it is.

use crate::engine;
use nemoclaw_tests::container::unique;
use nemoclaw_tests::netns;
use nemoclaw_tests::packets::{Seen, Watch};
use nemoclaw_tests::podman::{Box, IMAGE, podman, run};
use nemoclaw_tests::probe::parse;
use nemoclaw_tests::upstream;

const SLEEPER: &[&str] = &["sleep", "300"];
/// Addresses in `nct-srv`, each attacked by one test.
const PLAIN: &str = "192.0.2.81";
const FENCED: &str = "192.0.2.82";

#[test]
fn an_allowed_name_is_reached_and_the_rest_is_not() {
    let Some(world) = engine() else { return };
    for network in ["none", "podman"] {
        let options = ["--network", network];
        let mark = unique("mark");
        let url = format!("http://api.example.com/{mark}");
        run(
            world,
            "nemoclaw-test",
            &options,
            &["wget", "-q", "-O", "-", &url],
        )
        .ok()
        .says("\"nct\": \"ok\"");
        let post = ["wget", "-q", "-O", "-", "--post-data", "x", &url];
        run(world, "nemoclaw-test", &options, &post).fails_saying("403");
        assert_eq!(upstream::requests(world, &mark).len(), 1);
        let unlisted = ["nemoclaw-probe", "dns", "name=other.example.com"];
        run(world, "nemoclaw-test", &options, &unlisted)
            .ok()
            .says("\"rcode\":3");
    }
}

#[test]
fn without_the_box_packets_leave() {
    let Some(world) = engine() else { return };
    let container = Box::start(world, "runc", &[], SLEEPER);
    let seen = attack(&container, PLAIN);
    assert!(!seen.to(PLAIN).is_empty());
    assert!(!seen.from_box(&container.mac()).is_empty());
}

#[test]
fn in_the_box_no_packet_leaves() {
    let Some(world) = engine() else { return };
    let container = Box::start(world, "nemoclaw-test", &[], SLEEPER);
    let seen = attack(&container, FENCED);
    Seen::none(&seen.to(FENCED), "the attempts");
    Seen::none(&seen.from_box(&container.mac()), "the interface");
}

/// Every attempt of the probe's group `net`, and what was seen outside meanwhile.
fn attack(container: &Box<'_>, target: &str) -> Seen {
    let aim = format!("target={target}");
    let watch = Watch::start();
    parse(container.exec(&[], &["nemoclaw-probe", "net", &aim]));
    watch.finish()
}

#[test]
fn a_published_port_is_reached_from_the_machine() {
    let Some(world) = engine() else { return };
    let words = ["httpd", "-f", "-p", "8080", "-h", "/etc"];
    let container = Box::start(
        world,
        "nemoclaw-test",
        &["-p", "127.0.0.1:18791:8080"],
        &words,
    );
    let ip = container.inspect("{{.NetworkSettings.IPAddress}}");
    for address in ["127.0.0.1:18791", &format!("{ip}:8080")] {
        let script =
            format!("curl -sS -m 3 --retry 20 --retry-connrefused http://{address}/passwd");
        netns::script(netns::ENGINE, &script).ok().says("root:");
    }
}

#[test]
fn another_boxs_network_is_joined_and_a_strangers_is_refused() {
    let Some(world) = engine() else { return };
    let fetch = ["wget", "-q", "-O", "-", "http://api.example.com/hello"];
    let ours = Box::start(world, "nemoclaw-test", &[], SLEEPER);
    let network = format!("container:{}", ours.name);
    run(world, "nemoclaw-test", &["--network", &network], &fetch)
        .ok()
        .says("\"nct\": \"ok\"");
    let stranger = Box::start(world, "runc", &[], SLEEPER);
    let network = format!("container:{}", stranger.name);
    run(world, "runc", &["--network", &network], &["echo", "joined"])
        .ok()
        .says("joined");
    let refused = run(
        world,
        "nemoclaw-test",
        &["--network", &network],
        &["echo", "joined"],
    );
    assert!(
        refused.code != 0
            && refused.stderr.contains("network namespace")
            && !refused.stdout.contains("joined"),
        "{refused:?}"
    );
}

#[test]
fn containers_of_a_podman_pod_share_one_fence() {
    let Some(world) = engine() else { return };
    let pod = unique("pod");
    let ask = |words: &[&str]| {
        let mut args = vec!["--runtime", "nemoclaw-test"];
        args.extend(words);
        podman(world, &args)
    };
    // Podman does not mark the container that holds the namespaces: its program has to be where the policy lets it run.
    let infra = [
        "pod",
        "create",
        "--infra-image",
        IMAGE,
        "--infra-command",
        "sleep 300",
        "--name",
        &pod,
    ];
    ask(&infra).ok();
    let member = |words: &[&str]| {
        let mut args = vec!["run", "--rm", "--pod", &pod, IMAGE];
        args.extend(words);
        ask(&args)
    };
    let fetched = member(&["wget", "-q", "-O", "-", "http://api.example.com/hello"]);
    let unlisted = member(&["nemoclaw-probe", "dns", "name=other.example.com"]);
    let infra = ask(&["pod", "inspect", "--format", "{{.InfraContainerID}}", &pod])
        .ok()
        .text();
    let audit = world.path(&format!("data/audit/{infra}.jsonl"));
    ask(&["pod", "rm", "-f", "-t", "0", &pod]).ok();
    fetched.ok().says("\"nct\": \"ok\"");
    unlisted.ok().says("\"rcode\":3");
    let audit = std::fs::read_to_string(audit).expect("the pod is one sandbox to the router");
    assert!(
        audit.contains("api.example.com") && audit.contains("other.example.com"),
        "{audit}"
    );
}
