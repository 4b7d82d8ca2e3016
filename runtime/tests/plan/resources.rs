//! The policy's `resources` beside the engine's: a box has the lesser of both.

use nemoclaw_policy::policy::Resources;
use nemoclaw_runtime::plan::{CpuTime, Plan, Refusal, exec_process, meet_resources};
use oci_spec::runtime::{LinuxResources, PosixRlimitType, Process};
use serde_json::{Value, json};

use super::World;

const MIB: i64 = 1 << 20;

/// A world with the engine's `resources` and those of the policy.
fn world(engine: Value, policy: Resources) -> World {
    let mut world = World::of("docker20-bridge");
    world.config["linux"]["resources"] = engine;
    world.policy.resources = policy;
    world
}

fn memory(bytes: u64) -> Resources {
    Resources {
        memory: Some(bytes),
        ..Resources::default()
    }
}

fn cpu(milli: u32) -> Resources {
    Resources {
        cpu_milli: Some(milli),
        ..Resources::default()
    }
}

fn planned(engine: Value, policy: Resources) -> LinuxResources {
    let plan = world(engine, policy).plan().unwrap();
    plan.spec
        .linux()
        .clone()
        .unwrap()
        .resources()
        .clone()
        .unwrap()
}

fn update(given: Value, plan: &Plan, now: CpuTime) -> Result<LinuxResources, Refusal> {
    let update = serde_json::from_value(given).unwrap();
    meet_resources(&update, &plan.limits, now, "default")
}

#[test]
fn memory_is_the_lesser_and_counts_swap() {
    for (engine, limit, swap) in [
        (json!({}), 512, 512),
        (json!({"memory": {"limit": 0, "swap": -1}}), 512, 512),
        (json!({"memory": {"limit": -1}}), 512, 512),
        (
            json!({"memory": {"limit": 1024 * MIB, "swap": 2048 * MIB}}),
            512,
            512,
        ),
        (
            json!({"memory": {"limit": 300 * MIB, "swap": 600 * MIB}}),
            300,
            512,
        ),
        (
            json!({"memory": {"limit": 100 * MIB, "swap": 200 * MIB}}),
            100,
            200,
        ),
        (json!({"memory": {"limit": 100 * MIB}}), 100, 512),
        (
            json!({"unified": {"memory.max": "max", "memory.swap.max": "max"}}),
            512,
            512,
        ),
        (
            json!({"unified": {"memory.max": "104857600", "memory.swap.max": "0"}}),
            100,
            100,
        ),
    ] {
        let shown = engine.to_string();
        let planned = planned(engine, memory(512 << 20));
        let memory = planned.memory().unwrap();
        assert_eq!(memory.limit(), Some(limit * MIB), "{shown}");
        assert_eq!(memory.swap(), Some(swap * MIB), "{shown}");
        assert!(
            planned.unified().iter().flatten().next().is_none(),
            "{shown}"
        );
    }
}

#[test]
fn without_the_policys_word_the_engines_memory_and_cpu_time_stand() {
    let engine = json!({"memory": {"limit": 5 * MIB}, "cpu": {"quota": 7000}, "unified": {"memory.max": "max"}});
    let planned = planned(engine, Resources::default());
    assert_eq!(planned.memory().unwrap().limit(), Some(5 * MIB));
    assert_eq!(planned.cpu().as_ref().unwrap().quota(), Some(7000));
    assert!(
        planned
            .unified()
            .as_ref()
            .unwrap()
            .contains_key("memory.max")
    );
}

#[test]
fn cpu_time_is_the_lesser_in_the_engines_period() {
    for (engine, milli, quota, period) in [
        (json!({}), 1500, 150_000, 100_000),
        (
            json!({"cpu": {"quota": -1, "period": 50_000}}),
            1500,
            75_000,
            50_000,
        ),
        (
            json!({"cpu": {"quota": 200_000, "period": 100_000}}),
            1500,
            150_000,
            100_000,
        ),
        (
            json!({"cpu": {"quota": 20_000, "period": 100_000}}),
            1500,
            20_000,
            100_000,
        ),
        // A quota that is too short for the kernel is given in a longer period.
        (json!({"cpu": {"period": 10_000}}), 50, 5000, 100_000),
        (
            json!({"unified": {"cpu.max": "max 20000"}}),
            500,
            10_000,
            20_000,
        ),
        (
            json!({"unified": {"cpu.max": "2000 20000"}}),
            500,
            2000,
            20_000,
        ),
    ] {
        let shown = engine.to_string();
        let planned = planned(engine, cpu(milli));
        let cpu = planned.cpu().as_ref().unwrap();
        assert_eq!(
            (cpu.quota(), cpu.period()),
            (Some(quota), Some(period)),
            "{shown}"
        );
    }
}

