//! What a sandbox cannot have, and the sentence a `docker run` user reads.

use nemoclaw_policy::policy::{Identity, Mode};
use nemoclaw_runtime::plan::{Account, PathKind, SourceKind};
use serde_json::{Value, json};

use super::World;

/// The refusal's sentence; fails when there is a plan.
fn sentence(world: &World) -> String {
    let sentence = world.plan().unwrap_err().to_string();
    assert!(
        !sentence.contains('\n') && !sentence.ends_with('.'),
        "{sentence}"
    );
    sentence
}

fn docker(change: impl FnOnce(&mut Value)) -> World {
    let mut world = World::of("docker20-bridge");
    change(&mut world.config);
    world
}

fn without_namespace(kind: &str) -> World {
    docker(|config| {
        let list = config["linux"]["namespaces"].as_array_mut().unwrap();
        list.retain(|namespace| namespace["type"] != kind);
    })
}

#[test]
fn privileged() {
    let all_devices = docker(|config| {
        config["linux"]["resources"]["devices"] = json!([{"allow": true, "access": "rwm"}]);
    });
    assert!(sentence(&all_devices).starts_with("a sandbox cannot be privileged"));
    let unmasked = docker(|config| {
        config["linux"]["maskedPaths"] = json!(null);
        config["linux"]["readonlyPaths"] = json!(null);
        config["process"]["capabilities"]["bounding"] = json!(["CAP_CHOWN", "CAP_SYS_ADMIN"]);
    });
    assert!(sentence(&unmasked).contains("--privileged"));
    let mut podman = World::of("podman43-bridge");
    podman.config["annotations"]["io.podman.annotations.privileged"] = json!("TRUE");
    assert!(sentence(&podman).contains("--privileged"));
}

#[test]
fn added_capabilities_are_taken_away_and_not_refused() {
    let world = docker(|config| {
        config["process"]["capabilities"]["bounding"]
            .as_array_mut()
            .unwrap()
            .push(json!("CAP_SYS_ADMIN"));
    });
    let plan = world.plan().unwrap();
    assert_eq!(plan.confinement.capabilities, Some(vec![]));
}

#[test]
fn host_namespaces() {
    for (kind, option) in [
        ("network", "--network host"),
        ("pid", "--pid host"),
        ("ipc", "--ipc host"),
        ("uts", "--uts host"),
    ] {
        let said = sentence(&without_namespace(kind));
        assert_eq!(
            said,
            format!("a sandbox cannot share the host's {kind} namespace: run without {option}")
        );
    }
    assert!(sentence(&without_namespace("mount")).contains("mount namespace"));
}

#[test]
fn a_foreign_containers_network() {
    let mut world = World::of("podman43-bridge");
    world.host.joined[0].foreign_processes = true;
    let said = sentence(&world);
    assert!(
        said.contains("/run/netns/") && said.contains("no sandbox of ours guards"),
        "{said}"
    );
}

#[test]
fn network_sysctls() {
    let world =
        docker(|config| config["linux"]["sysctl"]["net.ipv4.conf.all.route_localnet"] = json!("1"));
    assert!(sentence(&world).contains("net.ipv4.conf.all.route_localnet"));
}

#[test]
fn hooks_inside() {
    let world = docker(|config| config["hooks"]["startContainer"] = json!([{"path": "/bin/x"}]));
    assert!(sentence(&world).contains("startContainer"));
}

#[test]
fn a_work_directory_that_is_a_link_in_the_image_even_under_a_volume() {
    for path in ["/sandbox", "/tmp"] {
        let mut world = World::of("docker20-bridge");
        world.rootfs.paths.insert(path.into(), PathKind::Symlink);
        assert!(sentence(&world).contains("symbolic link"));
        world.mount("/home/a", path, &["rbind"]).mode = 0o777;
        assert!(sentence(&world).contains("symbolic link"));
        world.rootfs.paths.insert(path.into(), PathKind::File);
        assert!(sentence(&world).contains("not a directory"));
    }
}

#[test]
fn a_kernel_with_too_little_landlock_unless_the_policy_accepts_it() {
    let mut world = World::of("docker20-bridge");
    world.host.landlock_abi = 3;
    world.policy.landlock.minimum_abi = 6;
    assert!(sentence(&world).contains("needs Landlock ABI 6, but this kernel has 3"));
    world.policy.landlock.best_effort = true;
    let plan = world.plan().unwrap();
    assert!(
        plan.remarks
            .iter()
            .any(|remark| remark.starts_with("degraded"))
    );
}

