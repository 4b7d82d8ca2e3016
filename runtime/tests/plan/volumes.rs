//! Volumes: who may write where.

use std::path::{Path, PathBuf};

use nemoclaw_policy::policy::Filesystem;
use nemoclaw_runtime::plan::{Plan, Refusal, policy_request};
use oci_spec::runtime::Mount;
use serde_json::json;

use super::World;

fn mount(plan: &Plan, destination: &str) -> Mount {
    let mounts = plan.spec.mounts().clone().unwrap();
    mounts
        .into_iter()
        .find(|mount| mount.destination() == Path::new(destination))
        .unwrap()
}

fn options(plan: &Plan, destination: &str) -> Vec<String> {
    mount(plan, destination)
        .options()
        .clone()
        .unwrap_or_default()
}

#[test]
fn roots_own_directory_is_writable_for_root() {
    let mut world = World::of("docker20-bridge");
    world.mount("/home/a", "/sandbox", &["rbind"]);
    let plan = world.plan().unwrap();
    assert!(!options(&plan, "/sandbox").contains(&"ro".to_owned()));
    assert!(
        plan.walls
            .unwrap()
            .writable
            .contains(&PathBuf::from("/sandbox"))
    );
    assert!(plan.directories.is_empty());
}

#[test]
fn root_could_not_write_another_users_directory_and_the_message_names_the_option() {
    let mut world = World::of("docker20-bridge");
    let facts = world.mount("/home/a", "/sandbox", &["rbind"]);
    (facts.uid, facts.gid) = (1000, 1001);
    let said = world.plan().unwrap_err().to_string();
    assert!(said.contains("run with `-u 1000:1001`"), "{said}");
    world.config["process"]["user"] = json!({"uid": 1000, "gid": 1001});
    assert!(world.plan().is_ok());
}

#[test]
fn a_directory_that_others_may_write_or_a_read_only_volume_is_no_matter() {
    for (mode, option) in [(0o777, "rw"), (0o755, "ro")] {
        let mut world = World::of("docker20-bridge");
        let facts = world.mount("/home/a", "/sandbox", &["rbind", option]);
        (facts.uid, facts.gid, facts.mode) = (1000, 1000, mode);
        assert!(world.plan().is_ok(), "{option}");
    }
}

#[test]
fn with_user_namespaces_the_message_names_the_boxes_own_numbers() {
    let mut world = World::of("docker20-userns-remap");
    let facts = world.mount("/home/a", "/sandbox", &["rbind"]);
    (facts.uid, facts.gid) = (101_000, 101_000);
    assert!(matches!(
        world.plan(),
        Err(Refusal::NotWritable {
            uid: 1000,
            gid: 1000,
            ..
        })
    ));
    let mut own = World::of("docker20-userns-remap");
    let facts = own.mount("/home/a", "/sandbox", &["rbind"]);
    (facts.uid, facts.gid) = (100_000, 100_000);
    assert!(own.plan().is_ok());
}

#[test]
fn directories_are_made_for_the_hosts_number_of_the_user() {
    let plan = World::of("docker20-userns-remap").plan().unwrap();
    let made: Vec<_> = plan
        .directories
        .iter()
        .map(|made| (made.path.to_str().unwrap(), made.uid, made.gid))
        .collect();
    assert_eq!(
        made,
        [("/sandbox", 100_000, 100_000), ("/sandbox/.policy", 0, 0)]
    );
}

#[test]
fn a_volume_elsewhere_is_read_only_and_mounted_by_its_path_without_links() {
    let mut world = World::of("docker20-bridge");
    world
        .mount("/home/link", "/data", &["rbind", "rw"])
        .canonical = "/home/real".into();
    let plan = world.plan().unwrap();
    assert!(options(&plan, "/data").contains(&"rro".to_owned()));
    assert_eq!(
        mount(&plan, "/data").source().as_deref(),
        Some(Path::new("/home/real"))
    );
    assert!(plan.remarks.iter().any(|remark| remark.contains("/data")));
}

#[test]
fn below_a_read_only_root_only_volumes_stay_writable_and_each_is_named() {
    let mut world = World::of("docker26-cdi-readonly-none");
    world.mount("/home/a", "/sandbox/work", &["rbind"]);
    let plan = world.plan().unwrap();
    let walls = plan.walls.unwrap();
    assert!(walls.readonly_root);
    assert!(walls.writable.contains(&PathBuf::from("/sandbox/work")));
    assert_eq!(plan.spec.root().as_ref().unwrap().readonly(), Some(false));
    assert!(plan.directories.is_empty());
}

#[test]
fn a_writable_root_is_the_root_layer_and_no_volume() {
    let mut world = World::of("docker20-bridge");
    world.policy.filesystem = Filesystem {
        read_only: vec![],
        read_write: vec!["/".into(), "/sandbox".into()],
        include_workdir: false,
    };
    world.mount("/home/a", "/data", &["rbind"]);
    let plan = world.plan().unwrap();
    assert!(plan.walls.unwrap().writable_root);
    let mounts = plan.spec.mounts().clone().unwrap();
    let data = mounts
        .iter()
        .find(|mount| mount.destination() == Path::new("/data"))
        .unwrap();
    assert!(
        data.options()
            .iter()
            .flatten()
            .any(|option| option == "rro")
    );
}

#[test]
fn the_policys_choice_sees_what_the_box_could_write() {
    let mut world = World::of("docker20-bridge");
    world.config["process"]["env"] =
        json!(["NEMOCLAW_POLICY=dev", "PATH=/bin", "NEMOCLAW_POLICY=strict"]);
    world.config["annotations"] = json!({"nemoclaw.dev/policy": "offline"});
    world.mount("/home/a", "/sandbox", &["rbind"]);
    world.mount("/home/b", "/b", &["rbind", "ro"]);
    let request = policy_request(&world.spec(), Some("handler".to_owned()));
    assert_eq!(request.handler.as_deref(), Some("handler"));
    assert_eq!(request.annotation.as_deref(), Some("offline"));
    assert_eq!(request.environment.as_deref(), Some("strict"));
    assert!(request.writable_mounts.contains(&"/home/a".into()));
    assert!(!request.writable_mounts.contains(&"/home/b".into()));
}

#[test]
fn a_pods_namespace_is_its_engines_word() {
    let namespace = |world: &World| policy_request(&world.spec(), None).namespace;
    assert_eq!(namespace(&World::of("docker20-bridge")), None);
    let mut world = World::of("cri16-container");
    assert_eq!(namespace(&world).as_deref(), Some("default"));
    // CRI-O passes on what a pod says of itself.
    world.config["annotations"]["io.kubernetes.cri-o.Namespace"] = json!("web");
    assert_eq!(namespace(&world).as_deref(), Some("web"));
}

#[test]
fn a_writable_volume_that_holds_the_policy_in_force_is_refused() {
    let mut world = World::of("docker20-bridge");
    world.policy_path = Some("/home/a/policies/mine.yaml".into());
    world.mount("/home/link", "/sandbox", &["rbind"]).canonical = "/home/a".into();
    assert!(
        world
            .plan()
            .unwrap_err()
            .to_string()
            .contains("holds the policy in force")
    );
    let mut world = World::of("docker20-bridge");
    world.policy_path = Some("/home/a/policies/mine.yaml".into());
    world.mount("/home/a", "/data", &["rbind"]);
    assert!(world.plan().is_ok());
}
