//! Cgroups of version 1: where the container's are, what is written, what holds, and how they look from inside.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::{holds, same};

checks![
    the_program_is_in_its_cgroup_of_every_controller,
    the_cgroups_are_gone_after_delete,
    a_relative_path_works,
    a_nested_path_works,
    no_path_works,
    a_path_that_leads_upwards_stays_below,
    a_cgroup_that_is_there_already_is_used,
    cpu_shares_are_written,
    cpu_quota_and_period_are_written,
    a_cpu_quota_without_period_is_written,
    #[beyond "the CPU burst came with runc 1.2 and crun 1.9"]
    cpu_burst_is_written,
    cpu_idle_is_written,
    cpus_and_memory_nodes_are_written,
    a_cpu_that_is_not_there_fails_the_create_and_leaves_nothing,
    the_memory_limit_is_written,
    the_memory_limit_holds,
    the_memory_reservation_is_written,
    memory_and_swap_are_written,
    the_swappiness_is_written,
    the_oom_killer_is_switched_off,
    no_memory_limit_is_minus_one,
    the_pids_limit_is_written,
    the_pids_limit_holds,
    no_pids_limit_is_minus_one,
    limits_of_block_devices_are_written,
    #[nowhere "the kernel has no blkio.weight without a scheduler that weighs"]
    the_weight_of_block_devices_is_written,
    #[nowhere "hugetlb is on the v2 hierarchy here"]
    limits_of_huge_pages_are_written,
    #[nowhere "the kernel's net_cls is not mounted here"]
    the_class_of_packets_is_written,
    rules_of_devices_are_written,
    a_rule_of_a_device_is_written,
    resources_of_zero_are_no_limit,
    exec_is_in_the_cgroup_too,
    a_cgroup_mount_shows_the_controllers,
    a_cgroup_mount_shows_the_containers_own_alone,
    a_read_only_cgroup_mount_is_read_only,
    a_cgroup_mount_with_a_namespace_works,
    a_sub_cgroup_made_inside_is_removed_at_delete,
];

const CONTROLLERS: [&str; 8] = [
    "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
];

fn the_program_is_in_its_cgroup_of_every_controller(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let pid = bundle.pid()?.to_string();
    for controller in CONTROLLERS {
        let procs = fs::read_to_string(bundle.cgroup(controller).join("cgroup.procs"));
        let procs = procs.map_err(|error| format!("{controller}: {error}"))?;
        holds(procs.lines().any(|line| line == pid), || {
            format!("{controller} has {procs:?}")
        })?;
    }
    Ok(())
}

fn the_cgroups_are_gone_after_delete(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    bundle.verb("delete", &["--force"])?.ok()?;
    for controller in CONTROLLERS {
        holds(!bundle.cgroup(controller).exists(), || {
            format!("{controller} is left")
        })?;
    }
    Ok(())
}

/// The pids cgroup of a started container with this `cgroupsPath`.
fn pids_cgroup(bundle: &Bundle) -> Result<String, String> {
    bundle.up()?;
    let text = fs::read_to_string(format!("/proc/{}/cgroup", bundle.pid()?))
        .map_err(|error| error.to_string())?;
    let path = text
        .lines()
        .find_map(|line| line.split_once(":pids:").map(|(_, path)| path.to_owned()));
    path.ok_or(text)
}

fn a_relative_path_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let wanted = format!("ncc/{}", bundle.id);
    let bundle = bundle.set("/linux/cgroupsPath", json!(wanted));
    let path = pids_cgroup(&bundle)?;
    holds(path.ends_with(&wanted), || path.clone())
}

fn a_nested_path_works(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let top = format!("ncc/{}-top", bundle.id);
    let wanted = format!("/{top}/a/b");
    let bundle = bundle.set("/linux/cgroupsPath", json!(wanted));
    let path = pids_cgroup(&bundle)?;
    bundle.verb("delete", &["--force"])?.ok()?;
    let hierarchies = fs::read_dir("/sys/fs/cgroup")
        .map_err(|error| error.to_string())?
        .flatten();
    for hierarchy in hierarchies.map(|entry| entry.path()) {
        // Only the last part is the container's own.
        for part in ["a/b", "a", ""] {
            let _ = fs::remove_dir(hierarchy.join(&top).join(part));
        }
    }
    let left = Path::new("/sys/fs/cgroup/pids").join(&top);
    holds(!left.exists(), || format!("{} is left", left.display()))?;
    same("path", path, wanted)
}

