//! Other shapes on the wire: WebSocket, bytes without TLS inspection, server-sent chunks.

use crate::support::{curl, debian, mark};
use nemoclaw_tests::{nemoclaw, upstream};

#[test]
fn a_websocket_upgrade_is_relayed() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let mark = mark();
    let script = format!(
        "const w = new WebSocket('wss://www.example.com/ws'); w.onopen = () => w.send('{mark}'); \
         w.onmessage = e => {{ console.log('echo ' + e.data); w.close(); process.exit(0) }}; w.onerror = e => {{ console.error(e.message); process.exit(1) }}; setTimeout(() => process.exit(2), 8000)"
    );
    container
        .exec(&["node", "-e", &script])
        .ok()
        .says(&format!("echo {mark}"));
    assert!(!upstream::requests(world, &mark).is_empty());
}

#[test]
fn a_passed_endpoint_shows_the_servers_own_certificate() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let script = "curl -ksS -v -m 10 https://raw.example.com/passed 2>&1";
    container
        .exec(&["bash", "-c", script])
        .ok()
        .says("nct test authority")
        .says("\"nct\": \"ok\"");
    let inspected = container
        .exec(&[
            "bash",
            "-c",
            "curl -sS -v -m 10 https://api.example.com/inspected 2>&1",
        ])
        .ok();
    assert!(
        !inspected.stdout.contains("nct test authority"),
        "{inspected:?}"
    );
}

#[test]
fn plain_tcp_to_a_listed_name_passes() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let script = "exec 3<>/dev/tcp/raw.example.com/7; echo nct-echo-raw >&3; timeout 3 head -1 <&3";
    container.exec(&["bash", "-c", script]).says("nct-echo-raw");
}

#[test]
fn chunks_arrive_as_they_are_sent() {
    let world = nemoclaw!();
    let container = debian(world, "nemoclaw-test");
    let script = "curl -sSN -m 10 https://www.example.com/drip/20 | head -n 2 | tail -n 1";
    let output = container.exec(&["bash", "-c", script]).says("drip 1");
    assert!(
        output.took.as_millis() < 1900,
        "the second chunk must not wait for the last: {output:?}"
    );
    curl(&container, &["https://www.example.com/drip/5"])
        .ok()
        .says("drip 4");
}
