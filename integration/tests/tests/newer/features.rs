//! Docker asks the runtime what it can; and these are the engines that they claim to be.

use nemoclaw_tests::{containerd, nemoclaw};

#[test]
#[ignore = "slow lane: `make test-engines-new`"]
fn the_engines_are_docker_26_and_containerd_1_7() {
    let world = nemoclaw!();
    let docker = world
        .docker(&["version", "--format", "{{.Server.Version}}"])
        .ok();
    assert!(docker.stdout.starts_with("26."), "{docker:?}");
    containerd::ensure(world);
    let ctr = containerd::ctr(world, &["version"]).ok();
    let server = ctr.stdout.split("Server:").nth(1).unwrap_or_default();
    assert!(server.contains("Version:  1.7."), "{ctr:?}");
}

#[test]
#[ignore = "slow lane: `make test-engines-new`"]
fn docker_shows_the_runtimes_features() {
    let world = nemoclaw!();
    let info = world
        .docker(&["info", "--format", "{{json .Runtimes}}"])
        .ok();
    let info: serde_json::Value = serde_json::from_str(&info.stdout).expect("JSON");
    let said = info["nemoclaw"]["status"]["org.opencontainers.runtime-spec.features"]
        .as_str()
        .unwrap_or_else(|| panic!("no features: {info}"));
    let features: serde_json::Value = serde_json::from_str(said).expect("JSON");
    assert!(
        features["hooks"]
            .as_array()
            .is_some_and(|hooks| hooks.iter().any(|hook| hook == "createRuntime")),
        "{features}"
    );
}