#[test]
fn sockets_and_the_hosts_own_directories() {
    let mut world = World::of("docker20-bridge");
    let facts = world.mount("/home/a/docker.sock", "/docker.sock", &["rbind"]);
    (facts.kind, facts.canonical) = (SourceKind::Socket, "/run/docker.sock".into());
    assert!(sentence(&world).contains("/home/a/docker.sock"));
    for path in ["/", "/run", "/proc", "/sys", "/dev"] {
        let mut world = World::of("docker20-bridge");
        world.mount(path, "/data", &["rbind", "ro"]);
        assert!(sentence(&world).starts_with(&format!("a sandbox cannot mount `{path}`")));
    }
}

#[test]
fn the_hosts_disks_and_network_devices() {
    let disk = docker(|config| {
        config["linux"]["devices"] =
            json!([{"path": "/dev/sda", "type": "b", "major": 8, "minor": 0}]);
    });
    assert!(sentence(&disk).contains("/dev/sda"));
    let network = docker(|config| config["linux"]["netDevices"] = json!({"eth7": {}}));
    assert!(sentence(&network).contains("eth7"));
}

#[test]
fn a_missing_hook() {
    let mut world = World::of("docker20-bridge");
    world.host.egress_hook_present = false;
    assert!(sentence(&world).contains("make install"));
    world.policy.mode = Mode::Unconfined;
    assert!(world.plan().is_ok());
}

#[test]
fn limits_that_this_process_has_no_right_to_set() {
    let limit = docker(|config| {
        config["process"]["rlimits"] =
            json!([{"type": "RLIMIT_NOFILE", "hard": 30000, "soft": 30000}]);
    });
    assert_eq!(
        sentence(&limit),
        "cannot set RLIMIT_NOFILE to 30000: this process has no CAP_SYS_RESOURCE"
    );
    let score = docker(|config| config["process"]["oomScoreAdj"] = json!(-500));
    assert_eq!(
        sentence(&score),
        "cannot set the OOM score adjustment -500: this process has no CAP_SYS_RESOURCE"
    );
    let mut unconfined = score;
    unconfined.policy.mode = Mode::Unconfined;
    assert!(sentence(&unconfined).contains("no CAP_SYS_RESOURCE"));
}

#[test]
fn an_account_that_the_image_lacks() {
    let mut world = World::of("docker20-bridge");
    world.policy.process.run_as_user = Some(Identity::Sandbox);
    assert!(sentence(&world).contains("the user `sandbox`"));
    world.rootfs.accounts = vec![Account {
        name: "sandbox".to_owned(),
        uid: 998,
        gid: 997,
        home: "/sandbox".into(),
    }];
    let plan = world.plan().unwrap();
    assert_eq!(plan.confinement.user, Some((998, 997)));
    let user = plan.spec.process().as_ref().unwrap().user().clone();
    assert_eq!(
        (user.uid(), user.gid(), user.additional_gids().clone()),
        (998, 997, None)
    );
    assert_eq!(
        (plan.directories[0].uid, plan.directories[0].gid),
        (998, 997)
    );
}

#[test]
fn capabilities_that_are_ways_round_a_wall() {
    let mut world = World::of("docker20-bridge");
    world.policy.mode = Mode::Relaxed;
    world.policy.process.capabilities = vec!["CHOWN".to_owned(), "IPC_LOCK".to_owned()];
    // The engine gives CAP_CHOWN only.
    assert_eq!(
        world.plan().unwrap().confinement.capabilities,
        Some(vec!["CAP_CHOWN".to_owned()])
    );
    for name in ["NET_RAW", "SYS_ADMIN", "NO_SUCH"] {
        world.policy.process.capabilities = vec![name.to_owned()];
        assert!(sentence(&world).contains(name));
    }
}

#[test]
fn a_config_without_its_parts() {
    for part in ["process", "linux", "root"] {
        let world = docker(|config| {
            config.as_object_mut().unwrap().remove(part);
        });
        assert!(sentence(&world).contains(part));
    }
}

#[test]
fn an_offline_box_does_not_join_a_network_that_has_a_way_out() {
    let mut world = World::of("cri16-container");
    world.policy.mode = Mode::Offline;
    let said = sentence(&world);
    assert!(
        said.contains("pod1") && said.contains("has a way out"),
        "{said}"
    );
    for joined in &mut world.host.joined {
        joined.online = false;
    }
    assert!(world.plan().is_ok());
}
