//! `register kubernetes`: manifests that a cluster would take, and what the installer's scripts do on a node.

#![allow(
    clippy::unwrap_used,
    reason = "a broken precondition must end the test with its reason"
)]

#[path = "../place/mod.rs"]
mod place;
mod scripts;
mod shapes;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use place::{Place, Ran};
use shapes::{
    ConfigMap, Container, DaemonSet, Head, Kustomization, Labels, Namespace, Pod, RuntimeClass,
};

/// `integration/kubernetes`.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kubernetes")
}

fn register(words: &[&str]) -> Ran {
    Place::new().run(&[&["register", "kubernetes"], words].concat())
}

/// Every object of a stream, each read by the strict shape of its kind.
#[derive(Default)]
struct Objects {
    namespaces: Vec<Namespace>,
    config_maps: Vec<ConfigMap>,
    classes: Vec<RuntimeClass>,
    daemons: Vec<DaemonSet>,
}

impl Objects {
    fn read(stream: &str) -> Objects {
        let mut objects = Objects::default();
        for text in stream.split("\n---\n") {
            let head: Head = yaml(text);
            match (head.api_version.as_str(), head.kind.as_str()) {
                ("v1", "Namespace") => objects.namespaces.push(yaml(text)),
                ("v1", "ConfigMap") => objects.config_maps.push(yaml(text)),
                ("node.k8s.io/v1", "RuntimeClass") => objects.classes.push(yaml(text)),
                ("apps/v1", "DaemonSet") => objects.daemons.push(yaml(text)),
                other => panic!("{other:?} is not among what we use: {text}"),
            }
            let metadata = head.metadata.unwrap();
            assert!(is_label(&metadata.name), "{}", metadata.name);
            check_labels(&metadata.labels);
        }
        objects
    }
}

#[track_caller]
fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A DNS label, which names of all our objects are.
fn is_label(name: &str) -> bool {
    let plain = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn check_labels(labels: &Labels) {
    for (key, value) in labels {
        let name = key.rsplit('/').next().unwrap();
        assert!(
            (1..=63).contains(&name.len()) && value.len() <= 63,
            "{key}: {value}"
        );
        let plain = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
        assert!(
            name.chars().all(plain) && value.chars().all(plain),
            "{key}: {value}"
        );
    }
}

/// What the API server would refuse beyond a shape.
fn check_daemon(daemon: &DaemonSet, objects: &Objects) {
    let spec = &daemon.spec;
    for (key, value) in &spec.selector.match_labels {
        assert_eq!(
            spec.template.metadata.labels.get(key),
            Some(value),
            "selector"
        );
    }
    let namespace = daemon.metadata.namespace.as_deref().unwrap();
    let namespaces = &objects.namespaces;
    assert!(namespaces.iter().any(|one| one.metadata.name == namespace));
    let enforced = &namespaces[0].metadata.labels["pod-security.kubernetes.io/enforce"];
    assert_eq!(enforced, "privileged", "or the pods are refused");
    let pod = &spec.template.spec;
    assert!(
        !pod.automount_service_account_token,
        "nothing speaks to the API server"
    );
    let containers: Vec<&Container> = pod.init_containers.iter().chain(&pod.containers).collect();
    let names: BTreeSet<&str> = containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), containers.len(), "container names are unique");
    check_volumes(pod, &containers, objects);
    for container in containers {
        assert!(is_label(&container.name), "{}", container.name);
        assert!(Path::new(&container.command[0]).is_absolute());
        let variables: BTreeSet<&str> = container.env.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(variables.len(), container.env.len());
    }
}

fn check_volumes(pod: &Pod, containers: &[&Container], objects: &Objects) {
    let volumes: BTreeSet<&str> = pod.volumes.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(volumes.len(), pod.volumes.len(), "volume names are unique");
    let mut used = BTreeSet::new();
    for container in containers {
        let mut paths = BTreeSet::new();
        for mount in &container.volume_mounts {
            assert!(
                volumes.contains(mount.name.as_str()),
                "no volume {}",
                mount.name
            );
            assert!(mount.mount_path.starts_with('/') && !mount.mount_path.contains(':'));
            assert!(
                paths.insert(&mount.mount_path),
                "{} twice",
                mount.mount_path
            );
            used.insert(mount.name.as_str());
        }
    }
    assert_eq!(used, volumes, "every volume is mounted");
    for volume in &pod.volumes {
        let sources = [volume.host_path.is_some(), volume.config_map.is_some()];
        assert_eq!(
            sources.iter().filter(|there| **there).count(),
            1,
            "{}",
            volume.name
        );
        if let Some(path) = &volume.host_path {
            // The same path on both sides, so that what is written in files holds on the node.
            let mut mounts = containers.iter().flat_map(|one| &one.volume_mounts);
            assert!(mounts.all(|mount| mount.name != volume.name || mount.mount_path == path.path));
        }
        if let Some(map) = &volume.config_map {
            let mut maps = objects.config_maps.iter();
            assert!(
                maps.any(|one| one.metadata.name == map.name),
                "no ConfigMap {}",
                map.name
            );
        }
    }
}

fn variable<'a>(container: &'a Container, name: &str) -> &'a str {
    let mut all = container.env.iter();
    &all.find(|one| one.name == name).unwrap().value
}

