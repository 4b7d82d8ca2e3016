//! `update`, `pause`, `resume` and `events`.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{feed, holds, same, until};

checks![
    update_changes_the_memory_limit,
    update_changes_memory_and_swap,
    update_changes_the_memory_reservation,
    update_changes_cpu_shares,
    update_changes_cpu_quota_and_period,
    update_changes_the_quota_alone,
    update_changes_the_cpus,
    update_changes_the_pids_limit,
    update_changes_several_at_once,
    update_leaves_the_rest,
    update_takes_no_limit,
    update_takes_resources_from_standard_input,
    update_takes_resources_from_a_file,
    update_of_nonsense_fails_and_changes_nothing,
    update_of_resources_that_are_no_json_fails,
    update_of_a_created_container_works,
    update_of_a_paused_container_works,
    update_of_a_stopped_container_fails,
    a_later_exec_keeps_what_update_changed,
    a_paused_container_says_so,
    a_paused_program_stands_still,
    a_resumed_program_goes_on,
    pausing_twice_fails_or_changes_nothing,
    resuming_a_running_container_fails,
    pausing_a_stopped_container_fails,
    a_paused_container_can_be_deleted_by_force,
    a_paused_container_cannot_be_deleted,
    a_paused_container_can_be_killed,
    processes_of_a_paused_container_are_listed,
    events_tell_statistics,
    events_tell_the_memory_limit,
    events_of_a_stopped_container_fail,
    events_come_at_the_interval,
];

fn running(rt: &Runtime) -> Result<Bundle<'_>, String> {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    Ok(bundle)
}

fn updated(rt: &Runtime, options: &[&str], files: &[(&str, &str)]) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("update", options)?.ok()?;
    files
        .iter()
        .try_for_each(|(file, expected)| bundle.cgroup_has(file, expected))
}

fn update_changes_the_memory_limit(rt: &Runtime) -> Outcome {
    updated(
        rt,
        &["--memory", "67108864"],
        &[("memory.limit_in_bytes", "67108864")],
    )
}

fn update_changes_memory_and_swap(rt: &Runtime) -> Outcome {
    let options = ["--memory", "67108864", "--memory-swap", "100663296"];
    updated(
        rt,
        &options,
        &[
            ("memory.limit_in_bytes", "67108864"),
            ("memory.memsw.limit_in_bytes", "100663296"),
        ],
    )
}

fn update_changes_the_memory_reservation(rt: &Runtime) -> Outcome {
    updated(
        rt,
        &["--memory-reservation", "33554432"],
        &[("memory.soft_limit_in_bytes", "33554432")],
    )
}

fn update_changes_cpu_shares(rt: &Runtime) -> Outcome {
    updated(rt, &["--cpu-share", "300"], &[("cpu.shares", "300")])
}

fn update_changes_cpu_quota_and_period(rt: &Runtime) -> Outcome {
    let options = ["--cpu-quota", "20000", "--cpu-period", "50000"];
    updated(
        rt,
        &options,
        &[
            ("cpu.cfs_quota_us", "20000"),
            ("cpu.cfs_period_us", "50000"),
        ],
    )
}

fn update_changes_the_quota_alone(rt: &Runtime) -> Outcome {
    updated(
        rt,
        &["--cpu-quota", "30000"],
        &[
            ("cpu.cfs_quota_us", "30000"),
            ("cpu.cfs_period_us", "100000"),
        ],
    )
}

fn update_changes_the_cpus(rt: &Runtime) -> Outcome {
    updated(
        rt,
        &["--cpuset-cpus", "0", "--cpuset-mems", "0"],
        &[("cpuset.cpus", "0"), ("cpuset.mems", "0")],
    )
}

fn update_changes_the_pids_limit(rt: &Runtime) -> Outcome {
    updated(rt, &["--pids-limit", "33"], &[("pids.max", "33")])
}

fn update_changes_several_at_once(rt: &Runtime) -> Outcome {
    let options = [
        "--pids-limit",
        "44",
        "--memory",
        "50331648",
        "--cpu-share",
        "99",
    ];
    updated(
        rt,
        &options,
        &[
            ("pids.max", "44"),
            ("memory.limit_in_bytes", "50331648"),
            ("cpu.shares", "99"),
        ],
    )
}

