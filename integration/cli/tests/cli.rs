//! The command as people call it: the built binary, temporary files, exit codes, and what is on which stream.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may fail loudly"
)]

#[macro_use]
mod place;

use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::Value;

use place::{BINARY, Place, Ran, root};

const POLICY: &str = "version: 1
network_policies:
  github:
    endpoints:
      - { host: api.github.com, port: 443, protocol: rest, access: read-only }
      - { host: ssh.github.com, port: 22 }
";

#[test]
fn a_sound_policy_is_valid_and_a_faulty_one_is_shown_with_a_caret() {
    let place = Place::new();
    place.write("good.yaml", POLICY);
    place
        .run(&["policy", "validate", "good.yaml"])
        .ends_with(0)
        .says("valid");
    place.write("bad.yaml", "version: 1\nnetwork_policy: {}\n");
    let ran = place.run(&["policy", "validate", "bad.yaml"]);
    ran.ends_with(1)
        .says("bad.yaml:2:1")
        .says("^")
        .says("error: ");
    assert_eq!(ran.out, "", "a fault is talk, not data");
}

#[test]
fn a_policy_that_is_not_there_is_one_sentence() {
    let place = Place::new();
    place
        .run(&["policy", "validate", "nowhere.yaml"])
        .ends_with(1)
        .says("error: cannot read policy `nowhere.yaml`");
    place
        .run(&["policy", "validate", "nobodys"])
        .ends_with(1)
        .says("hint: give a file, or one of: ");
}

#[test]
fn every_embedded_policy_is_valid() {
    let place = Place::new();
    for name in ["default", "strict", "dev", "offline", "unconfined"] {
        place.run(&["policy", "validate", name]).ends_with(0);
    }
}

#[test]
fn check_says_allowed_denied_or_cannot_tell_and_names_the_rule() {
    let place = Place::new();
    place.write("p.yaml", POLICY);
    let check = |more: &[&str]| place.run(&[&["policy", "check", "p.yaml"], more].concat());
    let get = [
        "--host",
        "api.github.com",
        "--method",
        "get",
        "--path",
        "/user",
    ];
    check(&get)
        .ends_with(0)
        .prints("allowed")
        .prints("p.yaml:5:");
    let post = [
        "--host",
        "API.github.com.",
        "--method",
        "POST",
        "--path",
        "/user",
    ];
    check(&post).ends_with(1).prints("denied").says("hint: ");
    check(&["--host", "example.org"])
        .ends_with(1)
        .prints("denied");
    check(&["--host", "api.github.com"])
        .ends_with(2)
        .prints("cannot tell")
        .says("--method");
    check(&["--host", "ssh.github.com", "--port", "22"])
        .ends_with(0)
        .prints("p.yaml:6:");
    check(&["--host", "ssh.github.com"]).ends_with(1);
}

#[test]
fn a_question_about_a_faulty_policy_cannot_be_answered() {
    let place = Place::new();
    place.write("bad.yaml", "version: 2\n");
    place
        .run(&["policy", "check", "bad.yaml", "--host", "a.example"])
        .ends_with(2)
        .says("bad.yaml:1:");
}

#[test]
fn doctor_s_json_has_a_version_and_a_level_for_each_check() {
    let place = Place::new();
    let ran = place.run(&["doctor", "--output", "json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["version"], 1);
    let checks = value["checks"].as_array().unwrap();
    let level =
        |name: &str| checks.iter().find(|check| check["name"] == name).unwrap()["level"].clone();
    for name in [
        "kernel",
        "landlock",
        "seccomp",
        "cgroups",
        "nf_tables",
        "bpf",
        "router",
        "engine",
        "runtime",
        "egress",
        "devices",
    ] {
        assert!(
            ["ok", "warning", "failed"].contains(&level(name).as_str().unwrap()),
            "{name}"
        );
    }
    let failed = checks.iter().any(|check| check["level"] == "failed");
    assert!(
        checks
            .iter()
            .filter(|check| check["level"] != "ok")
            .all(|check| check["help"].is_string()),
        "{}",
        ran.out
    );
    ran.ends_with(i32::from(failed));
    assert_eq!(value["ok"], !failed);
}

#[test]
fn every_help_ends_with_examples_and_is_data() {
    let place = Place::new();
    let verbs: [&[&str]; 28] = [
        &["run"],
        &["list"],
        &["status"],
        &["logs"],
        &["exec"],
        &["connect"],
        &["stop"],
        &["rm"],
        &["doctor"],
        &["policy", "validate"],
        &["policy", "check"],
        &["router", "start"],
        &["router", "stop"],
        &["top"],
        &["router", "status"],
        &["router", "metrics"],
        &["audit", "show"],
        &["audit", "verify"],
        &["register", "docker"],
        &["register", "containerd"],
        &["register", "podman"],
        &["register", "crio"],
        &["register", "kubernetes"],
        &["unregister", "docker"],
        &["unregister", "containerd"],
        &["unregister", "podman"],
        &["unregister", "crio"],
        &["unregister", "kubernetes"],
    ];
    for verb in verbs {
        place
            .run(&[verb, &["--help"]].concat())
            .ends_with(0)
            .prints("Examples:\n");
    }
}

#[test]
fn a_wrong_command_line_never_looks_like_a_command_s_own_exit_code() {
    let place = Place::new();
    place.run(&["run"]).ends_with(125);
    place.run(&["exec", "x", "--nonsense"]).ends_with(125);
    place.run(&["list", "--nonsense"]).ends_with(2);
}

#[test]
fn who_is_not_root_gets_one_sentence_with_the_command() {
    if !root() {
        Place::new()
            .run(&["list"])
            .ends_with(1)
            .says("hint: run `sudo nemoclaw list …`");
        return;
    }
    // As root: a copy where everybody may run it, as nobody.
    let directory = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let copy = directory.path().join("nemoclaw");
    std::fs::copy(BINARY, &copy).unwrap();
    let call = |arguments: &[&str]| {
        Ran::of(
            Command::new(&copy)
                .args(arguments)
                .current_dir("/")
                .uid(65534)
                .gid(65534)
                .output()
                .unwrap(),
        )
    };
    call(&["list"])
        .ends_with(1)
        .says("error: `nemoclaw list` needs root")
        .says("hint: run `sudo nemoclaw list …`");
    call(&["run", "--", "true"])
        .ends_with(125)
        .says("hint: run `sudo nemoclaw run …`");
}