fn no_path_works(rt: &Runtime) -> Outcome {
    let mut bundle = Bundle::sleeping(rt);
    bundle.spec["linux"]
        .as_object_mut()
        .map(|linux| linux.remove("cgroupsPath"));
    let path = pids_cgroup(&bundle)?;
    holds(path.contains(&bundle.id), || path.clone())?;
    bundle.verb("delete", &["--force"])?.ok()?;
    let left = Path::new("/sys/fs/cgroup/pids").join(path.trim_start_matches('/'));
    holds(!left.exists(), || format!("{} is left", left.display()))
}

fn a_path_that_leads_upwards_stays_below(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    let bundle_id = bundle.id.clone();
    let bundle = bundle.set(
        "/linux/cgroupsPath",
        json!(format!("/../../../../../ncc/{bundle_id}")),
    );
    if bundle.create()?.code != 0 {
        return Ok(());
    }
    let outside = Path::new("/sys/ncc");
    holds(!outside.exists() && !Path::new("/ncc").exists(), || {
        "made outside the hierarchies".into()
    })
}

fn a_cgroup_that_is_there_already_is_used(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    fs::create_dir_all(bundle.cgroup("pids")).map_err(|error| error.to_string())?;
    let path = pids_cgroup(&bundle)?;
    same("path", path, format!("/ncc/{}", bundle.id))
}

/// With these resources, a file of the cgroup has this value.
fn written(
    rt: &Runtime,
    resource: &str,
    value: serde_json::Value,
    file: &str,
    expected: &str,
) -> Outcome {
    let bundle = Bundle::sleeping(rt).set(&format!("/linux/resources/{resource}"), value);
    bundle.create()?.ok()?;
    bundle.cgroup_has(file, expected)
}

fn cpu_shares_are_written(rt: &Runtime) -> Outcome {
    written(rt, "cpu", json!({ "shares": 512 }), "cpu.shares", "512")
}

fn cpu_quota_and_period_are_written(rt: &Runtime) -> Outcome {
    let cpu = json!({ "quota": 30_000, "period": 60_000 });
    written(rt, "cpu", cpu.clone(), "cpu.cfs_quota_us", "30000")?;
    written(rt, "cpu", cpu, "cpu.cfs_period_us", "60000")
}

fn a_cpu_quota_without_period_is_written(rt: &Runtime) -> Outcome {
    written(
        rt,
        "cpu",
        json!({ "quota": 40_000 }),
        "cpu.cfs_quota_us",
        "40000",
    )
}

fn cpu_burst_is_written(rt: &Runtime) -> Outcome {
    written(
        rt,
        "cpu",
        json!({ "quota": 50_000, "period": 100_000, "burst": 20_000 }),
        "cpu.cfs_burst_us",
        "20000",
    )
}

fn cpu_idle_is_written(rt: &Runtime) -> Outcome {
    written(rt, "cpu", json!({ "idle": 1 }), "cpu.idle", "1")
}

fn cpus_and_memory_nodes_are_written(rt: &Runtime) -> Outcome {
    let bundle =
        Bundle::sleeping(rt).set("/linux/resources/cpu", json!({ "cpus": "0", "mems": "0" }));
    bundle.create()?.ok()?;
    bundle.cgroup_has("cpuset.cpus", "0")?;
    bundle.cgroup_has("cpuset.mems", "0")
}

fn a_cpu_that_is_not_there_fails_the_create_and_leaves_nothing(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set("/linux/resources/cpu", json!({ "cpus": "4000" }));
    bundle.create()?.fails()?;
    let left = bundle.cgroup("cpuset");
    holds(!left.exists(), || format!("{} is left", left.display()))
}

fn the_memory_limit_is_written(rt: &Runtime) -> Outcome {
    written(
        rt,
        "memory",
        json!({ "limit": 67_108_864 }),
        "memory.limit_in_bytes",
        "67108864",
    )
}

fn the_memory_limit_holds(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(
        rt,
        &["dd", "if=/dev/zero", "of=/dev/null", "bs=60M", "count=1"],
    );
    let bundle = bundle.set(
        "/linux/resources/memory",
        json!({ "limit": 20_971_520, "swap": 20_971_520 }),
    );
    bundle.run()?.ends(137).map(drop)
}

fn the_memory_reservation_is_written(rt: &Runtime) -> Outcome {
    written(
        rt,
        "memory",
        json!({ "reservation": 33_554_432 }),
        "memory.soft_limit_in_bytes",
        "33554432",
    )
}

