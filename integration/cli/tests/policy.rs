//! `policy` as people call it. Sandboxes are files as the router keeps them; where a change is waited for, a stand-in
//! for the router reads the file as the true one does.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test's helpers may fail loudly"
)]

#[macro_use]
mod place;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nemoclaw_api::audit::Event;
use nemoclaw_api::audit::chain::Link;
use nemoclaw_api::audit::record::event_line;
use nemoclaw_api::{Backend, BoxStatus, Request, Response, wire};
use nemoclaw_policy::{Policy, Source, builtin};
use serde_json::{Value, json};

use place::Place;

const POLICY: &str = "version: 1   # mine
network_policies:
  github:
    endpoints:
      - host: api.github.com
        port: 443
        protocol: rest
        rules:
          - allow: { method: GET, path: \"/**\", query: { page: \"1\" } }
          - allow: { method: POST, path: /user/repos }
      - { host: pass.github.com, port: 443, tls: skip }
  tools:
    binaries: [{ path: /usr/bin/git }]
    endpoints: [{ host: git.github.com, port: 22 }]
";
const CEILING: &str = "version: 1
network_policies:
  all:
    endpoints:
      - { host: \"*.github.com\", ports: [22, 443], protocol: rest, access: read-only }
";

/// A sandbox as the router keeps it.
fn sandbox(place: &Place, name: &str, policies: &[(&str, Option<PathBuf>, &str)]) {
    let policies: Vec<Value> = policies
        .iter()
        .map(|(name, path, text)| json!({ "name": name, "path": path, "text": text }))
        .collect();
    let handover = json!({
        "version": 1, "sandbox": name, "egress": "router", "policies": policies,
        "router_socket": place.path("run/router.sock"), "capture": "auto", "inbound": null,
    });
    let directory = place.path("run/router").join(name);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("egress.json"), handover.to_string()).unwrap();
}

/// The sandbox `worker` with a file and a ceiling.
fn worker() -> (Place, PathBuf) {
    let place = Place::new();
    let path = place.write("worker.yaml", POLICY);
    let ceiling = place.write("ceiling.yaml", CEILING);
    sandbox(
        &place,
        "worker",
        &[
            ("worker.yaml", Some(path.clone()), POLICY),
            ("ceiling", Some(ceiling), CEILING),
        ],
    );
    (place, path)
}

/// Answers `list` as the router does: the generation is higher once the file holds another sound policy.
fn router(place: &Place, path: &Path) {
    let listener = UnixListener::bind(place.path("run/router.sock")).unwrap();
    let path = path.to_owned();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let Ok((Request::List, _)) = wire::receive::<Request>(&stream) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).unwrap();
            let refused = text.contains("refuse me");
            let boxes = vec![BoxStatus {
                sandbox: "worker".into(),
                pid: 7,
                policies: vec!["worker.yaml".into()],
                files: vec![path.clone()],
                generation: if text == POLICY || refused { 3 } else { 4 },
                fault: refused.then(|| "the worker refuses it".into()),
                capture: Backend::SkLookup,
                allowed: 0,
                denied: 0,
                connections: 0,
                bytes_out: 0,
                bytes_in: 0,
                models: None,
                last_denial: None,
                since: "2026-01-01T00:00:00Z".into(),
            }];
            let _ = wire::send(&stream, &Response::Boxes { boxes }, &[]);
        }
    });
}

