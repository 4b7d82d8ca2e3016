//! A pod's traffic: every container's goes through the router, under the pod's policy and identity.

use std::time::Duration;

use crate::engine;
use nemoclaw_tests::container::unique;
use nemoclaw_tests::netns;
use nemoclaw_tests::packets::{Seen, Watch};
use nemoclaw_tests::pods::{Member, Pod};
use nemoclaw_tests::probe::parse;
use nemoclaw_tests::shell::wait_for;
use nemoclaw_tests::upstream;

const SLEEPER: &[&str] = &["sleep", "300"];
/// Addresses in `nct-srv`, each attacked by one test.
const PLAIN: &str = "192.0.2.77";
const FENCED: &str = "192.0.2.78";
const PAUSED: &str = "192.0.2.79";

#[test]
fn the_second_containers_traffic_goes_through_the_router_under_the_pods_policy() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-test", &[]);
    pod.container("first", "nct/busybox", SLEEPER);
    let second = pod.container("second", "nct/debian", SLEEPER);
    let mark = unique("mark");
    let url = format!("https://api.example.com/{mark}");
    second
        .exec(&["curl", "-sS", "-m", "10", &url])
        .ok()
        .says("\"nct\": \"ok\"");
    assert_eq!(upstream::requests(world, &mark).len(), 1);
    let post = [
        "curl",
        "-sS",
        "-m",
        "10",
        "-w",
        "\n%{http_code}",
        "-X",
        "POST",
        "-d",
        "x",
        &url,
    ];
    let denied = second.exec(&post).ok();
    let (body, code) = denied.stdout.trim().rsplit_once('\n').unwrap_or_default();
    assert_eq!(code, "403", "{denied:?}");
    let body: serde_json::Value = serde_json::from_str(body).expect("the denial is JSON");
    assert_eq!(
        (body["sandbox"].as_str(), body["method"].as_str()),
        (Some(pod.id.as_str()), Some("POST")),
        "{body}"
    );
    assert_eq!(
        upstream::requests(world, &mark).len(),
        1,
        "the POST reached the server"
    );
    let unlisted = ["nemoclaw-probe", "dns", "name=other.example.com"];
    second.exec(&unlisted).ok().says("\"rcode\":3");
    let audit = std::fs::read_to_string(world.path(&format!("data/audit/{}.jsonl", pod.id)));
    assert!(audit.expect("audit").contains(&mark));
}

/// Every attempt of the probe's group `net` in a container, and what was seen outside meanwhile.
fn attack(member: &Member<'_>, target: &str) -> Seen {
    let aim = format!("target={target}");
    let watch = Watch::start();
    parse(member.exec(&["nemoclaw-probe", "net", &aim]));
    watch.finish()
}

#[test]
fn without_the_box_a_pods_packets_leave() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "runc", &[]);
    pod.container("first", "nct/busybox", SLEEPER);
    let second = pod.container("second", "nct/busybox", SLEEPER);
    let seen = attack(&second, PLAIN);
    let kinds: std::collections::BTreeSet<_> = seen
        .to(PLAIN)
        .iter()
        .map(|packet| packet.kind.clone())
        .collect();
    assert!(kinds.contains("tcp") && kinds.contains("udp"), "{kinds:?}");
    assert!(!seen.from_box(&pod.mac()).is_empty());
}

#[test]
fn in_the_box_no_packet_of_a_pod_leaves() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-test", &[]);
    pod.container("first", "nct/busybox", SLEEPER);
    let second = pod.container("second", "nct/busybox", SLEEPER);
    let seen = attack(&second, FENCED);
    Seen::none(&seen.to(FENCED), "the second container's attempts");
    Seen::none(&seen.from_box(&pod.mac()), "the pod's interface");
}

#[test]
fn a_pod_whose_pause_process_was_killed_stays_fenced() {
    let Some(world) = engine() else { return };
    let pod = Pod::start(world, "nemoclaw-test", &[]);
    let script = format!(
        "until test -e /tmp/go; do sleep 0.05; done; nemoclaw-probe net target={PAUSED}; nemoclaw-probe dns name=api.example.com; echo done; sleep 300"
    );
    let member = pod.container("first", "nct/busybox", &["sh", "-c", &script]);
    let (mac, root) = (pod.mac(), format!("/proc/{}/root", member.pid()));
    let pid = i32::try_from(pod.pid()).expect("pid");
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )
    .expect("kill");
    wait_for("the box's end", Duration::from_secs(5), || {
        (!world.path("state/boxes").join(&pod.id).exists()).then_some(())
    });
    let watch = Watch::start();
    std::fs::write(format!("{root}/tmp/go"), "").expect("the word to begin");
    member.logs("done");
    let seen = watch.finish();
    Seen::none(
        &seen.to(PAUSED),
        "the attempts after the pause process's end",
    );
    Seen::none(&seen.from_box(&mac), "the pod's interface");
    let log = member.log();
    assert!(
        log.contains("tcp_direct") && !log.contains("\"rcode\":0"),
        "{log}"
    );
    // All containers of a pod share one shim, whose working directory went with the sandbox.
    member
        .exec(&["echo", "still there"])
        .ok()
        .says("still there");
}

#[test]
fn a_pods_port_is_reached_from_its_node_and_not_from_another_pod() {
    let Some(world) = engine() else { return };
    let server = ["httpd", "-f", "-p", "8080", "-h", "/etc"];
    let dial = |ip: &str| format!("http://{ip}:8080/passwd");
    let open = Pod::start(world, "runc", &[]);
    open.container("web", "nct/busybox", &server);
    let shut = Pod::start(world, "nemoclaw-test", &[]);
    shut.container("web", "nct/busybox", &server);
    let sibling = Pod::start(world, "runc", &[]);
    let sibling = (
        sibling
            .container("client", "nct/debian", SLEEPER)
            .id
            .clone(),
        sibling,
    );
    let client = |url: &str, limit: &str| {
        let request = serde_json::json!({
            "container_id": sibling.0, "cmd": ["curl", "-sS", "-m", limit, url], "timeout": 30
        });
        let answer = nemoclaw_tests::pods::answer(world, "ExecSync", &request);
        answer["exit_code"].as_i64().unwrap_or(0)
    };
    for pod in [&open, &shut] {
        let words = format!(
            "curl -sS -m 3 --retry 20 --retry-connrefused {}",
            dial(&pod.ip())
        );
        netns::script(netns::ENGINE, &words).ok().says("root:");
    }
    assert_eq!(
        client(&dial(&open.ip()), "10"),
        0,
        "without the box a sibling dials in"
    );
    assert_ne!(
        client(&dial(&shut.ip()), "2"),
        0,
        "a sibling reached the pod"
    );
}