fn memory_and_swap_are_written(rt: &Runtime) -> Outcome {
    let memory = json!({ "limit": 67_108_864, "swap": 134_217_728 });
    written(
        rt,
        "memory",
        memory,
        "memory.memsw.limit_in_bytes",
        "134217728",
    )
}

fn the_swappiness_is_written(rt: &Runtime) -> Outcome {
    written(
        rt,
        "memory",
        json!({ "swappiness": 13 }),
        "memory.swappiness",
        "13",
    )
}

fn the_oom_killer_is_switched_off(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt).set(
        "/linux/resources/memory",
        json!({ "limit": 67_108_864, "disableOOMKiller": true }),
    );
    bundle.create()?.ok()?;
    let text = fs::read_to_string(bundle.cgroup("memory").join("memory.oom_control"))
        .map_err(|error| error.to_string())?;
    holds(text.contains("oom_kill_disable 1"), || text.clone())
}

fn no_memory_limit_is_minus_one(rt: &Runtime) -> Outcome {
    written(
        rt,
        "memory",
        json!({ "limit": -1 }),
        "memory.limit_in_bytes",
        "9223372036854771712",
    )
}

fn the_pids_limit_is_written(rt: &Runtime) -> Outcome {
    written(rt, "pids", json!({ "limit": 77 }), "pids.max", "77")
}

fn the_pids_limit_holds(rt: &Runtime) -> Outcome {
    let bundle = Bundle::script(
        rt,
        "sleep 9 & sleep 9 & sleep 9 & sleep 9 & sleep 9 & echo all",
    );
    let said = bundle
        .set("/linux/resources/pids", json!({ "limit": 4 }))
        .run()?;
    holds(!said.out.contains("all"), || said.out.clone())
}

fn no_pids_limit_is_minus_one(rt: &Runtime) -> Outcome {
    written(rt, "pids", json!({ "limit": -1 }), "pids.max", "max")
}

fn limits_of_block_devices_are_written(rt: &Runtime) -> Outcome {
    let disk = fs::read_dir("/sys/block")
        .map_err(|error| error.to_string())?
        .flatten()
        .find_map(|entry| fs::read_to_string(entry.path().join("dev")).ok());
    let disk = disk.ok_or("no block device")?;
    let (major, minor) = disk.trim().split_once(':').ok_or("no number")?;
    let number = |text: &str| text.parse::<i64>().map_err(|error| error.to_string());
    let rate = |rate: u64| -> Result<_, String> {
        Ok(json!([{ "major": number(major)?, "minor": number(minor)?, "rate": rate }]))
    };
    let limits = json!({
        "throttleReadBpsDevice": rate(1_048_576)?, "throttleWriteBpsDevice": rate(2_097_152)?,
        "throttleReadIOPSDevice": rate(100)?, "throttleWriteIOPSDevice": rate(200)?
    });
    let bundle = Bundle::sleeping(rt).set("/linux/resources/blockIO", limits);
    bundle.create()?.ok()?;
    let disk = disk.trim();
    bundle.cgroup_has("blkio.throttle.read_bps_device", &format!("{disk} 1048576"))?;
    bundle.cgroup_has(
        "blkio.throttle.write_bps_device",
        &format!("{disk} 2097152"),
    )?;
    bundle.cgroup_has("blkio.throttle.read_iops_device", &format!("{disk} 100"))?;
    bundle.cgroup_has("blkio.throttle.write_iops_device", &format!("{disk} 200"))
}

fn the_weight_of_block_devices_is_written(rt: &Runtime) -> Outcome {
    written(
        rt,
        "blockIO",
        json!({ "weight": 500 }),
        "blkio.weight",
        "500",
    )
}

fn limits_of_huge_pages_are_written(rt: &Runtime) -> Outcome {
    let limits = json!([{ "pageSize": "2MB", "limit": 4_194_304 }]);
    written(
        rt,
        "hugepageLimits",
        limits,
        "hugetlb.2MB.limit_in_bytes",
        "4194304",
    )
}

fn the_class_of_packets_is_written(rt: &Runtime) -> Outcome {
    written(
        rt,
        "network",
        json!({ "classID": 1_048_577 }),
        "net_cls.classid",
        "1048577",
    )
}