#[test]
fn validate_warns_where_the_inner_host_cannot_be_seen() {
    let place = Place::new();
    place.write("p.yaml", POLICY);
    place
        .run(&["policy", "validate", "p.yaml"])
        .ends_with(0)
        .says("warning: ./p.yaml:11:9: TLS to `pass.github.com` is passed through unopened")
        .says("valid: policy `p.yaml`, 2 network entries");
    let ran = place.run(&["policy", "validate", "p.yaml", "--output", "json"]);
    let value: Value = serde_json::from_str(&ran.ends_with(0).out).unwrap();
    assert_eq!(
        (&value["version"], &value["entries"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(value["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn check_asks_with_query_program_and_upgrade() {
    let (place, _) = worker();
    let check =
        |more: &[&str]| place.run(&[&["policy", "check", "worker.yaml", "--host"], more].concat());
    let get = ["api.github.com", "--method", "GET", "--path"];
    check(&[&get[..], &["/x"]].concat()).ends_with(1);
    check(&[&get[..], &["/x", "--query", "page=1"]].concat()).ends_with(0);
    check(&[&get[..], &["/x?page=2"]].concat()).ends_with(1);
    check(&[&get[..], &["/x?page=1", "--upgrade"]].concat()).ends_with(1);
    check(&[&get[..], &["/../x"]].concat())
        .ends_with(1)
        .says("climbs above the root");
    let git = ["git.github.com", "--port", "22"];
    check(&git).ends_with(1).says("give --program PATH");
    check(&[&git[..], &["--program", "/usr/bin/git"]].concat()).ends_with(0);
    place.write("ask.yaml", "version: 1\nnetwork_policies:\n  a:\n    endpoints: [{ host: a.example.org, port: 443, protocol: rest, enforcement: ask }]\n");
    place
        .run(&[
            "policy",
            "check",
            "ask.yaml",
            "--host",
            "a.example.org",
            "--method",
            "PUT",
            "--path",
            "/",
        ])
        .ends_with(2)
        .prints("a person must allow");
}

#[test]
fn explain_shows_the_rule_the_chain_and_what_would_change_it() {
    let (place, path) = worker();
    let explain = |name: &str, method: &str, path: &str| {
        place.run(&[
            "policy",
            "explain",
            name,
            "--host",
            "api.github.com",
            "--method",
            method,
            "--path",
            path,
        ])
    };
    let ran = explain("wor", "POST", "/user/repos");
    ran.ends_with(1)
        .prints("denied: POST api.github.com:443/user/repos under sandbox `worker`")
        .prints(&format!(
            "{}/ceiling.yaml:5:9)",
            place.directory.path().display()
        ))
        .prints(&format!("({}:10:20)", path.display()));
    let lines: Vec<&str> = ran.out.lines().collect();
    let chain = lines.iter().position(|line| *line == "chain:").unwrap();
    assert!(
        lines[chain + 1].contains("1.") && lines[chain + 1].contains("allowed"),
        "{}",
        ran.out
    );
    assert!(
        lines[chain + 2].contains("2.") && lines[chain + 2].contains("denied"),
        "{}",
        ran.out
    );
    ran.prints("add `{ host: api.github.com, port: 443, protocol: rest")
        .prints("of ")
        .prints("ceiling.yaml");
    explain("worker", "GET", "/x?page=1")
        .ends_with(0)
        .prints("each keep the rule");
    explain("worker.yaml", "POST", "/user/repos")
        .ends_with(0)
        .prints("under policy `./worker.yaml`");
    explain("nobodys", "GET", "/")
        .ends_with(2)
        .says("no policy or sandbox");
}

#[test]
fn show_heads_each_text_in_force_and_tells_a_changed_file() {
    need_root!();
    let (place, path) = worker();
    std::fs::write(&path, "version: 1\n").unwrap();
    let ran = place.run(&["policy", "show", "work"]);
    ran.ends_with(0)
        .prints(&format!(
            "# ==> worker.yaml: {} (differs from disk)",
            path.display()
        ))
        .prints(POLICY)
        .prints("# ==> ceiling: ")
        .prints(CEILING);
    assert_eq!(ran.out.matches("differs").count(), 1);
    place
        .run(&["policy", "show"])
        .ends_with(0)
        .prints("worker.yaml & ceiling")
        .prints("differs from disk")
        .says("the router is not running");
    let ran = place.run(&["policy", "show", "worker", "--output", "json"]);
    let value: Value = serde_json::from_str(&ran.ends_with(0).out).unwrap();
    assert_eq!(value["version"], 1);
    assert_eq!(value["sandboxes"][0]["policies"][0]["differs"], true);
    assert_eq!(value["sandboxes"][0]["policies"][1]["text"], CEILING);
    let ran = place.run(&["policy", "show", "default"]);
    assert_eq!(ran.ends_with(0).out, builtin::policy("default").unwrap());
}

#[test]
fn a_sandbox_goes_before_a_policy_by_its_name_and_after_it_by_a_beginning() {
    let place = Place::new();
    sandbox(&place, "strict-1", &[("x", None, POLICY)]);
    let shown = |name: &str| {
        place
            .run(&["policy", "show", name])
            .ends_with(0)
            .out
            .clone()
    };
    assert_eq!(shown("strict"), builtin::policy("strict").unwrap());
    assert!(shown("strict-1").contains("# ==> x: embedded"));
    sandbox(&place, "strict", &[("y", None, POLICY)]);
    assert!(shown("strict").contains("# ==> y: embedded"));
}

#[test]
fn diff_says_which_way_by_its_exit_code() {
    let place = Place::new();
    let diff = |more: &[&str]| place.run(&[&["policy", "diff"], more].concat());
    diff(&["strict", "strict"])
        .ends_with(0)
        .says("the two allow the same");
    diff(&["default", "strict"])
        .ends_with(0)
        .prints("hosts: narrowed");
    diff(&["strict", "default"])
        .ends_with(1)
        .prints("hosts: widened")
        .prints("  + ");
    diff(&["strict", "nobodys"]).ends_with(2);
    let ran = diff(&["strict", "default", "--all", "--output", "json"]);
    let value: Value = serde_json::from_str(&ran.ends_with(1).out).unwrap();
    assert_eq!(value["version"], 1);
    assert!(
        value["axes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|axis| axis["change"] == "same")
    );
}

#[test]
fn list_and_schema_print_what_ships() {
    let place = Place::new();
    let ran = place.run(&["policy", "list"]);
    for name in builtin::policy_names()
        .iter()
        .chain(builtin::preset_names())
    {
        ran.ends_with(0).prints(name);
    }
    ran.prints("install Python packages");
    assert!(!ran.out.contains("$schema"), "{}", ran.out);
    let ran = place.run(&["policy", "schema"]);
    assert_eq!(ran.ends_with(0).out, nemoclaw_policy::schema::TEXT);
}

#[test]
fn add_and_remove_change_one_line_and_say_when_it_holds() {
    need_root!();
    let (place, path) = worker();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    place
        .run(&["policy", "add", "worker", "pypi"])
        .ends_with(1)
        .says("the router is not running");
    let now = || std::fs::read_to_string(&path).unwrap();
    assert_eq!(now(), POLICY);
    router(&place, &path);
    place
        .run(&["policy", "add", "worker", "pypi", "--dry-run"])
        .ends_with(0)
        .prints("hosts: widened")
        .prints("pypi.org");
    assert_eq!(now(), POLICY);
    place
        .run(&["policy", "add", "worker", "pypi"])
        .ends_with(0)
        .prints("sandbox worker: generation 4 in force after ")
        .prints(" ms");
    assert_eq!(
        now(),
        POLICY.replacen("# mine\n", "# mine\ninclude: [pypi]\n", 1)
    );
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o640
    );
    place
        .run(&["policy", "add", "worker", "pypi"])
        .ends_with(1)
        .says("includes the preset `pypi` already");
    place
        .run(&["policy", "remove", "worker", "npm"])
        .ends_with(1)
        .says("does not include");
    place
        .run(&["policy", "remove", "worker", "pypi", "--dry-run"])
        .ends_with(0)
        .prints("narrowed");
    sandbox(
        &place,
        "plain",
        &[("default", None, builtin::policy("default").unwrap())],
    );
    place
        .run(&["policy", "add", "plain", "pypi"])
        .ends_with(1)
        .says("is embedded and cannot be changed")
        .says("hint: run `nemoclaw policy show default > FILE`");
}

#[test]
fn set_takes_only_sound_texts_and_tells_a_refusal() {
    need_root!();
    let (place, path) = worker();
    router(&place, &path);
    let now = || std::fs::read_to_string(&path).unwrap();
    place.write("bad.yaml", "version: 1\nnetwork: {}\n");
    place
        .run(&["policy", "set", "worker", "bad.yaml"])
        .ends_with(1)
        .says("bad.yaml:2:1");
    place.write("dev.yaml", "version: 1\nbox: { mode: relaxed }\n");
    place
        .run(&["policy", "set", "worker", "dev.yaml"])
        .ends_with(1)
        .says("may not stand in this file");
    place
        .run(&["policy", "set", "worker", "worker.yaml"])
        .ends_with(0)
        .says("no change");
    assert_eq!(now(), POLICY);
    place.write("new.yaml", "version: 1\nresources: { pids: 9 }\n");
    place
        .run(&["policy", "set", "worker", "new.yaml"])
        .ends_with(0)
        .prints("generation 4 in force after")
        .says("resources.pids")
        .says("when the sandbox is started again");
    assert_eq!(now(), "version: 1\nresources: { pids: 9 }\n");
    std::fs::write(&path, POLICY).unwrap();
    place.write("refused.yaml", "version: 1 # refuse me\n");
    place
        .run(&["policy", "set", "worker", "refused.yaml"])
        .ends_with(1)
        .says("the router refuses the new policy; generation 3 stays in force")
        .says("the worker refuses it");
}

#[test]
fn edit_puts_only_a_sound_text_in_force() {
    need_root!();
    let (place, path) = worker();
    router(&place, &path);
    let temporary = place.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let edit = |script: &str| {
        let mut command = place.command(&["policy", "edit", "worker"]);
        command
            .env_remove("VISUAL")
            .env("EDITOR", format!("sed -i {script}"))
            .env("TMPDIR", &temporary)
            .stdin(std::process::Stdio::null());
        place::Ran::of(command.output().unwrap())
    };
    let left = || std::fs::read_dir(&temporary).unwrap().count();
    edit("s/x/x/").ends_with(0).says("no change");
    assert_eq!(left(), 0);
    edit("s/network_policies/network/")
        .ends_with(1)
        .says("worker.yaml:2:1")
        .says("nothing was changed");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), POLICY);
    assert_eq!(left(), 1, "the text is kept");
    edit("s/mine/ours/")
        .ends_with(0)
        .prints("generation 4 in force after");
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        POLICY.replace("mine", "ours")
    );
    assert_eq!(left(), 1);
}

#[test]
fn learn_drafts_from_every_audit_file_and_applies_nothing() {
    need_root!();
    let (place, path) = worker();
    std::fs::create_dir_all(place.path("data/audit")).unwrap();
    let line = |day: u8, method: &str, path: &str| {
        let event = Event {
            time: format!("2026-01-0{day}T00:00:00Z"),
            sandbox: "worker".into(),
            kind: "http".into(),
            host: "api.github.com".into(),
            port: 443,
            method: Some(method.into()),
            path: Some(path.into()),
            verdict: "deny".into(),
            ..Event::default()
        };
        event_line(&event, Link::FIRST).unwrap() + "\n"
    };
    place.write("data/audit/worker.jsonl.1", &line(1, "PUT", "/old"));
    place.write(
        "data/audit/worker.jsonl",
        &(line(2, "PUT", "/new") + &line(3, "GET", "/x")),
    );
    let ran = place.run(&["policy", "learn", "worker"]);
    ran.ends_with(0)
        .prints("method: PUT, path: \"/old\" } # once, last 2026-01-01")
        .prints("method: PUT, path: \"/new\" }");
    Policy::load(&Source::text("draft", &ran.out)).unwrap();
    let ran = place.run(&[
        "policy",
        "learn",
        "worker",
        "--since",
        "2026-01-02T00:00:00Z",
    ]);
    assert!(!ran.ends_with(0).out.contains("/old") && ran.out.contains("/new"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), POLICY);
    place.write("data/audit/worker.jsonl", "{}\n");
    place
        .run(&["policy", "learn", "worker"])
        .ends_with(1)
        .says("was changed")
        .says("audit verify worker");
}
