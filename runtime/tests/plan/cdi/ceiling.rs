//! Who may ask for a device, and what a policy's `devices` lets an engine merge itself.

use nemoclaw_policy::policy::Mode;
use nemoclaw_runtime::cdi::inject;
use serde_json::{Value, json};

use super::super::World;
use super::{Files, HOOK, env, listed, nvidia, pattern};

const DOCKER_26: &str = "docker26-cdi-readonly-none";

/// The sample of Docker 26 with what it merges for `edits`.
fn merged(edits: &Value) -> World {
    let mut world = World::of(DOCKER_26);
    world.config["hooks"]["createContainer"] = json!([]);
    world.config["linux"]["devices"] = json!([]);
    for (place, more) in [
        ("/linux/devices", "devices"),
        ("/mounts", "mounts"),
        ("/hooks/createContainer", "createContainer"),
        ("/hooks/prestart", "prestart"),
    ] {
        let list = world
            .config
            .pointer_mut(place)
            .unwrap()
            .as_array_mut()
            .unwrap();
        list.extend(edits[more].as_array().into_iter().flatten().cloned());
    }
    world
}

/// What Docker 26 makes of `vendor()`'s device of the name.
fn merged_device(name: &str) -> Value {
    json!({
        "devices": [{ "path": format!("/dev/vendor-{name}"), "type": "c", "major": 1, "minor": 5 }],
        "mounts": [{ "destination": format!("/opt/vendor/{name}"), "type": "bind", "source": "/etc/hostname",
                     "options": ["ro", "nosuid", "nodev", "bind"] }],
        "createContainer": [{ "path": HOOK, "args": ["hook", name] }],
    })
}

/// Two devices of one vendor: a node, a mount and a hook each.
fn vendor(files: &Files) {
    let device = |name: &str| {
        json!({ "name": name, "containerEdits": {
            "deviceNodes": [{ "path": format!("/dev/vendor-{name}"), "hostPath": "/dev/zero" }],
            "mounts": [{ "hostPath": "/etc/hostname", "containerPath": format!("/opt/vendor/{name}"),
                         "options": ["ro", "nosuid", "nodev", "bind"] }],
            "hooks": [{ "hookName": "createContainer", "path": HOOK, "args": ["hook", name] }],
        }})
    };
    let spec = json!({
        "cdiVersion": "0.6.0", "kind": "vendor.com/dev", "devices": [device("a"), device("b")],
    });
    files.write("etc/vendor.json", &spec.to_string());
}

fn refused(files: &Files, mut world: World, devices: &[&str]) -> String {
    world.policy.devices = listed(devices);
    let said = files.injected(world).err().unwrap();
    assert!(!said.contains('\n') && !said.ends_with('.'), "{said}");
    said
}

#[test]
fn a_policys_name_is_given_without_the_nodes_word_and_a_star_is_not() {
    let mut files = nvidia();
    files.node.devices.clear();
    for (devices, there) in [
        (["nvidia.com/gpu=0"].as_slice(), true),
        (&["nvidia.com/gpu=*"], false),
        (&[], false),
    ] {
        let mut world = World::of("docker20-bridge");
        world.policy.devices = listed(devices);
        let world = files.injected(world).unwrap();
        let has = world.config["linux"]["devices"].is_array();
        assert_eq!(has, there, "{devices:?}");
        world.plan().unwrap();
    }
}

#[test]
fn what_a_policy_gives_and_an_annotation_asks_for_is_there_once() {
    let files = nvidia();
    let by_annotation = files.world("docker20-bridge", "nvidia.com/gpu=0").unwrap();
    let mut world = World::of("docker20-bridge");
    world.config["annotations"] = json!({ "cdi.k8s.io/test": "nvidia.com/gpu=0" });
    world.policy.devices = listed(&["nvidia.com/gpu=0"]);
    let both = files.injected(world).unwrap();
    assert_eq!(both.spec(), by_annotation.spec());
}

#[test]
fn an_annotation_or_variable_beyond_the_policy_is_refused_by_name() {
    let mut files = nvidia();
    files.node.nvidia_variable = true;
    let mut world = World::of("docker20-bridge");
    world.config["annotations"] = json!({ "cdi.k8s.io/x": "nvidia.com/gpu=all" });
    let said = refused(&files, world, &["nvidia.com/gpu=0"]);
    assert!(
        said.contains("`cdi.k8s.io/x`") && said.contains("`nvidia.com/gpu=all`"),
        "{said}"
    );
    let mut world = World::of("docker20-bridge");
    world.config["process"]["env"] = json!(["NVIDIA_VISIBLE_DEVICES=all"]);
    let said = refused(&files, world, &[]);
    assert!(
        said.contains("`NVIDIA_VISIBLE_DEVICES`") && said.contains("`devices`"),
        "{said}"
    );
}

