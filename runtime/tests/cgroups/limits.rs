//! Limits, read back from the kernel's files.

use std::path::Path;

use serde_json::json;

use crate::harness::{Group, group, resources, version_2};

#[test]
fn every_limit_of_version_1_is_in_its_file() {
    let Some(group) = group().filter(|_| !version_2()) else {
        return;
    };
    group.limit(json!({
        "memory": { "limit": 64 << 20, "swap": 96 << 20, "reservation": 32 << 20, "swappiness": 10,
                    "useHierarchy": true, "kernel": 32 << 20, "kernelTCP": 8 << 20 },
        "cpu": { "shares": 300, "quota": 20000, "period": 50000, "burst": 10000, "cpus": "0", "mems": "0" },
        "pids": { "limit": 33 },
    }));
    for (file, value) in [
        ("memory.limit_in_bytes", "67108864"),
        ("memory.memsw.limit_in_bytes", "100663296"),
        ("memory.soft_limit_in_bytes", "33554432"),
        ("memory.swappiness", "10"),
        ("memory.use_hierarchy", "1"),
        ("memory.kmem.tcp.limit_in_bytes", "8388608"),
        ("cpu.shares", "300"),
        ("cpu.cfs_quota_us", "20000"),
        ("cpu.cfs_period_us", "50000"),
        ("cpu.cfs_burst_us", "10000"),
        ("cpuset.cpus", "0"),
        ("cpuset.mems", "0"),
        ("pids.max", "33"),
    ] {
        assert_eq!(group.file(file), value, "{file}");
    }
}

#[test]
fn every_limit_of_version_2_is_in_its_file() {
    let Some(group) = group().filter(|_| version_2()) else {
        return;
    };
    group.limit(json!({
        "memory": { "limit": 64 << 20, "swap": 96 << 20, "reservation": 32 << 20 },
        "cpu": { "shares": 1024, "quota": 20000, "period": 50000, "burst": 10000, "cpus": "0", "mems": "0" },
        "pids": { "limit": 33 },
        "hugepageLimits": [{ "pageSize": "2MB", "limit": 4 << 20 }],
        "unified": { "memory.high": "50331648", "cgroup.max.depth": "3" },
    }));
    for (file, value) in [
        ("memory.max", "67108864"),
        ("memory.swap.max", "33554432"),
        ("memory.low", "33554432"),
        ("memory.high", "50331648"),
        ("cpu.weight", "100"),
        ("cpu.max", "20000 50000"),
        ("cpu.max.burst", "10000"),
        ("cpuset.cpus", "0"),
        ("cpuset.mems", "0"),
        ("pids.max", "33"),
        ("hugetlb.2MB.max", "4194304"),
        ("hugetlb.2MB.rsvd.max", "4194304"),
        ("cgroup.max.depth", "3"),
    ] {
        assert_eq!(group.file(file), value, "{file}");
    }
}

#[test]
fn limits_change_in_whatever_order_they_fit() {
    let Some(group) = group() else { return };
    let (memory, quota) = match version_2() {
        true => ("memory.max", "cpu.max"),
        false => ("memory.limit_in_bytes", "cpu.cfs_quota_us"),
    };
    for (limit, swap) in [(64, 96), (200, 300), (20, 30), (96, 96)] {
        let changed = json!({ "memory": { "limit": limit << 20, "swap": swap << 20 } });
        group
            .cgroup
            .change(&resources(changed))
            .unwrap_or_else(|error| panic!("{limit} {swap}: {error}"));
        assert_eq!(group.file(memory), (limit << 20).to_string());
    }
    for (time, period, burst) in [
        (20_000, 50_000, 10_000),
        (200_000, 400_000, 150_000),
        (5000, 10_000, 1000),
        (-1, 100_000, 0),
    ] {
        let changed = json!({ "cpu": { "quota": time, "period": period, "burst": burst } });
        group
            .cgroup
            .change(&resources(changed))
            .unwrap_or_else(|error| panic!("{time} {period} {burst}: {error}"));
        let expected = match (version_2(), time) {
            (true, -1) => format!("max {period}"),
            (true, _) => format!("{time} {period}"),
            (false, _) => time.to_string(),
        };
        assert_eq!(group.file(quota), expected);
    }
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let Some(group) = group() else { return };
    group.limit(json!({ "pids": { "limit": 44 }, "cpu": { "quota": 30000, "period": 60000 } }));
    let changed = json!({ "cpu": { "quota": 40000 }, "pids": { "limit": 0 } });
    group.cgroup.change(&resources(changed)).expect("changed");
    assert_eq!(group.file("pids.max"), "44");
    if version_2() {
        assert_eq!(group.file("cpu.max"), "40000 60000");
        let swap = json!({ "memory": { "limit": 50 << 20 } });
        group.cgroup.change(&resources(swap)).expect("changed");
        let swap = json!({ "memory": { "swap": 70 << 20 } });
        group.cgroup.change(&resources(swap)).expect("changed");
        assert_eq!(group.file("memory.swap.max"), (20 << 20).to_string());
    } else {
        assert_eq!(group.file("cpu.cfs_period_us"), "60000");
    }
}