/// The lines of a started container's list of allowed devices.
fn device_list(bundle: &Bundle) -> Result<Vec<String>, String> {
    bundle.create()?.ok()?;
    let text = fs::read_to_string(bundle.cgroup("devices").join("devices.list"))
        .map_err(|error| error.to_string())?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn rules_of_devices_are_written(rt: &Runtime) -> Outcome {
    let list = device_list(&Bundle::sleeping(rt))?;
    for rule in [
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 136:* rwm",
    ] {
        holds(list.iter().any(|line| line == rule), || {
            format!("{rule} is not in {list:?}")
        })?;
    }
    holds(!list.iter().any(|line| line.starts_with("a ")), || {
        format!("{list:?}")
    })
}

fn a_rule_of_a_device_is_written(rt: &Runtime) -> Outcome {
    let rule = json!({ "allow": true, "type": "b", "major": 9, "minor": 3, "access": "r" });
    let list = device_list(&Bundle::sleeping(rt).push("/linux/resources/devices", rule))?;
    holds(list.iter().any(|line| line == "b 9:3 r"), || {
        format!("{list:?}")
    })
}

fn resources_of_zero_are_no_limit(rt: &Runtime) -> Outcome {
    let bundle = Bundle::program(rt, &["echo", "fine"]);
    let bundle = bundle.set(
        "/linux/resources/cpu",
        json!({ "shares": 0, "quota": 0, "period": 0 }),
    );
    bundle
        .set("/linux/resources/memory", json!({ "limit": 0, "swap": 0 }))
        .run()?
        .prints("fine")
}

fn exec_is_in_the_cgroup_too(rt: &Runtime) -> Outcome {
    let bundle = Bundle::sleeping(rt);
    bundle.up()?;
    let said = bundle
        .exec(&["grep", ":memory:", "/proc/self/cgroup"])?
        .ok()?;
    holds(
        said.out.trim().ends_with(&format!("/ncc/{}", bundle.id)),
        || said.out.clone(),
    )
}

/// With the cgroups mounted at their place.
fn mounted<'r>(rt: &'r Runtime, script: &str, options: &[&str]) -> Bundle<'r> {
    let bundle = Bundle::script(rt, script).mount(
        "/sys",
        "sysfs",
        "sysfs",
        &["nosuid", "noexec", "nodev", "ro"],
    );
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", options)
}

fn a_cgroup_mount_shows_the_controllers(rt: &Runtime) -> Outcome {
    let script = "cd /sys/fs/cgroup; for c in memory pids cpu devices; do [ -e $c/cgroup.procs ] || echo no $c; done";
    mounted(rt, script, &["nosuid", "noexec", "nodev", "relatime", "ro"])
        .run()?
        .prints("")
}

fn a_cgroup_mount_shows_the_containers_own_alone(rt: &Runtime) -> Outcome {
    let script = "cat /sys/fs/cgroup/pids/pids.max; wc -l < /sys/fs/cgroup/pids/cgroup.procs";
    let bundle = mounted(rt, script, &["nosuid", "noexec", "nodev", "relatime", "ro"]);
    let said = bundle
        .set("/linux/resources/pids", json!({ "limit": 77 }))
        .run()?
        .ok()?;
    holds(said.out.starts_with("77\n"), || said.out.clone())
}

fn a_read_only_cgroup_mount_is_read_only(rt: &Runtime) -> Outcome {
    let script = "mkdir /sys/fs/cgroup/pids/sub 2>/dev/null || echo refused; touch /sys/fs/cgroup/x 2>/dev/null || echo refused";
    mounted(rt, script, &["nosuid", "noexec", "nodev", "ro"])
        .run()?
        .prints("refused\nrefused")
}

fn a_cgroup_mount_with_a_namespace_works(rt: &Runtime) -> Outcome {
    let script = "cat /sys/fs/cgroup/pids/pids.max";
    let bundle = mounted(rt, script, &["nosuid", "noexec", "nodev", "ro"])
        .push("/linux/namespaces", json!({ "type": "cgroup" }));
    bundle
        .set("/linux/resources/pids", json!({ "limit": 77 }))
        .run()?
        .prints("77")
}

fn a_sub_cgroup_made_inside_is_removed_at_delete(rt: &Runtime) -> Outcome {
    let script = "mkdir /sys/fs/cgroup/pids/sub && echo made";
    let bundle = mounted(rt, script, &["nosuid", "noexec", "nodev", "rw"]);
    bundle.run()?.prints("made")?;
    let left = bundle.cgroup("pids");
    holds(!left.exists(), || format!("{} is left", left.display()))
}