#[test]
fn the_manifests_have_the_shapes_that_kubernetes_publishes() {
    let ran = register(&[]);
    ran.ends_with(0);
    let objects = Objects::read(&ran.out);
    assert_eq!(objects.namespaces.len(), 1);
    assert_eq!(objects.classes.len(), 1);
    assert_eq!(objects.daemons.len(), 1);
    let maps: Vec<&str> = objects
        .config_maps
        .iter()
        .map(|one| one.metadata.name.as_str())
        .collect();
    assert_eq!(maps, ["nemoclaw-config", "nemoclaw-policies"]);
    check_daemon(&objects.daemons[0], &objects);
    let pod = &objects.daemons[0].spec.template.spec;
    assert!(pod.host_pid && pod.host_network);
    let ran = Place::new().run(&["unregister", "kubernetes"]);
    let objects = Objects::read(&ran.out);
    check_daemon(&objects.daemons[0], &objects);
}

#[test]
fn each_runtime_gets_a_class_and_the_installer_its_policy() {
    let words = [
        "--image",
        "hub.example:5000/team/nemoclaw@sha256:ab",
        "--runtime",
        "nemoclaw",
        "--runtime",
        "nemoclaw-strict=strict",
    ];
    let ran = register(&words);
    ran.ends_with(0);
    let objects = Objects::read(&ran.out);
    let classes: Vec<(&str, &str)> = objects
        .classes
        .iter()
        .map(|one| (one.metadata.name.as_str(), one.handler.as_str()))
        .collect();
    assert_eq!(
        classes,
        [
            ("nemoclaw", "nemoclaw"),
            ("nemoclaw-strict", "nemoclaw-strict")
        ]
    );
    check_daemon(&objects.daemons[0], &objects);
    let pod = &objects.daemons[0].spec.template.spec;
    for container in pod.init_containers.iter().chain(&pod.containers) {
        assert_eq!(container.image, "hub.example:5000/team/nemoclaw@sha256:ab");
    }
    let install = &pod.init_containers[0];
    assert_eq!(
        variable(install, "RUNTIMES"),
        "nemoclaw nemoclaw-strict=strict"
    );
    assert_eq!(variable(install, "ENGINE"), "containerd");
}

#[test]
fn nodes_with_cri_o_have_its_directory() {
    for verb in ["register", "unregister"] {
        let ran = Place::new().run(&[verb, "kubernetes", "--engine", "crio"]);
        let objects = Objects::read(&ran.out);
        let pod = &objects.daemons[0].spec.template.spec;
        check_daemon(&objects.daemons[0], &objects);
        assert_eq!(variable(&pod.init_containers[0], "ENGINE"), "crio");
        let mut paths = pod.volumes.iter().filter_map(|one| one.host_path.as_ref());
        assert!(paths.any(|one| one.path == "/etc/crio"));
        assert!(!ran.out.contains("/etc/containerd"));
    }
}

#[test]
fn the_folder_in_the_repository_is_what_the_command_writes() {
    let place = Place::new();
    for (verb, below) in [("register", ""), ("unregister", "uninstall")] {
        let directory = place.path(verb);
        place
            .run(&[
                verb,
                "kubernetes",
                "--directory",
                directory.to_str().unwrap(),
            ])
            .ends_with(0)
            .says("kubectl apply -k");
        let kustomization: Kustomization =
            yaml(&std::fs::read_to_string(directory.join("kustomization.yaml")).unwrap());
        assert_eq!(kustomization.api_version, "kustomize.config.k8s.io/v1beta1");
        assert_eq!(kustomization.kind, "Kustomization");
        let mut written: Vec<String> = std::fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        for name in &written {
            let theirs = std::fs::read_to_string(directory.join(name)).unwrap();
            let ours = std::fs::read_to_string(folder().join(below).join(name)).unwrap();
            assert_eq!(theirs, ours, "{verb}: {name}");
        }
        written.retain(|name| name != "kustomization.yaml");
        written.sort();
        let mut listed = kustomization.resources;
        listed.sort();
        assert_eq!(listed, written);
    }
}

#[test]
fn what_people_edit_is_not_overwritten() {
    let place = Place::new();
    let directory = place.path("deploy");
    let call = |image: &str| {
        let directory = directory.to_str().unwrap();
        place.run(&[
            "register",
            "kubernetes",
            "--directory",
            directory,
            "--image",
            image,
        ])
    };
    call("one:1").ends_with(0);
    std::fs::write(directory.join("policies.yaml"), "# mine\n").unwrap();
    call("two:2")
        .ends_with(0)
        .says("policies.yaml` is kept as it is");
    let text = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    assert_eq!(text("policies.yaml"), "# mine\n");
    assert!(text("daemonset.yaml").contains("image: two:2\n"));
    assert!(!text("daemonset.yaml").contains("one:1"));
}

#[test]
fn what_would_break_a_manifest_is_refused() {
    for (words, sentence) in [
        (["--image", "a\nb: c"], "is no image's name"),
        (
            ["--runtime", "x=./policy.yaml"],
            "nodes know policies by name",
        ),
        (["--runtime", "x=a b"], "nodes know policies by name"),
        (
            ["--runtime", "nemoclaw --runtime=x"],
            "is no runtime's name",
        ),
    ] {
        let ran = register(&words);
        assert_ne!(ran.code, Some(0), "{words:?}");
        ran.says(sentence);
        assert_eq!(ran.out, "");
    }
}

#[test]
fn kustomize_builds_both_directories() {
    let Ok(built) = Command::new("kubectl")
        .arg("kustomize")
        .arg(folder())
        .output()
    else {
        eprintln!("skipped: kubectl is not here; the shapes are checked all the same");
        return;
    };
    let built = Ran::of(built);
    built
        .ends_with(0)
        .prints("kind: RuntimeClass")
        .prints("name: nemoclaw-policies");
    Objects::read(built.out.trim_end());
    let below = folder().join("uninstall");
    let built = Command::new("kubectl")
        .arg("kustomize")
        .arg(below)
        .output()
        .unwrap();
    Ran::of(built)
        .ends_with(0)
        .prints("name: nemoclaw-uninstall");
}
