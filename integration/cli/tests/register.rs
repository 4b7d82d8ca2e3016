//! `register` and `unregister` as people call them: files, links, what is said, and what real engines think of it.

#![allow(
    clippy::unwrap_used,
    reason = "a broken precondition must end the test with its reason"
)]

mod place;

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use place::{Place, Ran};
use serde_json::Value;

const DAEMON: &str = "{\n    \"storage-driver\": \"overlay2\",\n    \"debug\": false\n}\n";
const ENGINES: [(&str, &str); 4] = [
    ("docker", "daemon-tabs.json"),
    ("containerd", "containerd-1.6-default.toml"),
    ("podman", "containers.toml"),
    ("crio", "crio.toml"),
];

/// A place with a runtime that can be linked to, and an engine's file.
struct Node {
    place: Place,
    file: PathBuf,
}

impl Node {
    fn with(text: Option<&str>) -> Self {
        let place = Place::new();
        std::fs::create_dir(place.path("bin")).unwrap();
        let program = place.write("bin/nemoclaw-runtime", "#!/bin/sh\n");
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let file = place.path("engine.conf");
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        Self { place, file }
    }

    fn call(&self, words: &[&str]) -> Ran {
        let mut command = self.place.command(words);
        command.env("NEMOCLAW_RUNTIME", self.place.path("bin/nemoclaw-runtime"));
        if words.first().is_some_and(|verb| verb.contains("register")) {
            command.arg("--config").arg(&self.file);
        }
        Ran::of(command.output().unwrap())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    /// Everything in the place, by name.
    fn everything(&self) -> Vec<String> {
        let list = |name: &str| {
            let entries = std::fs::read_dir(self.place.path(name)).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name());
            names.map(|name| name.to_string_lossy().into_owned())
        };
        let mut all: Vec<String> = list("").chain(list("bin")).collect();
        all.sort();
        all
    }
}

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines");
    std::fs::read_to_string(path.join(name)).unwrap()
}

#[test]
fn a_dry_run_shows_the_difference_and_writes_nothing() {
    for (engine, name) in ENGINES {
        let node = Node::with(Some(&sample(name)));
        let before = node.everything();
        let ran = node.call(&[
            "register",
            engine,
            "--runtime",
            "nemoclaw-strict=strict",
            "--dry-run",
        ]);
        ran.ends_with(0).prints("nemoclaw-strict").prints("+ ");
        if engine == "docker" {
            ran.prints("+ \t\t\t\"runtimeArgs\": [\"--policy\", \"strict\"]");
        } else {
            ran.prints("+ link ")
                .prints("nemoclaw-runtime.strict -> nemoclaw-runtime");
        }
        assert_eq!(node.text(), sample(name));
        assert_eq!(node.everything(), before);
    }
}

#[test]
fn registering_and_unregistering_leaves_every_byte_as_it_was() {
    for (engine, name) in ENGINES {
        let node = Node::with(Some(&sample(name)));
        let before = node.everything();
        let words = [
            "register",
            engine,
            "--runtime",
            "nemoclaw",
            "--runtime",
            "nemoclaw-strict=strict",
        ];
        node.call(&words).ends_with(0).says("written");
        let registered = node.text();
        assert_ne!(registered, sample(name));
        node.call(&words).ends_with(0).says("needs no change");
        assert_eq!(node.text(), registered);
        assert_eq!(
            std::fs::read_to_string(node.place.path("engine.conf.before-nemoclaw")).unwrap(),
            sample(name)
        );
        let link = node.place.path("bin/nemoclaw-runtime.strict");
        assert_eq!(link.is_symlink(), engine != "docker", "{engine}");
        node.call(&["unregister", engine]).ends_with(0);
        assert_eq!(node.text(), sample(name));
        assert_eq!(node.everything(), before);
        node.call(&["unregister", engine])
            .ends_with(0)
            .says("needs no change");
    }
}

#[test]
fn a_file_that_was_not_there_goes_again() {
    for (engine, _) in ENGINES {
        let node = Node::with(None);
        node.call(&["register", engine])
            .ends_with(0)
            .says("written");
        node.call(&["unregister", engine])
            .ends_with(0)
            .says("removed");
        assert!(!node.file.exists(), "{engine}");
    }
}

#[test]
fn odd_files_come_back_to_the_byte() {
    for (engine, text) in [
        ("docker", ""),
        ("docker", "{ }"),
        ("docker", "{\"runtimes\": {\n}}"),
        ("containerd", "version = 2\r\n\r\n[plugins]\r\n"),
        ("containerd", "version = 2\n[plugins]\n  # no end of line"),
        ("podman", "# only a comment\n"),
        ("crio", ""),
    ] {
        let node = Node::with(Some(text));
        node.call(&["register", engine]).ends_with(0);
        assert_ne!(node.text(), text);
        node.call(&["unregister", engine]).ends_with(0);
        assert_eq!(node.text(), text, "{engine}");
        assert!(!node.place.path("engine.conf.before-nemoclaw").exists());
    }
}