fn update_leaves_the_rest(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/linux/resources/cpu", json!({ "shares": 222 }));
    let bundle = bundle
        .set("/linux/resources/memory", json!({ "limit": 67_108_864 }))
        .set("/linux/resources/pids", json!({ "limit": 55 }));
    bundle.up()?;
    bundle.verb("update", &["--pids-limit", "66"])?.ok()?;
    bundle.cgroup_has("pids.max", "66")?;
    bundle.cgroup_has("cpu.shares", "222")?;
    bundle.cgroup_has("memory.limit_in_bytes", "67108864")
}

fn update_takes_no_limit(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/linux/resources/pids", json!({ "limit": 55 }));
    let bundle = bundle.set("/linux/resources/memory", json!({ "limit": 67_108_864 }));
    bundle.up()?;
    bundle
        .verb("update", &["--memory", "-1", "--pids-limit", "-1"])?
        .ok()?;
    bundle.cgroup_has("pids.max", "max")?;
    bundle.cgroup_has("memory.limit_in_bytes", "9223372036854771712")
}

const RESOURCES: &str = r#"{"memory":{"limit":50331648},"cpu":{"shares":150,"quota":40000,"period":80000},"pids":{"limit":21}}"#;

fn has_resources(bundle: &Bundle) -> Outcome {
    bundle.cgroup_has("memory.limit_in_bytes", "50331648")?;
    bundle.cgroup_has("cpu.shares", "150")?;
    bundle.cgroup_has("cpu.cfs_quota_us", "40000")?;
    bundle.cgroup_has("cpu.cfs_period_us", "80000")?;
    bundle.cgroup_has("pids.max", "21")
}

fn update_takes_resources_from_standard_input(rt: &Runtime) -> Outcome {
    for words in [
        &["update", "--resources", "-"][..],
        &["update", "--resources=-"],
        &["update", "-r", "-"],
    ] {
        let bundle = running(rt)?;
        feed(
            bundle.command(words).arg(&bundle.id),
            Some(RESOURCES.as_bytes()),
        )?
        .ok()?;
        has_resources(&bundle)?;
    }
    Ok(())
}

fn update_takes_resources_from_a_file(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let path = bundle.dir().join("resources.json");
    fs::write(&path, RESOURCES).map_err(|error| error.to_string())?;
    bundle
        .verb("update", &["--resources", &path.to_string_lossy()])?
        .ok()?;
    has_resources(&bundle)
}

fn update_of_nonsense_fails_and_changes_nothing(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/linux/resources/pids", json!({ "limit": 55 }));
    bundle.up()?;
    bundle.verb("update", &["--memory", "much"])?.fails()?;
    bundle.verb("update", &["--cpuset-cpus", "4000"])?.fails()?;
    bundle.cgroup_has("pids.max", "55")
}

fn update_of_resources_that_are_no_json_fails(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    feed(
        bundle
            .command(&["update", "--resources", "-"])
            .arg(&bundle.id),
        Some(b"{"),
    )?
    .fails()
    .map(drop)
}

fn update_of_a_created_container_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.create()?.ok()?;
    bundle.verb("update", &["--pids-limit", "33"])?.ok()?;
    bundle.cgroup_has("pids.max", "33")
}

fn update_of_a_paused_container_works(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    bundle.verb("update", &["--pids-limit", "33"])?.ok()?;
    bundle.cgroup_has("pids.max", "33")?;
    same("status", bundle.status()?, "paused")
}

fn update_of_a_stopped_container_fails(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle
        .verb("update", &["--pids-limit", "33"])?
        .fails()
        .map(drop)
}

fn a_later_exec_keeps_what_update_changed(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle
        .verb("update", &["--pids-limit", "33", "--cpu-share", "77"])?
        .ok()?;
    bundle.exec(&["true"])?.ok()?;
    bundle.cgroup_has("pids.max", "33")?;
    bundle.cgroup_has("cpu.shares", "77")
}

fn a_paused_container_says_so(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    same("status", bundle.status()?, "paused")?;
    bundle.cgroup_has("freezer.state", "FROZEN")?;
    bundle.verb("resume", &[])?.ok()?;
    same("status", bundle.status()?, "running")?;
    bundle.cgroup_has("freezer.state", "THAWED")
}

