//! Files as engines, packages and people write them, with our runtimes put in and taken out.

use std::path::{Path, PathBuf};

use super::*;

/// A sample, and the engine that reads it.
const SAMPLES: [(Engine, &str); 11] = [
    (Engine::Docker, "daemon-nvidia.json"),
    (Engine::Docker, "daemon-one-line.json"),
    (Engine::Docker, "daemon-tabs.json"),
    (Engine::Containerd, "containerd-1.6-default.toml"),
    (Engine::Containerd, "containerd-1.7-systemd.toml"),
    (Engine::Containerd, "containerd-2-version-3.toml"),
    (Engine::Containerd, "containerd-debian.toml"),
    (Engine::Containerd, "containerd-of-docker.toml"),
    (Engine::Containerd, "containerd-version-1.toml"),
    (Engine::Crio, "crio.toml"),
    (Engine::Podman, "containers.toml"),
];

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines");
    std::fs::read_to_string(path.join(name)).unwrap()
}

fn two(engine: Engine) -> Vec<Runtime> {
    let strict = if engine.passes_arguments() {
        ("/usr/local/bin/nemoclaw-runtime", Some("strict".to_owned()))
    } else {
        ("/usr/local/bin/nemoclaw-runtime.strict", None)
    };
    vec![
        Runtime {
            name: "nemoclaw".to_owned(),
            program: "/usr/local/bin/nemoclaw-runtime".into(),
            policy: None,
        },
        Runtime {
            name: "nemoclaw-strict".to_owned(),
            program: strict.0.into(),
            policy: strict.1,
        },
    ]
}

fn names(runtimes: &[Runtime]) -> Vec<String> {
    runtimes
        .iter()
        .map(|runtime| runtime.name.clone())
        .collect()
}

#[test]
fn what_is_registered_is_found_again_and_nothing_else_changes() {
    for (engine, name) in SAMPLES {
        let old = sample(name);
        let new = engine.register(&old, &two(engine)).unwrap();
        assert_eq!(engine.ours(&new).unwrap(), two(engine), "{name}:\n{new}");
        // A line of JSON may gain a comma.
        let difference = diff::lines(&old, &new);
        for gone in difference.lines().filter(|line| line.starts_with("- ")) {
            assert_eq!(engine, Engine::Docker, "{name}:\n{difference}");
            let kept = format!("+ {},", &gone[2..]);
            assert!(
                difference.contains(&kept) || old.lines().count() == 1,
                "{name}:\n{difference}"
            );
        }
    }
}

#[test]
fn registering_twice_changes_nothing_and_unregistering_restores_every_byte() {
    for (engine, name) in SAMPLES {
        let old = sample(name);
        let runtimes = two(engine);
        let once = engine.register(&old, &runtimes).unwrap();
        assert_ne!(once, old);
        assert_eq!(engine.register(&once, &runtimes).unwrap(), once, "{name}");
        let gone = engine.unregister(&once, &names(&runtimes)).unwrap();
        assert_eq!(gone, old, "{name}");
        assert_eq!(engine.unregister(&old, &names(&runtimes)).unwrap(), old);
    }
}

#[test]
fn one_of_two_can_go_and_the_other_stays() {
    for (engine, name) in SAMPLES {
        let both = engine.register(&sample(name), &two(engine)).unwrap();
        let one = engine.unregister(&both, &["nemoclaw".to_owned()]).unwrap();
        assert_eq!(engine.ours(&one).unwrap(), two(engine)[1..], "{name}");
        let only = engine.register(&sample(name), &two(engine)[1..]).unwrap();
        assert_eq!(one, only, "{name}");
    }
}

#[test]
fn an_edit_by_hand_between_the_two_stays() {
    for (engine, name) in SAMPLES {
        let (old, runtimes) = (sample(name), two(engine));
        let new = engine.register(&old, &runtimes).unwrap();
        let edit = |text: &str| {
            text.replace("overlay", "btrfs")
                .replace("local\"", "syslog\"")
        };
        let gone = engine.unregister(&edit(&new), &names(&runtimes)).unwrap();
        assert_eq!(gone, edit(&old), "{name}");
    }
}