#[test]
fn two_registrations_are_undone_one_by_one() {
    let node = Node::with(Some(DAEMON));
    node.call(&["register", "docker"]).ends_with(0);
    node.call(&["register", "docker", "--runtime", "nemoclaw-dev=dev"])
        .ends_with(0);
    let value: Value = serde_json::from_str(&node.text()).unwrap();
    assert_eq!(value["runtimes"]["nemoclaw-dev"]["runtimeArgs"][1], "dev");
    // The kept text is the first one, from before both.
    node.call(&["unregister", "docker", "--runtime", "nemoclaw"])
        .ends_with(0);
    let value: Value = serde_json::from_str(&node.text()).unwrap();
    assert!(value["runtimes"]["nemoclaw"].is_null(), "{value}");
    assert_eq!(value["storage-driver"], "overlay2");
    node.call(&["unregister", "docker"]).ends_with(0);
    assert_eq!(node.text(), DAEMON);
}

#[test]
fn a_runtime_keeps_its_policy_when_none_is_named() {
    for (engine, name) in ENGINES {
        let node = Node::with(Some(&sample(name)));
        node.call(&["register", engine, "--runtime", "nemoclaw=offline"])
            .ends_with(0);
        let registered = node.text();
        node.call(&["register", engine])
            .ends_with(0)
            .says("needs no change");
        assert_eq!(node.text(), registered);
    }
}

#[test]
fn owner_mode_and_link_of_the_file_stay() {
    let node = Node::with(None);
    let real = node.place.write("real.json", DAEMON);
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
    if place::root() {
        std::os::unix::fs::chown(&real, Some(7), Some(9)).unwrap();
    }
    symlink("real.json", &node.file).unwrap();
    let before = std::fs::metadata(&real).unwrap();
    node.call(&["register", "docker"]).ends_with(0);
    assert!(node.file.is_symlink());
    let after = std::fs::metadata(&real).unwrap();
    assert_eq!(after.mode(), before.mode());
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    let kept = std::fs::metadata(node.place.path("real.json.before-nemoclaw")).unwrap();
    assert_eq!(
        (kept.mode(), kept.uid(), kept.gid()),
        (before.mode(), before.uid(), before.gid())
    );
    // Replaced, not written to: who has it open reads the old text to its end.
    assert_ne!(after.ino(), before.ino());
}

#[test]
fn a_broken_file_is_named_with_the_place_and_left_alone() {
    for (engine, text, place) in [
        ("docker", "{\n  \"debug\": ,\n}", ":2:12`"),
        ("containerd", "version = 2\n[plugins\n", ":2:9`"),
        ("podman", "[engine]\nruntimes = 1\n", ":2:12`"),
        ("crio", "[crio.runtime]\nruntimes = []\n", ":2:12`"),
    ] {
        let node = Node::with(Some(text));
        let before = node.everything();
        let words = ["register", engine, "--runtime", "nemoclaw-strict=strict"];
        node.call(&words)
            .ends_with(1)
            .says(&format!("cannot edit `{}{place}", node.file.display()));
        node.call(&["unregister", engine]).ends_with(1).says(place);
        assert_eq!(node.text(), text);
        assert_eq!(node.everything(), before);
    }
}

#[test]
fn what_cannot_be_done_leaves_nothing_half_made() {
    // The file cannot be written, since its directory is a file; the link must go again.
    let node = Node::with(Some("x"));
    let inside = node.file.join("config.toml");
    let mut command = node
        .place
        .command(&["register", "containerd", "--runtime", "a=strict"]);
    command
        .env("NEMOCLAW_RUNTIME", node.place.path("bin/nemoclaw-runtime"))
        .arg("--config")
        .arg(&inside);
    Ran::of(command.output().unwrap())
        .ends_with(1)
        .says("config.toml`");
    assert!(!node.place.path("bin/nemoclaw-runtime.strict").is_symlink());
    // Something else stands where the second of two links would be.
    let node = Node::with(Some(&sample("containerd-debian.toml")));
    node.place.write("bin/nemoclaw-runtime.strict", "mine");
    let words = [
        "register",
        "containerd",
        "--runtime",
        "a=offline",
        "--runtime",
        "b=strict",
    ];
    node.call(&words)
        .ends_with(1)
        .says("is there, and is no link to `nemoclaw-runtime`");
    assert!(!node.place.path("bin/nemoclaw-runtime.offline").is_symlink());
    assert_eq!(node.text(), sample("containerd-debian.toml"));
}

