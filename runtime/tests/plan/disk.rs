//! The policy's `resources.disk`: what holds `/sandbox` and `/tmp` to a size, and what cannot.

use std::path::Path;

use nemoclaw_policy::policy::Disk;
use nemoclaw_runtime::plan::{Plan, Refusal};
use oci_spec::runtime::Mount;
use serde_json::json;

use super::World;

const LIMIT: u64 = 1 << 20;

/// A box of Docker's whose policy limits these to 1 MiB.
fn world(sandbox: bool, tmp: bool) -> World {
    let mut world = World::of("docker20-bridge");
    world.policy.resources.disk = Disk {
        sandbox: sandbox.then_some(LIMIT),
        tmp: tmp.then_some(LIMIT),
    };
    world
}

fn tmpfs(world: &mut World, destination: &str, options: &[&str]) {
    world.config["mounts"].as_array_mut().unwrap().push(
        json!({"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}),
    );
}

fn mounts(plan: &Plan, destination: &str) -> Vec<Mount> {
    let all = plan.spec.mounts().clone().unwrap();
    let there = |mount: &Mount| mount.destination() == Path::new(destination);
    all.into_iter().filter(there).collect()
}

fn options(plan: &Plan, destination: &str) -> Vec<String> {
    let [only] = mounts(plan, destination).try_into().unwrap();
    Mount::options(&only).clone().unwrap()
}

fn refused(world: &World) -> String {
    world.plan().unwrap_err().to_string()
}

#[test]
fn the_images_tmp_becomes_a_tmpfs_of_that_size() {
    let plan = world(false, true).plan().unwrap();
    assert_eq!(
        options(&plan, "/tmp"),
        ["nosuid", "nodev", "mode=1777", "size=1048576"]
    );
    assert!(plan.walls.unwrap().writable.contains(&"/tmp".into()));
    assert!(mounts(&world(false, false).plan().unwrap(), "/tmp").is_empty());
}

#[test]
fn an_image_without_tmp_gets_one_tmpfs_and_not_two() {
    let mut world = world(false, true);
    world.rootfs.paths.clear();
    assert_eq!(mounts(&world.plan().unwrap(), "/tmp").len(), 1);
}

#[test]
fn the_images_own_sandbox_is_refused_with_what_to_use_instead() {
    assert_eq!(
        refused(&world(true, false)),
        "the policy `default` limits `/sandbox` to 1 MiB, which the image's own directory cannot hold to: mount a file \
         system of at most that size on it, such as Docker's `--tmpfs /sandbox:size=1048576`, or leave `resources.disk` \
         out of the policy"
    );
}

#[test]
fn a_tmpfs_is_cut_down_to_the_limit_and_a_smaller_one_stays() {
    for path in ["/sandbox", "/tmp"] {
        for (given, sizes) in [
            (vec!["size=64k"], vec!["size=64k"]),
            (vec!["size=1m"], vec!["size=1m"]),
            (vec!["size=1g"], vec!["size=1048576"]),
            (vec![], vec!["size=1048576"]),
            (vec!["size=0"], vec!["size=1048576"]),
            (vec!["size=10%"], vec!["size=1048576"]),
            (vec!["size=64k", "nr_blocks=99999"], vec!["size=1048576"]),
            (vec!["size=64k", "size=9g"], vec!["size=1048576"]),
        ] {
            let mut world = world(path == "/sandbox", path == "/tmp");
            tmpfs(&mut world, path, &given);
            let plan = world.plan().unwrap();
            let options = options(&plan, path);
            let found: Vec<_> = options
                .iter()
                .filter(|option| option.starts_with("size=") || option.starts_with("nr_"))
                .collect();
            assert_eq!(found, sizes.iter().collect::<Vec<_>>(), "{path} {given:?}");
        }
    }
}

#[test]
fn a_volume_is_taken_only_where_its_file_system_is_small_enough() {
    for (capacity, taken) in [
        (Some(LIMIT), true),
        (Some(LIMIT - 1), true),
        (Some(LIMIT + 1), false),
        (None, false),
    ] {
        for path in ["/sandbox", "/tmp"] {
            let mut world = world(path == "/sandbox", path == "/tmp");
            world.mount("/home/a", path, &["rbind"]).capacity = capacity;
            match world.plan() {
                Ok(_) => assert!(taken, "{path} {capacity:?}"),
                Err(refusal) => {
                    assert!(!taken, "{path} {capacity:?}");
                    assert!(refusal.to_string().contains("the volume `/home/a`"));
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_written_needs_no_size() {
    let mut read_only = world(true, true);
    read_only.mount("/home/a", "/sandbox", &["rbind", "ro"]);
    assert!(read_only.plan().is_ok());
    let mut no_such_path = world(true, false);
    no_such_path.policy.filesystem.read_write = vec!["/tmp".into()];
    no_such_path.policy.filesystem.read_only = vec!["/".into()];
    assert!(no_such_path.plan().is_ok());
    let mut root = world(true, true);
    root.config["root"]["readonly"] = json!(true);
    let plan = root.plan().unwrap();
    assert!(mounts(&plan, "/tmp").is_empty());
}

#[test]
fn a_writable_path_below_needs_the_size_too() {
    let mut world = world(true, false);
    world.policy.filesystem.read_write = vec!["/sandbox/work".into()];
    assert!(matches!(world.plan(), Err(Refusal::NoSize { .. })));
}

#[test]
fn another_writable_mount_below_is_refused() {
    for (options, taken) in [(vec!["rbind"], false), (vec!["rbind", "ro"], true)] {
        let mut world = world(true, false);
        tmpfs(&mut world, "/sandbox", &[]);
        world.mount("/home/a", "/sandbox/data", &options);
        match world.plan() {
            Ok(_) => assert!(taken),
            Err(refusal) => {
                assert!(!taken);
                let said = refusal.to_string();
                assert!(
                    said.contains("the mount on `/sandbox/data` below it"),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn a_file_system_without_a_size_is_refused() {
    let mut world = world(false, true);
    world.config["mounts"].as_array_mut().unwrap().push(
        json!({"destination": "/tmp", "type": "ramfs", "source": "ramfs", "options": ["size=64k"]}),
    );
    assert!(refused(&world).contains("which the ramfs there cannot hold to"));
}

#[test]
fn a_writable_root_layer_does_not_free_its_tmp() {
    let mut world = world(true, true);
    world.policy.filesystem.read_write = vec!["/".into()];
    world.policy.filesystem.read_only.clear();
    assert!(refused(&world).contains("`/sandbox`"));
    world.policy.resources.disk.sandbox = None;
    let plan = world.plan().unwrap();
    assert_eq!(mounts(&plan, "/tmp").len(), 1);
    assert_eq!(plan.walls.unwrap().writable, [Path::new("/tmp")]);
}
