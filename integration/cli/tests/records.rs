//! Verbs that read the records of sandboxes: records are written as the direct engine does, and nothing runs.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may fail loudly"
)]

#[macro_use]
mod place;

use std::path::Path;

use nemoclaw_api::audit::Event;
use nemoclaw_api::audit::chain::Link;
use nemoclaw_api::audit::record::event_line;
use serde_json::Value;

use place::Place;

#[test]
fn an_empty_machine_has_an_empty_list() {
    need_root!();
    let place = Place::new();
    let value: Value =
        serde_json::from_str(&place.run(&["list", "--output", "json"]).ends_with(0).out).unwrap();
    assert_eq!(value, serde_json::json!({ "version": 1, "sandboxes": [] }));
    place
        .run(&["status"])
        .ends_with(0)
        .says("there is no sandbox");
    place
        .run(&["stop"])
        .ends_with(1)
        .says("there is no sandbox");
    place
        .run(&["rm", "nobody"])
        .ends_with(1)
        .says("there is no sandbox `nobody`")
        .says("hint: run `nemoclaw list`");
    place.run(&["exec", "nobody", "--", "true"]).ends_with(125);
}

/// Write the records of a sandbox as the direct engine does.
fn record(place: &Place, name: &str, files: &[(&str, &str)]) {
    let directory = place.path("data").join("direct").join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let record = r#"{"version":1,"created":"2026-01-01T00:00:00Z","command":["true"],"policy":"strict","rootfs":"host","terminal":false,"detached":true}"#;
    for (file, text) in [("box.json", record)].iter().chain(files) {
        std::fs::write(directory.join(file), text).unwrap();
    }
}

#[test]
fn names_are_found_by_their_beginning_and_ends_are_shown() {
    need_root!();
    let place = Place::new();
    record(
        &place,
        "worker-1",
        &[("ended.json", r#"{"code":3,"at":"2026-01-01T00:00:01Z"}"#)],
    );
    record(
        &place,
        "lost-1",
        &[("started.json", r#"{"pid":1,"started":1}"#)],
    );
    let list = place.run(&["list"]);
    list.ends_with(0)
        .prints("stopped (3)")
        .prints("lost")
        .prints("strict");
    place
        .run(&["status", "wor"])
        .ends_with(0)
        .prints("worker-1")
        .prints("stopped (3)");
    place
        .run(&["status"])
        .ends_with(1)
        .prints("degraded")
        .prints("nemoclaw rm lost-1");
    place
        .run(&["exec", "wor", "--", "true"])
        .ends_with(125)
        .says("is not running: it is stopped");
    place.run(&["rm", "wor"]).ends_with(0).prints("worker-1");
    assert!(!place.path("data/direct/worker-1").exists());
}

#[test]
fn logs_put_each_stream_where_it_belongs() {
    need_root!();
    let place = Place::new();
    let log = "{\"time\":\"t\",\"stream\":\"stdout\",\"text\":\"out\\n\"}\n{\"time\":\"t\",\"stream\":\"stderr\",\"text\":\"err\\n\"}\n";
    record(
        &place,
        "worker",
        &[("log", log), ("ended.json", r#"{"code":0,"at":"t"}"#)],
    );
    let ran = place.run(&["logs", "--follow"]);
    ran.ends_with(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("out\n", "err\n"));
    assert_eq!(place.run(&["logs", "--json"]).out, log);
}

#[test]
fn denied_shows_refusals_only() {
    need_root!();
    let place = Place::new();
    std::fs::create_dir_all(place.path("data/audit")).unwrap();
    let event = |verdict: &str| {
        let event = Event {
            time: "t".into(),
            sandbox: "w".into(),
            kind: "http".into(),
            host: "a.example".into(),
            port: 443,
            method: Some("POST".into()),
            path: Some("/x".into()),
            verdict: verdict.into(),
            reason: Some("no rule".into()),
            ..Event::default()
        };
        event_line(&event, Link::FIRST).unwrap() + "\n"
    };
    place.write(
        "data/audit/w.jsonl",
        &[event("allow"), event("deny")].concat(),
    );
    let ran = place.run(&["logs", "--denied"]);
    assert_eq!(
        ran.ends_with(0).out,
        "t  deny http POST a.example:443/x - no rule\n"
    );
    assert_eq!(
        place.run(&["logs", "--denied", "--json"]).out,
        event("deny")
    );
}

#[test]
fn what_was_asked_wrongly_is_said_before_anything_is_made() {
    need_root!();
    let place = Place::new();
    let run = |more: &[&str]| place.run(&[&["run"], more, &["--", "true"]].concat());
    run(&["--name", "../x"])
        .ends_with(125)
        .says("is no name for a sandbox");
    run(&["-v", "/nowhere:/data"])
        .ends_with(125)
        .says("cannot mount `/nowhere`");
    run(&["-v", "/tmp"])
        .ends_with(125)
        .says("hint: write `-v SRC:DST`");
    run(&["--policy", "nobodys"]).ends_with(125).says("nobodys");
    run(&["--policy", "./nowhere.yaml"])
        .ends_with(125)
        .says("cannot read policy `./nowhere.yaml`");
    assert!(!Path::new(&place.path("data/direct")).exists());
}
