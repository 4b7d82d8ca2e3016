//! The whole result for every engine's config: a change of the plan shows as a diff here.

use nemoclaw_policy::handover::Egress;
use nemoclaw_policy::policy::Mode;
use nemoclaw_runtime::plan::{PathKind, Plan};
use oci_spec::runtime::LinuxNamespaceType;
use serde_json::{Value, json};

use super::{World, has_namespace};

/// The plan as JSON with sorted keys, without what is as long as it is dull.
pub fn shown(plan: &Plan) -> Value {
    let mut spec = serde_json::to_value(&plan.spec).unwrap();
    spec["linux"]["resources"]["devices"] = json!("as given");
    // Sets have no order.
    for (_, set) in spec["process"]["capabilities"].as_object_mut().unwrap() {
        set.as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    let mut shown = json!({
        "spec": spec,
        "egress": plan.egress.as_ref().map(|hooks| [&hooks.create, &hooks.release]),
        "walls": plan.walls,
        "landlock": plan.confinement.landlock.as_ref().map(|landlock| json!({
            "minimum_abi": landlock.minimum_abi,
            "scoped": landlock.scoped,
            "rules": landlock.rules.iter().map(|rule| {
                let required = if rule.required { " (required)" } else { "" };
                format!("{} {:?}{required}", rule.path.display(), rule.grant)
            }).collect::<Vec<_>>(),
        })),
        "seccomp": json!({
            "engine": plan.confinement.seccomp.engine.is_some(),
            "agent": plan.confinement.seccomp.agent,
        }),
        "no_new_privileges": plan.confinement.no_new_privileges,
        "capabilities": plan.confinement.capabilities,
        "environment": plan.confinement.environment,
        "rlimits": plan.confinement.rlimits,
        "handover": plan.handover,
        "remarks": plan.remarks,
        "limits": plan.limits,
        "directories": plan.directories.iter().map(|d| format!("{} {}:{}", d.path.display(), d.uid, d.gid)).collect::<Vec<_>>(),
        "trust": plan.trust.as_ref().map(|trust| json!({
            "image_bundle": trust.image_bundle, "joined_box": trust.joined_box,
        })),
    });
    // Another crate of the workspace asks serde_json to keep insertion order.
    shown.sort_all_objects();
    shown
}

#[test]
fn docker_20_on_the_default_bridge() {
    insta::assert_json_snapshot!(shown(&World::of("docker20-bridge").plan().unwrap()));
}

#[test]
fn docker_20_with_user_namespace_remapping() {
    insta::assert_json_snapshot!(shown(&World::of("docker20-userns-remap").plan().unwrap()));
}

#[test]
fn docker_26_read_only_without_network_and_with_a_cdi_device() {
    insta::assert_json_snapshot!(shown(
        &World::of("docker26-cdi-readonly-none").plan().unwrap()
    ));
}

#[test]
fn podman_4_with_an_empty_network_namespace_by_path() {
    insta::assert_json_snapshot!(shown(&World::of("podman43-bridge").plan().unwrap()));
}

#[test]
fn a_pods_sandbox_from_cri() {
    insta::assert_json_snapshot!(shown(&World::of("cri16-sandbox").plan().unwrap()));
}

#[test]
fn a_pods_container_from_cri() {
    insta::assert_json_snapshot!(shown(&World::of("cri16-container").plan().unwrap()));
}

#[test]
fn unconfined_is_the_engines_config() {
    let mut world = World::of("docker20-bridge");
    world.policy.mode = Mode::Unconfined;
    insta::assert_json_snapshot!(shown(&world.plan().unwrap()));
}

#[test]
fn nothing_a_box_relies_on_is_left_to_the_engine() {
    for name in [
        "docker20-bridge",
        "docker20-userns-remap",
        "docker26-cdi-readonly-none",
        "podman43-bridge",
        "cri16-container",
    ] {
        let plan = World::of(name).plan().unwrap();
        let process = plan.spec.process().as_ref().unwrap();
        let sets = process.capabilities().as_ref().unwrap();
        for set in [
            sets.bounding(),
            sets.effective(),
            sets.permitted(),
            sets.inheritable(),
            sets.ambient(),
        ] {
            assert_eq!(set.as_ref().map(|set| set.len()), Some(0), "{name}");
        }
        assert_eq!(process.no_new_privileges(), Some(true), "{name}");
        assert!(
            plan.spec.linux().as_ref().unwrap().seccomp().is_none(),
            "{name}"
        );
        assert!(plan.confinement.seccomp.agent, "{name}");
        assert!(
            plan.walls.is_some() && plan.confinement.landlock.is_some(),
            "{name}"
        );
        assert!(has_namespace(&plan, LinuxNamespaceType::Cgroup), "{name}");
        assert!(!has_namespace(&plan, LinuxNamespaceType::Time), "{name}");
    }
}

#[test]
fn the_same_inputs_give_the_same_plan() {
    let world = World::of("docker20-bridge");
    assert_eq!(shown(&world.plan().unwrap()), shown(&world.plan().unwrap()));
}

#[test]
fn an_offline_box_is_fenced_but_trusts_no_router() {
    let mut world = World::of("docker20-bridge");
    world.policy.mode = Mode::Offline;
    let plan = world.plan().unwrap();
    assert_eq!(plan.handover.unwrap().egress, Egress::Offline);
    assert_eq!(plan.trust, None);
    assert!(
        plan.confinement
            .environment
            .iter()
            .all(|(name, _)| name == "HOME")
    );
}

#[test]
fn a_container_that_joins_a_guarded_network_has_no_hook_and_its_guards_ca() {
    let plan = World::of("cri16-container").plan().unwrap();
    assert_eq!(plan.handover, None);
    assert_eq!(plan.egress, None);
    assert_eq!(
        plan.trust.unwrap().joined_box,
        Some("/run/nemoclaw/boxes/pod1".into())
    );
    assert!(plan.confinement.landlock.unwrap().scoped);
}

#[test]
fn an_image_without_tmp_gets_a_fresh_one_but_not_below_a_read_only_root() {
    let mut world = World::of("docker20-bridge");
    world.rootfs.paths.insert("/tmp".into(), PathKind::Missing);
    let tmp = |plan: &Plan| {
        let mounts = plan.spec.mounts().clone().unwrap();
        mounts.iter().any(|mount| {
            mount.destination().ends_with("tmp") && mount.typ().as_deref() == Some("tmpfs")
        })
    };
    assert!(tmp(&world.plan().unwrap()));
    world.config["root"]["readonly"] = json!(true);
    let plan = world.plan().unwrap();
    assert!(!tmp(&plan) && plan.directories.is_empty());
    assert!(
        plan.confinement
            .landlock
            .unwrap()
            .rules
            .iter()
            .all(|rule| !(rule.required && rule.path.ends_with("tmp")))
    );
}