#[test]
fn a_policy_that_this_node_does_not_have_is_refused_before_anything_is_written() {
    for (engine, name) in ENGINES {
        let node = Node::with(Some(&sample(name)));
        node.call(&["register", engine, "--runtime", "x=no-such-policy"])
            .ends_with(1)
            .says("runtime `x` cannot have the policy `no-such-policy`");
        node.call(&["register", engine, "--runtime", "x=unconfined"])
            .ends_with(1)
            .says("selectable");
        node.call(&[
            "register",
            engine,
            "--runtime",
            "x",
            "--runtime",
            "x=strict",
        ])
        .ends_with(1)
        .says("given twice");
        assert_eq!(node.text(), sample(name));
    }
    let node = Node::with(Some(DAEMON));
    let policy = node.place.write("own.yaml", "version: 1\n");
    node.call(&["register", "docker", "--runtime", "own=./own.yaml"])
        .ends_with(0);
    assert!(
        node.text().contains(policy.to_str().unwrap()),
        "{}",
        node.text()
    );
    let node = Node::with(None);
    node.call(&["register", "crio", "--runtime", "own=./own.yaml"])
        .ends_with(1)
        .says("gives a runtime no arguments");
}

#[test]
fn a_runtime_of_somebody_else_is_not_taken_over() {
    let node = Node::with(Some(&sample("crio.toml")));
    node.call(&["register", "crio", "--runtime", "crun"])
        .ends_with(1)
        .says("there is a runtime `crun` already, with the program `/usr/bin/crun`");
    node.call(&["unregister", "crio", "--runtime", "crun"])
        .ends_with(0)
        .says("needs no change");
    assert_eq!(node.text(), sample("crio.toml"));
}

#[test]
fn a_containerd_without_cri_is_warned_about() {
    let node = Node::with(Some(&sample("containerd-of-docker.toml")));
    node.call(&["register", "containerd"])
        .ends_with(0)
        .says("warning: `disabled_plugins` names the CRI plugin");
}

/// The engine's own program; where it is missing the test is left out, but not in CI.
macro_rules! engine {
    ($name:literal) => {
        match on_path($name) {
            Some(path) => path,
            None => {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "CI needs {}",
                    $name
                );
                eprintln!("skipped: needs {}", $name);
                return;
            }
        }
    };
}

fn on_path(name: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/usr/sbin", "/usr/local/bin"];
    let paths = places.map(|place| Path::new(place).join(name));
    paths.into_iter().find(|path| path.exists())
}

#[test]
fn the_real_containerd_reads_what_was_written() {
    let containerd = engine!("containerd");
    let default = Command::new(&containerd)
        .args(["config", "default"])
        .output()
        .unwrap();
    let default = String::from_utf8(default.stdout).unwrap();
    let files = [
        Some(default),
        Some(sample("containerd-1.6-default.toml")),
        Some(sample("containerd-1.7-systemd.toml").replace("imports = ", "# imports = ")),
        Some(sample("containerd-debian.toml")),
        Some(sample("containerd-version-1.toml")),
        None,
    ];
    for text in files {
        let node = Node::with(text.as_deref());
        let words = [
            "register",
            "containerd",
            "--runtime",
            "nemoclaw",
            "--runtime",
            "nemoclaw-strict=strict",
        ];
        node.call(&words).ends_with(0);
        let mut dump = Command::new(&containerd);
        let dump = Ran::of(
            dump.arg("-c")
                .arg(&node.file)
                .args(["config", "dump"])
                .output()
                .unwrap(),
        );
        dump.ends_with(0);
        let program = node.place.path("bin/nemoclaw-runtime");
        dump.prints("containerd.runtimes.nemoclaw-strict.options]")
            .prints(&format!("BinaryName = \"{}\"", program.display()))
            .prints(&format!("BinaryName = \"{}.strict\"", program.display()))
            .prints("pod_annotations = [\"nemoclaw.dev/*\"]");
        node.call(&["unregister", "containerd"]).ends_with(0);
        assert_eq!(std::fs::read_to_string(&node.file).ok(), text);
    }
}

#[test]
fn the_real_podman_finds_the_runtime() {
    let podman = engine!("podman");
    for text in [None, Some(sample("containers.toml"))] {
        let node = Node::with(text.as_deref());
        node.call(&["register", "podman", "--runtime", "nemoclaw-strict=strict"])
            .ends_with(0);
        let mut info = Command::new(&podman);
        info.arg("--root").arg(node.place.path("root"));
        info.arg("--runroot").arg(node.place.path("runroot"));
        info.args(["--runtime", "nemoclaw-strict", "info"])
            .env("CONTAINERS_CONF", &node.file);
        let ran = Ran::of(info.output().unwrap());
        ran.prints("nemoclaw-runtime.strict");
    }
}
