//! The command as people call it: the built binary, temporary files, exit codes, and what is on which stream.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_nemoclaw");

/// A machine of its own: configuration, state and data in a temporary directory.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory };
        let (state, data) = (place.path("run"), place.path("data"));
        place.write(
            "config.yaml",
            &format!(
                "version: 1\nstate_dir: {}\ndata_dir: {}\n",
                state.display(),
                data.display()
            ),
        );
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(arguments)
            .env("NEMOCLAW_CONFIG", self.path("config.yaml"))
            .env("NEMOCLAW_RUNTIME", "/bin/true");
        command.current_dir(self.directory.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }
}

/// What came of a call.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.out,
            self.err
        );
        self
    }

    #[track_caller]
    fn says(&self, words: &str) -> &Self {
        assert!(
            self.err.contains(words),
            "{words:?} is not in stderr: {}",
            self.err
        );
        self
    }

    #[track_caller]
    fn prints(&self, words: &str) -> &Self {
        assert!(
            self.out.contains(words),
            "{words:?} is not in stdout: {}",
            self.out
        );
        self
    }
}

fn root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Verbs that read sandboxes need root; elsewhere these tests say that they are left out.
macro_rules! need_root {
    () => {
        if !root() {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "CI must run as root"
            );
            eprintln!("skipped: needs root");
            return;
        }
    };
}

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

const DAEMON: &str = "{\n    \"storage-driver\": \"overlay2\",\n    \"debug\": false\n}\n";

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    let place = Place::new();
    let file = place.write("daemon.json", DAEMON);
    let ran = place.run(&["register", "docker", "--config", "daemon.json", "--dry-run"]);
    ran.ends_with(0)
        .prints("+     \"runtimes\": {")
        .prints("+             \"path\": \"/bin/true\"");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), DAEMON);
    assert_eq!(
        std::fs::read_dir(place.directory.path()).unwrap().count(),
        2
    );
}

#[test]
fn registering_keeps_what_was_there_and_unregistering_brings_it_back() {
    let place = Place::new();
    let file = place.write("daemon.json", DAEMON);
    let call = |verb: &str| place.run(&[verb, "docker", "--config", "daemon.json"]);
    call("register").ends_with(0).says("kill -HUP");
    let value: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(value["runtimes"]["nemoclaw"]["path"], "/bin/true");
    assert_eq!(value["storage-driver"], "overlay2");
    assert_eq!(
        std::fs::read_to_string(place.path("daemon.json.before-nemoclaw")).unwrap(),
        DAEMON
    );
    call("register").ends_with(0).says("needs no change");
    call("unregister").ends_with(0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), DAEMON);
}

#[test]
fn a_daemon_json_that_is_broken_is_left_alone() {
    let place = Place::new();
    let file = place.write("daemon.json", "{ \"debug\": ");
    place
        .run(&["register", "docker", "--config", "daemon.json"])
        .ends_with(1)
        .says("caused by: the file is not JSON");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{ \"debug\": ");
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
    let verbs: [&[&str]; 16] = [
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
        &["router", "status"],
        &["register", "docker"],
        &["unregister", "docker"],
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
        format!(
            "{{\"time\":\"t\",\"sandbox\":\"w\",\"kind\":\"http\",\"host\":\"a.example\",\"port\":443,\"method\":\"POST\",\"path\":\"/x\",\"verdict\":\"{verdict}\",\"reason\":\"no rule\",\"generation\":1,\"bytes_out\":0,\"bytes_in\":0}}\n"
        )
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
