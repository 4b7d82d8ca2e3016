//! The installer's scripts on a directory that stands for a node.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::folder;
use crate::place::{BINARY, Place, Ran};

const CONTAINERD: &str =
    "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  enable_cdi = true # mine\n";

/// A node's directories, and the image's.
struct Node {
    place: Place,
}

impl Node {
    fn new() -> Node {
        let node = Node {
            place: Place::new(),
        };
        for name in [
            "image/bin",
            "image/config",
            "image/policies",
            "bin",
            "etc",
            "engine",
        ] {
            std::fs::create_dir_all(node.place.path(name)).unwrap();
        }
        std::fs::copy(BINARY, node.place.path("image/bin/nemoclaw")).unwrap();
        for name in ["nemoclaw-runtime", "nemoclaw-egress", "nemoclaw-router"] {
            let path = node
                .place
                .write(&format!("image/bin/{name}"), "#!/bin/sh\n");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let script = folder().join("image/policies.sh");
        std::fs::copy(script, node.place.path("image/policies.sh")).unwrap();
        node.config("version: 1\n");
        node.place.write("engine/config.toml", CONTAINERD);
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The node's configuration in the ConfigMap.
    fn config(&self, text: &str) {
        let policies = self.path("etc/policies");
        let text = format!("{text}policy_dir: {}\n", policies.display());
        self.place.write("image/config/config.yaml", &text);
    }

    fn run(&self, script: &str, runtimes: &str) -> Ran {
        let mut command = Command::new("sh");
        command
            .arg(folder().join("image").join(script))
            .env("FROM", self.path("image"))
            .env("BIN", self.path("bin"))
            .env("ETC", self.path("etc"))
            .env("CONFIG", self.path("engine/config.toml"))
            .env("RUNTIMES", runtimes)
            .env(
                "RESTART",
                format!("touch {}", self.path("restarted").display()),
            )
            .env_remove("NEMOCLAW_RUNTIME")
            .env_remove("NEMOCLAW_CONFIG");
        Ran::of(command.output().unwrap())
    }

    /// Whether the engine was restarted since the last question.
    fn was_restarted(&self) -> bool {
        std::fs::remove_file(self.path("restarted")).is_ok()
    }
}

#[test]
fn installing_registers_every_runtime_and_restarts_the_engine_once() {
    let node = Node::new();
    node.place
        .write("image/policies/research.yaml", "version: 1\n");
    let runtimes = "nemoclaw nemoclaw-strict=strict nemoclaw-research=research";
    node.run("install.sh", runtimes).ends_with(0);
    assert!(node.was_restarted());
    let file = node.text("engine/config.toml");
    let program = node.path("bin/nemoclaw-runtime");
    for end in ["", ".strict", ".research"] {
        let line = format!("BinaryName = \"{}{end}\"", program.display());
        assert!(file.contains(&line), "{line}: {file}");
        let own = PathBuf::from(format!("{}{end}", program.display()));
        assert_eq!(
            std::fs::metadata(own).unwrap().permissions().mode() & 0o777,
            0o755
        );
    }
    assert!(file.starts_with(CONTAINERD));
    assert_eq!(node.text("etc/policies/research.yaml"), "version: 1\n");
    // A pod that is started again changes nothing.
    node.run("install.sh", runtimes).ends_with(0);
    assert!(!node.was_restarted());
    assert_eq!(node.text("engine/config.toml"), file);
}

#[test]
fn uninstalling_leaves_the_engine_s_file_as_it_was_and_the_policies_there() {
    let node = Node::new();
    node.place
        .write("image/policies/research.yaml", "version: 1\n");
    node.run("install.sh", "nemoclaw=research").ends_with(0);
    assert!(node.was_restarted());
    node.run("uninstall.sh", "").ends_with(0);
    assert!(node.was_restarted());
    assert_eq!(node.text("engine/config.toml"), CONTAINERD);
    assert_eq!(std::fs::read_dir(node.path("bin")).unwrap().count(), 0);
    assert!(node.path("etc/policies/research.yaml").exists());
    node.run("uninstall.sh", "").ends_with(0);
    assert!(!node.was_restarted());
}

#[test]
fn an_unknown_policy_stops_the_installer_and_leaves_the_engine_alone() {
    let node = Node::new();
    node.run("install.sh", "nemoclaw=nowhere")
        .ends_with(1)
        .says("there is no policy named `nowhere`");
    assert!(!node.was_restarted());
    assert_eq!(node.text("engine/config.toml"), CONTAINERD);
}

#[test]
fn policies_follow_the_config_map_and_a_faulty_one_is_left_out() {
    let node = Node::new();
    node.run("install.sh", "nemoclaw").ends_with(0);
    let own = "version: 1\n# put here by a person\n";
    node.place.write("etc/policies/own.yaml", own);
    node.place.write("image/policies/a.yaml", "version: 1\n");
    node.place
        .write("image/policies/b.yaml", "version: 1\nnetwork: bad\n");
    node.run("policies.sh", "")
        .ends_with(0)
        .prints("a.yaml is new")
        .says("b.yaml.new:2:1")
        .says("b.yaml stays as it is");
    assert!(!node.path("etc/policies/b.yaml").exists());
    // A fault is told once, not every five seconds.
    assert_eq!(node.run("policies.sh", "").err, "");
    let better = "version: 1\n# better\n";
    node.place.write("image/policies/b.yaml", better);
    node.place.write("image/policies/a.yaml", "version: 2\n");
    node.run("policies.sh", "")
        .ends_with(0)
        .prints("b.yaml is new");
    assert_eq!(node.text("etc/policies/b.yaml"), better);
    assert_eq!(node.text("etc/policies/a.yaml"), "version: 1\n");
    std::fs::remove_file(node.path("image/policies/b.yaml")).unwrap();
    node.run("policies.sh", "")
        .ends_with(0)
        .prints("b.yaml is gone");
    assert!(!node.path("etc/policies/b.yaml").exists());
    assert_eq!(node.text("etc/policies/own.yaml"), own);
}

#[test]
fn a_faulty_configuration_never_takes_the_place_of_a_good_one() {
    let node = Node::new();
    node.run("install.sh", "nemoclaw").ends_with(0);
    let good = node.text("etc/config.yaml");
    node.config("version: 1\nselectable: [{ name: dev, namespaces: [] }]\n");
    node.run("policies.sh", "")
        .ends_with(0)
        .says("nobody could choose it");
    assert_eq!(node.text("etc/config.yaml"), good);
    node.config("version: 1\nselectable: [{ name: dev, namespaces: [build] }]\n");
    node.run("policies.sh", "")
        .ends_with(0)
        .prints("config.yaml is new");
    assert_ne!(node.text("etc/config.yaml"), good);
}