#[test]
fn time_that_no_quota_counts_is_taken_away_and_said() {
    let engine = json!({"cpu": {"burst": 50_000, "realtimeRuntime": 950_000, "realtimePeriod": 1_000_000, "shares": 7}});
    let plan = world(engine, cpu(500)).plan().unwrap();
    let linux = plan.spec.linux().clone().unwrap();
    let cpu = linux.resources().clone().unwrap().cpu().clone().unwrap();
    assert_eq!(
        (cpu.burst(), cpu.realtime_runtime(), cpu.realtime_period()),
        (None, None, None)
    );
    assert_eq!(cpu.shares(), Some(7));
    assert!(
        plan.remarks
            .iter()
            .any(|remark| remark.contains("real-time"))
    );
}

#[test]
fn processes_are_the_lesser_and_the_policys_where_the_engine_names_none() {
    for (engine, policy, limit) in [
        (json!({}), Some(64), 64),
        (json!({}), Some(4096), 4096),
        (json!({"pids": {"limit": -1}}), Some(64), 64),
        (json!({"pids": {"limit": 20}}), Some(64), 20),
        (json!({"pids": {"limit": 200}}), Some(64), 64),
        (json!({}), None, 1024),
    ] {
        let shown = format!("{engine} {policy:?}");
        let resources = Resources {
            pids: policy,
            ..Resources::default()
        };
        let planned = planned(engine, resources);
        assert_eq!(planned.pids().unwrap().limit(), limit, "{shown}");
    }
}