#[test]
fn the_images_variable_is_asked_only_where_the_node_says_so_and_nobody_else_asks() {
    let mut files = nvidia();
    let with = |files: &Files, value: &str, annotation: Option<&str>| {
        let mut world = World::of("docker20-bridge");
        world.config["process"]["env"] = json!([format!("NVIDIA_VISIBLE_DEVICES={value}")]);
        if let Some(name) = annotation {
            world.config["annotations"] = json!({ "cdi.k8s.io/x": name });
        }
        files.injected(world)
    };
    let nodes = |world: World| -> usize {
        world.config["linux"]["devices"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!(nodes(with(&files, "all", None).unwrap()), 0);
    files.node.nvidia_variable = true;
    assert_eq!(nodes(with(&files, "all", None).unwrap()), 3);
    assert_eq!(nodes(with(&files, "void", None).unwrap()), 0);
    // `0` has one node more than `all` in the sample.
    assert_eq!(
        nodes(with(&files, "all", Some("nvidia.com/gpu=0")).unwrap()),
        4
    );
    files.node.devices = vec![pattern("nvidia.com/gpu=0")];
    let said = with(&files, "all", None).err().unwrap();
    assert!(
        said.contains("`nvidia.com/gpu=all`") && said.contains("`cdi_devices`"),
        "{said}"
    );
}

#[test]
fn what_an_engine_merges_within_the_ceiling_stays_single() {
    let files = Files::new();
    vendor(&files);
    for devices in [["vendor.com/dev=a"], ["vendor.com/dev=*"]] {
        let mut world = merged(&merged_device("a"));
        world.policy.devices = listed(&devices);
        let given = world.config.clone();
        let world = files.injected(world).unwrap();
        for place in ["/mounts", "/linux/devices", "/hooks/createContainer"] {
            let count = |config: &Value| config.pointer(place).unwrap().as_array().unwrap().len();
            assert_eq!(count(&world.config), count(&given), "{place} {devices:?}");
        }
        world.plan().unwrap();
    }
}

#[test]
fn a_node_a_mount_and_a_hook_beyond_the_ceiling_are_each_refused_by_name() {
    let files = Files::new();
    vendor(&files);
    for (part, named) in [
        ("devices", "`/dev/vendor-b`"),
        ("mounts", "`/opt/vendor/b`"),
        ("createContainer", HOOK),
    ] {
        let only = json!({ part: merged_device("b")[part].clone() });
        let said = refused(&files, merged(&only), &["vendor.com/dev=a"]);
        assert!(
            said.contains(named) && said.contains("`vendor.com/dev=b`"),
            "{said}"
        );
        // A policy that does not speak of devices leaves them to the engine's user.
        files.injected(merged(&only)).unwrap();
    }
}

#[test]
fn an_engines_own_device_is_of_no_listed_device() {
    let files = Files::new();
    vendor(&files);
    let fuse =
        json!({ "devices": [{ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 }] });
    for devices in [["vendor.com/dev=a"].as_slice(), &[]] {
        let said = refused(&files, merged(&fuse), devices);
        assert!(
            said.contains("`/dev/fuse`, which no device that the policy"),
            "{said}"
        );
    }
    // The name of a usual node does not make another device one.
    let null = |major: i64| json!({ "devices": [{ "path": "/dev/null", "type": "c", "major": major, "minor": 3 }] });
    assert!(refused(&files, merged(&null(195)), &[]).contains("`/dev/null`"));
    let mut usual = merged(&null(1));
    usual.policy.devices = listed(&[]);
    files.injected(usual).unwrap();
}

#[test]
fn a_node_of_other_numbers_than_its_file_says_is_beyond_the_ceiling() {
    let files = Files::new();
    vendor(&files);
    let mut edits = merged_device("a");
    edits["devices"][0]["minor"] = json!(8);
    let said = refused(&files, merged(&edits), &["vendor.com/dev=a"]);
    assert!(said.contains("`/dev/vendor-a`"), "{said}");
}

#[test]
fn a_merged_hook_must_be_listed_by_the_node_whatever_the_policy_says() {
    let mut files = Files::new();
    vendor(&files);
    files.node.hooks.clear();
    let hook = json!({ "createContainer": merged_device("a")["createContainer"].clone() });
    let said = files.injected(merged(&hook)).err().unwrap();
    assert!(
        said.contains("`cdi_hooks`") && said.contains(HOOK),
        "{said}"
    );
    // Under a policy that lists devices also one that no file describes: vendors' hooks run there.
    let stray = json!({ "createContainer": [{ "path": "/usr/bin/false" }] });
    files.injected(merged(&stray)).unwrap();
    let said = refused(&files, merged(&stray), &["vendor.com/dev=a"]);
    assert!(
        said.contains("`/usr/bin/false`") && said.contains("`cdi_hooks`"),
        "{said}"
    );
}

#[test]
fn a_merged_hook_of_another_stage_is_refused() {
    let files = Files::new();
    let edits = json!({ "hooks": [{ "hookName": "prestart", "path": HOOK, "args": ["early"] }] });
    files.vendor("etc/a.json", &edits);
    let hook = json!({ "prestart": [{ "path": HOOK, "args": ["early"] }] });
    let said = files.injected(merged(&hook)).err().unwrap();
    assert!(
        said.contains("prestart hook") && said.contains("createContainer"),
        "{said}"
    );
    // Docker's own prestart hook is no vendor's.
    files.injected(World::of("docker20-bridge")).unwrap();
}

#[test]
fn a_plain_container_is_not_looked_at_but_may_ask() {
    let mut files = Files::new();
    vendor(&files);
    files.node.hooks.clear();
    let mut world = merged(&merged_device("b"));
    world.policy.mode = Mode::Unconfined;
    let given = world.spec();
    let injected = inject(given.clone(), &files.node, &world.policy).unwrap();
    assert_eq!(injected.spec, given);
}

#[test]
fn a_devices_variables_are_handed_on_for_later_processes() {
    let files = nvidia();
    let world = files.world("docker20-bridge", "nvidia.com/gpu=0").unwrap();
    assert!(env(&world).contains(&"NVIDIA_VISIBLE_DEVICES=void".to_owned()));
    let mut asking = World::of("docker20-bridge");
    asking.policy.devices = listed(&["nvidia.com/gpu=0"]);
    let injected = inject(asking.spec(), &files.node, &asking.policy).unwrap();
    let variable = ("NVIDIA_VISIBLE_DEVICES".to_owned(), "void".to_owned());
    assert_eq!(injected.variables, [variable]);
}