#[test]
fn containerd_s_tables_are_those_of_the_file_s_version() {
    let table = |name: &str| {
        let text = Engine::Containerd
            .register(&sample(name), &two(Engine::Containerd))
            .unwrap();
        let line = text.lines().map(str::trim);
        let mut headers = line.filter(|line| line.starts_with('[') && line.contains("nemoclaw]"));
        headers.next().unwrap().to_owned()
    };
    assert_eq!(
        table("containerd-version-1.toml"),
        "[plugins.cri.containerd.runtimes.nemoclaw]"
    );
    assert_eq!(
        table("containerd-1.7-systemd.toml"),
        "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nemoclaw]"
    );
    assert_eq!(
        table("containerd-2-version-3.toml").replace('\'', "\""),
        "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.nemoclaw]"
    );
}

#[test]
fn a_new_containerd_runtime_has_the_cgroup_driver_of_the_others() {
    let driver = |name: &str| {
        let text = Engine::Containerd
            .register(&sample(name), &two(Engine::Containerd)[..1])
            .unwrap();
        let from = text.find("runtimes.nemoclaw.options]").unwrap();
        let table = text[from..].lines().skip(1);
        let mut keys = table.take_while(|line| !line.trim().starts_with('['));
        keys.find_map(|line| {
            line.trim()
                .strip_prefix("SystemdCgroup = ")
                .map(str::to_owned)
        })
    };
    assert_eq!(
        driver("containerd-1.6-default.toml").as_deref(),
        Some("false")
    );
    assert_eq!(
        driver("containerd-1.7-systemd.toml").as_deref(),
        Some("true")
    );
    assert_eq!(driver("containerd-version-1.toml").as_deref(), Some("true"));
    assert_eq!(driver("containerd-debian.toml"), None);
}