#[test]
fn open_files_are_the_lesser_for_the_first_process_and_every_exec() {
    let mut world = world(
        json!({}),
        Resources {
            nofile: Some(256),
            ..Resources::default()
        },
    );
    let files = |process: &Process| {
        let limits = process.rlimits().clone().unwrap();
        let found = limits
            .into_iter()
            .find(|limit| limit.typ() == PosixRlimitType::RlimitNofile);
        found.map(|limit| (limit.soft(), limit.hard()))
    };
    let limit =
        |soft: u64, hard: u64| json!([{"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard}]);
    for (engine, expected) in [
        (json!([]), (256, 256)),
        (limit(1000, 2000), (256, 256)),
        (limit(100, 2000), (100, 256)),
        (limit(10, 20), (10, 20)),
    ] {
        world.config["process"]["rlimits"] = engine.clone();
        let plan = world.plan().unwrap();
        let first = plan.spec.process().clone().unwrap();
        assert_eq!(files(&first), Some(expected), "{engine}");
        let given: Process = serde_json::from_value(world.config["process"].clone()).unwrap();
        let mut of_an_exec = given;
        of_an_exec.set_rlimits(Some(serde_json::from_value(limit(9000, 9000)).unwrap()));
        assert_eq!(
            files(&exec_process(&of_an_exec, &plan.confinement)),
            Some((256, 256))
        );
    }
}

#[test]
fn the_right_to_lift_limits_is_never_given() {
    let mut world = world(json!({}), Resources::default());
    world.policy.process.capabilities = vec!["SYS_RESOURCE".to_owned()];
    world.config["process"]["capabilities"]["bounding"] = json!(["CAP_SYS_RESOURCE"]);
    assert!(matches!(world.plan(), Err(Refusal::Capability { .. })));
}

#[test]
fn an_update_beyond_the_policy_is_refused_with_its_name_and_value() {
    let policy = Resources {
        memory: Some(512 << 20),
        cpu_milli: Some(1500),
        pids: Some(64),
        ..Resources::default()
    };
    let plan = world(json!({}), policy).plan().unwrap();
    let memory_said = "cannot give this sandbox more memory and swap than its policy `default` does, which is 512 MiB: ask for at most that";
    let cpu_said = "cannot give this sandbox more CPU time than its policy `default` does, which is 1.5 CPUs: ask for at most that";
    let pids_said =
        "cannot lift the limit of processes of this sandbox above 64: ask for at most 64";
    for (given, said) in [
        (json!({"memory": {"limit": 513 * MIB}}), memory_said),
        (json!({"memory": {"limit": -1}}), memory_said),
        (
            json!({"memory": {"limit": 100 * MIB, "swap": 513 * MIB}}),
            memory_said,
        ),
        (json!({"memory": {"swap": -1}}), memory_said),
        (json!({"unified": {"memory.max": "max"}}), memory_said),
        (json!({"unified": {"memory.swap.max": "1"}}), memory_said),
        (json!({"cpu": {"quota": -1}}), cpu_said),
        (json!({"cpu": {"quota": 160_000}}), cpu_said),
        (json!({"cpu": {"period": 90_000}}), cpu_said),
        (
            json!({"cpu": {"quota": 150_000, "period": 50_000}}),
            cpu_said,
        ),
        (json!({"cpu": {"burst": 1}}), cpu_said),
        (json!({"cpu": {"realtimeRuntime": 1}}), cpu_said),
        (json!({"unified": {"cpu.max": "max 100000"}}), cpu_said),
        (json!({"pids": {"limit": 65}}), pids_said),
    ] {
        let now = CpuTime {
            quota: 150_000,
            period: 100_000,
        };
        let shown = given.to_string();
        let refusal = update(given, &plan, now).unwrap_err();
        assert_eq!(refusal.to_string(), said, "{shown}");
    }
}

#[test]
fn an_update_within_the_policy_is_done_and_leaves_no_more_swap_than_before() {
    let policy = Resources {
        memory: Some(512 << 20),
        cpu_milli: Some(1500),
        ..Resources::default()
    };
    let plan = world(json!({}), policy).plan().unwrap();
    let now = CpuTime {
        quota: 30_000,
        period: 60_000,
    };
    let met = update(
        json!({"memory": {"limit": 400 * MIB}, "cpu": {"quota": 90_000}}),
        &plan,
        now,
    );
    let met = met.unwrap();
    let memory = met.memory().unwrap();
    assert_eq!(
        (memory.limit(), memory.swap()),
        (Some(400 * MIB), Some(400 * MIB))
    );
    assert_eq!(met.cpu().as_ref().unwrap().quota(), Some(90_000));
    let all_zero =
        json!({"memory": {"limit": 0, "swap": 0}, "cpu": {"quota": 0, "period": 0, "burst": 0}});
    assert!(update(all_zero, &plan, now).is_ok());
    let unified = update(
        json!({"unified": {"memory.max": "4194304", "cpu.max": "30000 60000"}}),
        &plan,
        now,
    );
    assert!(
        unified
            .unwrap()
            .unified()
            .as_ref()
            .is_none_or(|map| map.is_empty())
    );
}

#[test]
fn the_limits_are_told_in_words() {
    let policy = Resources {
        memory: Some(512 << 20),
        cpu_milli: Some(2000),
        nofile: Some(4096),
        ..Resources::default()
    };
    let plan = world(json!({}), policy).plan().unwrap();
    assert_eq!(
        plan.limits.words(),
        "memory 512 MiB, cpu 2, pids 1024, nofile 4096"
    );
    assert_eq!(
        world(json!({}), cpu(250)).plan().unwrap().limits.words(),
        "cpu 0.25, pids 1024"
    );
}

#[test]
fn inbound_ports_are_handed_to_the_hook() {
    let mut world = World::of("docker20-bridge");
    let inbound = |world: &World| world.plan().unwrap().handover.unwrap().inbound;
    assert_eq!(inbound(&world), None);
    world.policy.ports = Some(vec![]);
    assert_eq!(inbound(&world), Some(vec![]));
    world.policy.ports = Some(vec![80, 8080]);
    assert_eq!(inbound(&world), Some(vec![80, 8080]));
}