/// Set a limit that not every machine has: then it is in its file, or else refused by its name.
fn set_or_refused(group: &Group, value: serde_json::Value, file: &str, expected: &str) -> bool {
    match group.cgroup.limit(&resources(value)) {
        Ok(()) => {
            let text = group.file(file);
            assert!(text.lines().any(|line| line == expected), "{file}: {text}");
            true
        }
        Err(error) => {
            let (error, kind) = (error.to_string(), file.split('.').next());
            assert!(error.contains(kind.expect("a kind")), "{error}");
            assert!(error.contains("no such limit") || error.contains("no controller"));
            false
        }
    }
}

#[test]
fn huge_pages_are_limited_where_the_machine_counts_them() {
    let Some(group) = group() else { return };
    let wanted = json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 6 << 20 }] });
    let first = Path::new("/sys/fs/cgroup/hugetlb").exists();
    let file = match first {
        true => "hugetlb.2MB.limit_in_bytes",
        false => "hugetlb.2MB.max",
    };
    if set_or_refused(&group, wanted, file, "6291456") && !first {
        // Version 2, alone or beside version 1: the box is then a part of it too.
        let mut child = group.sleeper();
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", child.id()));
        let line = format!("0::/{}/box", group.name);
        assert!(text.expect("a process").contains(&line));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
}

#[test]
fn block_devices_have_weights_where_there_is_a_scheduler() {
    let Some(group) = group() else { return };
    let bfq = Path::new("/sys/fs/cgroup/blkio/blkio.bfq.io_serviced").exists();
    let (file, expected) = match (version_2(), bfq) {
        (true, _) => ("io.weight", "default 2930"),
        (false, true) => ("blkio.bfq.weight", "300"),
        (false, false) => ("blkio.weight", "300"),
    };
    set_or_refused(
        &group,
        json!({ "blockIO": { "weight": 300 } }),
        file,
        expected,
    );
}

#[test]
fn packets_have_a_class_and_a_priority_where_version_1_has_them() {
    let Some(group) = group().filter(|_| !version_2()) else {
        return;
    };
    let class = json!({ "network": { "classID": 1_048_577 } });
    set_or_refused(&group, class, "net_cls.classid", "1048577");
    let priority = json!({ "network": { "priorities": [{ "name": "lo", "priority": 5 }] } });
    set_or_refused(&group, priority, "net_prio.ifpriomap", "lo 5");
}

#[test]
fn what_the_machine_lacks_or_refuses_is_named() {
    let Some(group) = group() else { return };
    for (value, words) in [
        (
            json!({ "cpu": { "cpus": "4095" } }),
            "cannot set `cpuset.cpus` of container \"a\" to 4095",
        ),
        (
            json!({ "hugepageLimits": [{ "pageSize": "3MB", "limit": 4096 }] }),
            "hugetlb.3MB",
        ),
        (
            json!({ "rdma": { "none0": { "hcaHandles": 3 } } }),
            "`rdma.max` of container \"a\" to none0 hca_handle=3",
        ),
    ] {
        let said = group.refused(value);
        assert!(said.contains(words), "{said}");
    }
    let others = match version_2() {
        true => [
            (json!({ "memory": { "swappiness": 60 } }), "no swappiness"),
            (
                json!({ "network": { "classID": 7 } }),
                "`net_cls.classid` of container \"a\" to 7: this machine's cgroups have no controller `net_cls`",
            ),
            (
                json!({ "unified": { "nothing.max": "1" } }),
                "cannot set `nothing.max` of container \"a\" to 1: this kernel has no such limit",
            ),
        ],
        false => [
            (json!({ "memory": { "swappiness": 101 } }), "swappiness"),
            (json!({ "cpu": { "shares": 1 } }), "from 2 to 262144"),
            (
                json!({ "unified": { "memory.max": "1" } }),
                "`unified` needs cgroups of version 2",
            ),
        ],
    };
    for (value, words) in others {
        let said = group.refused(value);
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn the_numbers_are_those_of_the_box() {
    let Some(group) = group() else { return };
    group.limit(json!({ "memory": { "limit": 64 << 20 }, "pids": { "limit": 9 } }));
    let mut child = group.sleeper();
    let numbers = group.cgroup.stats().expect("numbers");
    let numbers = serde_json::to_value(numbers).expect("JSON");
    assert_eq!(numbers["pids"]["current"], 1);
    assert_eq!(numbers["pids"]["limit"], 9);
    assert_eq!(numbers["memory"]["usage"]["limit"], 64 << 20);
    assert!(!numbers["memory"]["raw"]["pgfault"].is_null(), "{numbers}");
    child.kill().expect("killed");
    child.wait().expect("ended");
    let gone = crate::harness::at(&format!("/{}/none", group.name));
    let error = gone.stats().expect_err("no box").to_string();
    assert_eq!(error, "container not running");
}