#[test]
fn new_lines_stand_as_their_neighbours_do() {
    let text = Engine::Containerd
        .register(
            &sample("containerd-1.7-systemd.toml"),
            &two(Engine::Containerd)[..1],
        )
        .unwrap();
    assert!(
        text.contains(
            "
      [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nemoclaw]
        runtime_type = \"io.containerd.runc.v2\"
        pod_annotations = [\"nemoclaw.dev/*\"]

        [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nemoclaw.options]
          BinaryName = \"/usr/local/bin/nemoclaw-runtime\"
          SystemdCgroup = true
"
        ),
        "{text}"
    );
    let text = Engine::Podman
        .register(&sample("containers.toml"), &two(Engine::Podman)[..1])
        .unwrap();
    assert!(
        text.contains(
            "  runsc = [\"/usr/bin/runsc\"]\n  nemoclaw = [\"/usr/local/bin/nemoclaw-runtime\"]\n"
        ),
        "{text}"
    );
    let text = Engine::Docker
        .register(&sample("daemon-tabs.json"), &two(Engine::Docker)[1..])
        .unwrap();
    assert!(
        text.ends_with(
            "\t],\n\t\"runtimes\": {\n\t\t\"nemoclaw-strict\": {\n\t\t\t\"path\": \"/usr/local/bin/nemoclaw-runtime\",\n\
             \t\t\t\"runtimeArgs\": [\"--policy\", \"strict\"]\n\t\t}\n\t}\n}\n"
        ),
        "{text}"
    );
}

#[test]
fn a_file_that_is_not_there_gets_what_the_engine_needs() {
    let text = |engine: Engine| engine.register("", &two(engine)[..1]).unwrap();
    assert_eq!(
        text(Engine::Docker),
        "{\n  \"runtimes\": {\n    \"nemoclaw\": {\n      \"path\": \"/usr/local/bin/nemoclaw-runtime\"\n    }\n  }\n}\n"
    );
    assert_eq!(
        text(Engine::Containerd),
        "version = 2

[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nemoclaw]
runtime_type = \"io.containerd.runc.v2\"
pod_annotations = [\"nemoclaw.dev/*\"]

[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.nemoclaw.options]
BinaryName = \"/usr/local/bin/nemoclaw-runtime\"
"
    );
    assert_eq!(
        text(Engine::Podman),
        "[engine.runtimes]\nnemoclaw = [\"/usr/local/bin/nemoclaw-runtime\"]\n"
    );
    assert_eq!(
        text(Engine::Crio),
        "[crio.runtime.runtimes.nemoclaw]\nruntime_path = \"/usr/local/bin/nemoclaw-runtime\"\nruntime_type = \"oci\"\nruntime_root = \"/run/nemoclaw/crio\"\n"
    );
}

#[test]
fn the_examples_that_are_installed_need_no_change() {
    for (engine, name) in [
        (Engine::Docker, "docker/daemon.example.json"),
        (Engine::Containerd, "containerd/containerd.example.toml"),
        (Engine::Podman, "podman/containers.example.conf"),
        (Engine::Crio, "crio/50-nemoclaw.example.conf"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(engine.ours(&text).unwrap(), two(engine), "{name}");
        assert_eq!(
            engine.register(&text, &two(engine)).unwrap(),
            text,
            "{name}"
        );
    }
}

#[test]
fn what_a_person_added_to_our_runtime_stays() {
    let docker = "{\"runtimes\":{\"nemoclaw\":{\"path\":\"/old/nemoclaw-runtime\",\"runtimeArgs\":[\"--debug\",\"--policy\",\"dev\"]}}}";
    let mut wanted = two(Engine::Docker)[..1].to_vec();
    assert_eq!(
        Engine::Docker.register(docker, &wanted).unwrap(),
        docker.replace("/old/", "/usr/local/bin/")
    );
    wanted[0].policy = Some("strict".to_owned());
    assert_eq!(
        Engine::Docker.register(docker, &wanted).unwrap(),
        docker.replace("/old/", "/usr/local/bin/").replace(
            "[\"--debug\",\"--policy\",\"dev\"]",
            "[\"--debug\", \"--policy\", \"strict\"]"
        )
    );
    let containerd = Engine::Containerd;
    let text = containerd
        .register(&sample("containerd-1.7-systemd.toml"), &two(containerd))
        .unwrap()
        .replace(
            "[\"nemoclaw.dev/*\"]",
            "[\"nemoclaw.dev/*\", \"example.org/x\"]",
        )
        .replace(
            "BinaryName = \"/usr/local/bin/nemoclaw",
            "IoUid = 7 # mine\nBinaryName = \"/old/nemoclaw",
        );
    let again = containerd.register(&text, &two(containerd)).unwrap();
    assert_eq!(again, text.replace("/old/", "/usr/local/bin/"));
}

#[test]
fn a_runtime_in_one_line_stays_in_one_line() {
    let old = "version = 2\nplugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes = { runc = { runtime_type = \"x\", options = { SystemdCgroup = true } } }\n";
    let engine = Engine::Containerd;
    let new = engine.register(old, &two(engine)[..1]).unwrap();
    assert_eq!(new.lines().count(), 2, "{new}");
    assert_eq!(engine.ours(&new).unwrap(), two(engine)[..1]);
    assert!(new.matches("SystemdCgroup = true").count() == 2, "{new}");
    assert_eq!(
        engine.unregister(&new, &["nemoclaw".to_owned()]).unwrap(),
        old
    );
}

#[test]
fn another_s_runtime_with_the_name_is_left_alone() {
    for (engine, name, taken, program) in [
        (
            Engine::Docker,
            "daemon-one-line.json",
            "runc2",
            "/usr/bin/runc",
        ),
        (
            Engine::Containerd,
            "containerd-1.7-systemd.toml",
            "nvidia",
            "/usr/bin/nvidia-container-runtime",
        ),
        (Engine::Crio, "crio.toml", "crun", "/usr/bin/crun"),
        (Engine::Podman, "containers.toml", "runsc", "/usr/bin/runsc"),
    ] {
        let mut wanted = two(engine);
        wanted[1].name = taken.to_owned();
        let error = engine.register(&sample(name), &wanted).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("there is a runtime `{taken}` already, with the program `{program}`")
        );
        assert_eq!(engine.ours(&sample(name)).unwrap(), [], "{name}");
    }
}

#[test]
fn the_default_runtime_cannot_go() {
    let names = ["nemoclaw".to_owned()];
    for (engine, key, text) in [
        (
            Engine::Docker,
            "default-runtime",
            "{\"default-runtime\":\"nemoclaw\",\"runtimes\":{\"nemoclaw\":{\"path\":\"/x\"}}}",
        ),
        (
            Engine::Containerd,
            "default_runtime_name",
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"nemoclaw\"\n",
        ),
        (
            Engine::Podman,
            "runtime",
            "[engine]\nruntime = \"nemoclaw\"\n",
        ),
        (
            Engine::Crio,
            "default_runtime",
            "[crio.runtime]\ndefault_runtime = \"nemoclaw\"\n",
        ),
    ] {
        let error = engine.unregister(text, &names).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{key}` is `nemoclaw`, and the engine would not start without it")
        );
    }
}

#[test]
fn a_fault_is_told_with_line_and_column() {
    for (engine, text, place, words) in [
        (
            Engine::Docker,
            "{\n  \"a\": 1,\n}",
            "3:1",
            "no JSON: trailing comma",
        ),
        (Engine::Docker, "{\"a\": ", "1:6", "no JSON: EOF"),
        (Engine::Docker, " []", "1:2", "`the file` is no object"),
        (
            Engine::Docker,
            "{\n  \"é\": 0, \"runtimes\": 1\n}",
            "2:23",
            "`runtimes` is no object",
        ),
        (
            Engine::Docker,
            "{\"runtimes\": {\"x\":\n 2}}",
            "2:2",
            "`runtimes.x` is no object",
        ),
        (Engine::Containerd, "version = 2\na b\n", "2:3", "no TOML"),
        (
            Engine::Containerd,
            "version = 2\n[plugins]\n  \"io.containerd.grpc.v1.cri\" = 3\n",
            "3:33",
            "`plugins.io.containerd.grpc.v1.cri` is no table",
        ),
        (
            Engine::Containerd,
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes]\nnemoclaw = \"x\"\n",
            "3:12",
            "runtimes.nemoclaw` is no table",
        ),
        (
            Engine::Containerd,
            "\nversion = 9\n",
            "2:11",
            "`version = 9` is newer",
        ),
        (
            Engine::Containerd,
            "version = \"2\"\n",
            "1:11",
            "`version` is no number",
        ),
        (
            Engine::Podman,
            "[engine.runtimes]\nkata = \"/usr/bin/kata\"\n",
            "2:8",
            "`engine.runtimes.kata` is no list of paths",
        ),
        (Engine::Crio, "[crio\n", "1:6", "no TOML"),
    ] {
        let error = engine.register(text, &two(engine)).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(words), "{text:?}: {said}");
        let at = error.place().unwrap().to_string();
        assert_eq!(at, place, "{text:?}: {said}");
    }
}

#[test]
fn a_containerd_without_cri_is_told() {
    let says = |name: &str| {
        Engine::Containerd
            .obstacle(&sample(name))
            .unwrap()
            .is_some()
    };
    assert!(says("containerd-of-docker.toml"));
    assert!(!says("containerd-1.6-default.toml"));
}

#[test]
fn ours_is_told_by_its_program() {
    let ours = |program: &str| is_our_program(&PathBuf::from(program));
    assert!(ours("/opt/nemoclaw/bin/nemoclaw-runtime"));
    assert!(ours("/usr/bin/nemoclaw-runtime.strict"));
    assert!(!ours("/usr/bin/nemoclaw-runtimes"));
    assert!(!ours("/usr/bin/runc"));
    assert!(!ours(""));
}
