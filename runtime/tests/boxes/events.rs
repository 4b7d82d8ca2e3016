//! `events`: runc's lines, and its end with the box.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{id, node};

/// A program that takes memory until it is killed.
const GREEDY: &str = "x=aaaaaaaaaaaaaaaa; while true; do x=$x$x; done";

fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))
}

#[test]
fn the_numbers_are_printed_once_in_runcs_shape() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    let said = node.call(&["events", "--stats", &box_id]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(said.out.lines().count(), 1, "{}", said.out);
    let event = value(&said.out);
    assert_eq!(
        (&event["type"], &event["id"]),
        (&"stats".into(), &box_id.as_str().into())
    );
    let data = &event["data"];
    assert_eq!(data["pids"]["current"], 1);
    assert_eq!(data["pids"]["limit"], 1024);
    for (part, key) in [
        ("cpu", "usage"),
        ("cpuset", "sched_load_balance"),
        ("memory", "raw"),
    ] {
        assert!(!data[part][key].is_null(), "{part}.{key}: {event}");
    }
    assert!(
        data["memory"]["usage"]["usage"].as_u64() > Some(0),
        "{event}"
    );
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    assert!(
        node.call(&["events", &box_id])
            .err
            .contains("does not exist")
    );
}

#[test]
fn numbers_and_lack_of_memory_are_told_until_the_box_ends() {
    let Some(node) = node() else { return };
    let box_id = id();
    node.config("sleep 60", |config| {
        config["linux"]["resources"] =
            serde_json::json!({ "memory": { "limit": 24 << 20, "swap": 24 << 20 } });
    });
    node.up(&box_id);
    let mut command = node.command(&["events", "--interval", "100ms", &box_id]);
    let mut events = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the runtime runs");
    let mut lines = BufReader::new(events.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().map(|line| value(&line.expect("a line")));
    // The listener is there once numbers come.
    assert_eq!(line().expect("an event")["type"], "stats");
    assert_eq!(node.call(&["exec", &box_id, "sh", "-c", GREEDY]).code, 137);
    let told = std::iter::from_fn(&mut line).find(|event| event["type"] == "oom");
    let told = told.expect("an oom event");
    assert_eq!(told, serde_json::json!({ "type": "oom", "id": box_id }));
    assert_eq!(node.call(&["kill", &box_id, "KILL"]).code, 0);
    assert!(std::iter::from_fn(line).all(|event| !event["type"].is_null()));
    assert!(events.wait().expect("wait").success());
    assert_eq!(node.call(&["events", &box_id]).code, 1);
    assert!(
        node.errors()
            .iter()
            .any(|error| error == "container not running")
    );
    assert_eq!(node.call(&["delete", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}