const COUNTING: &str = "while :; do echo x; sleep 0.01; done";

fn a_paused_program_stands_still(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, COUNTING);
    bundle.up()?;
    until("output", || (bundle.output().len() > 4).then_some(()))?;
    bundle.verb("pause", &[])?.ok()?;
    let before = bundle.output().len();
    std::thread::sleep(Duration::from_millis(100));
    same("output", bundle.output().len(), before)
}

fn a_resumed_program_goes_on(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, COUNTING);
    bundle.up()?;
    bundle.verb("pause", &[])?.ok()?;
    let before = bundle.output().len();
    bundle.verb("resume", &[])?.ok()?;
    until("more output", || {
        (bundle.output().len() > before).then_some(())
    })
}

fn pausing_twice_fails_or_changes_nothing(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    bundle.verb("pause", &[])?;
    same("status", bundle.status()?, "paused")?;
    bundle.verb("resume", &[])?.ok()?;
    same("status", bundle.status()?, "running")
}

fn resuming_a_running_container_fails(rt: &Runtime) -> Outcome {
    running(rt)?.verb("resume", &[])?.fails().map(drop)
}

fn pausing_a_stopped_container_fails(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.verb("pause", &[])?.fails().map(drop)
}

fn a_paused_container_can_be_deleted_by_force(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    bundle.verb("delete", &["--force"])?.ok()?;
    bundle.verb("state", &[])?.fails().map(drop)
}

fn a_paused_container_cannot_be_deleted(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    bundle.verb("delete", &[])?.fails()?;
    same("status", bundle.status()?, "paused")
}

fn a_paused_container_can_be_killed(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    bundle.call(&["kill", &bundle.id, "KILL"])?.ok()?;
    // Some let it die at once, others at its resume.
    bundle.verb("resume", &[])?;
    bundle.becomes("stopped")
}

fn processes_of_a_paused_container_are_listed(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    bundle.verb("pause", &[])?.ok()?;
    let said = bundle.verb("ps", &["--format", "json"])?.ok()?;
    let pids: Vec<i32> = serde_json::from_str(&said.out).map_err(|error| error.to_string())?;
    same("pids", pids, [bundle.pid()?])
}

fn statistics(bundle: &Bundle) -> Result<Value, String> {
    let said = bundle.verb("events", &["--stats"])?.ok()?;
    serde_json::from_str(&said.out).map_err(|error| format!("{error}: {}", said.out))
}

fn events_tell_statistics(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let stats = statistics(&bundle)?;
    same("type", &stats["type"], &json!("stats"))?;
    same("id", &stats["id"], &json!(bundle.id))?;
    same("processes", &stats["data"]["pids"]["current"], &json!(1))?;
    for pointer in [
        "/data/cpu/usage/total",
        "/data/memory/usage/usage",
        "/data/memory/usage/max",
    ] {
        holds(
            stats
                .pointer(pointer)
                .is_some_and(|value| value.as_u64() > Some(0)),
            || format!("{pointer} in {stats}"),
        )?;
    }
    Ok(())
}

fn events_tell_the_memory_limit(rt: &Runtime) -> Outcome {
    let bundle =
        Bundle::sleeping(rt).set("/linux/resources/memory", json!({ "limit": 67_108_864 }));
    bundle.up()?;
    same(
        "limit",
        &statistics(&bundle)?["data"]["memory"]["usage"]["limit"],
        &json!(67_108_864),
    )
}

fn events_of_a_stopped_container_fail(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(rt, "true");
    bundle.up()?;
    bundle.becomes("stopped")?;
    bundle.verb("events", &["--stats"])?.fails().map(drop)
}

fn events_come_at_the_interval(rt: &Runtime) -> Outcome {
    let bundle = running(rt)?;
    let file = bundle.dir().join("events");
    let out = fs::File::create(&file).map_err(|error| error.to_string())?;
    let child = bundle
        .command(&["events", "--interval", "100ms", &bundle.id])
        .stdout(out)
        .spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    let three = until("three events", || {
        (fs::read_to_string(&file).ok()?.lines().count() >= 3).then_some(())
    });
    let _ = child.kill();
    let _ = child.wait();
    three
}
