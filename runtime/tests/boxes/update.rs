//! `update`: every resource flag of runc's, checked in the cgroup's files.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::harness::{Node, cgroups, id, node};

/// The text of a file of the box's cgroup, in whichever hierarchy has it.
fn file(id: &str, name: &str) -> String {
    let found = cgroups(id)
        .into_iter()
        .find_map(|group| fs::read_to_string(group.join(name)).ok());
    found.unwrap_or_default().trim().to_owned()
}

fn up(node: &Node) -> String {
    let box_id = id();
    node.config("sleep 60", |_| {});
    node.up(&box_id);
    box_id
}

fn version_1() -> bool {
    fs::exists("/sys/fs/cgroup/memory").expect("cgroups")
}

#[test]
fn every_flag_sets_its_file() {
    let Some(node) = node().filter(|_| version_1()) else {
        return;
    };
    let box_id = up(&node);
    for (flags, name, value) in [
        ("--cpu-shares 512", "cpu.shares", "512"),
        ("--cpu-share 700", "cpu.shares", "700"),
        (
            "--cpu-period 50000 --cpu-quota 20000",
            "cpu.cfs_quota_us",
            "20000",
        ),
        ("--cpu-period 60000", "cpu.cfs_period_us", "60000"),
        ("--cpu-burst 10000", "cpu.cfs_burst_us", "10000"),
        (
            "--cpu-quota 5000 --cpu-burst 1000",
            "cpu.cfs_quota_us",
            "5000",
        ),
        (
            "--cpu-quota 30000 --cpu-burst 30000",
            "cpu.cfs_burst_us",
            "30000",
        ),
        ("--cpu-burst 0", "cpu.cfs_burst_us", "0"),
        ("--cpu-quota -1", "cpu.cfs_quota_us", "-1"),
        ("--cpu-rt-period 500000", "cpu.rt_period_us", "500000"),
        ("--cpuset-cpus 0 --cpuset-mems 0", "cpuset.cpus", "0"),
        ("--memory 64M", "memory.limit_in_bytes", "67108864"),
        (
            "--memory-swap 128M",
            "memory.memsw.limit_in_bytes",
            "134217728",
        ),
        (
            "--memory 256M --memory-swap 300M",
            "memory.limit_in_bytes",
            "268435456",
        ),
        (
            "--memory-reservation 33554432",
            "memory.soft_limit_in_bytes",
            "33554432",
        ),
        (
            "--memory -1",
            "memory.memsw.limit_in_bytes",
            "9223372036854771712",
        ),
        (
            "--kernel-memory 64M --kernel-memory-tcp 1M",
            "memory.kmem.limit_in_bytes",
            "9223372036854771712",
        ),
        ("--pids-limit 77", "pids.max", "77"),
        ("--pids-limit 0", "pids.max", "77"),
        ("--blkio-weight 200", "blkio.bfq.weight", "200"),
        ("--cpu-idle 1", "cpu.idle", "1"),
        ("--cpu-idle 0", "cpu.idle", "0"),
    ] {
        let mut args = vec!["update"];
        args.extend(flags.split(' '));
        args.push(&box_id);
        let said = node.call(&args);
        assert_eq!(said.code, 0, "{flags}: {}", said.err);
        assert_eq!(file(&box_id, name), value, "{flags}");
    }
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    node.assert_nothing_left(&box_id);
}

#[test]
fn resources_come_from_a_file_or_standard_input_and_unnamed_limits_stay() {
    let Some(node) = node().filter(|_| version_1()) else {
        return;
    };
    let box_id = up(&node);
    assert_eq!(node.call(&["update", "--memory", "99M", &box_id]).code, 0);
    let resources = |shares: u32| {
        json!({
            "memory": { "limit": 0, "kernel": 0 }, "pids": { "limit": 0 }, "blockIO": { "weight": 0 },
            "cpu": { "shares": shares, "quota": 0, "cpus": "", "mems": "" }
        })
        .to_string()
    };
    let path = node.path().join("resources.json");
    fs::write(&path, resources(300)).expect("file");
    let given = path.to_str().expect("path");
    let said = node.call(&["update", "--cpu-shares", "5", "-r", given, &box_id]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(file(&box_id, "cpu.shares"), "300");
    for (shares, words) in [
        (301, ["--resources", "-"].as_slice()),
        (302, &["--resources=-"]),
    ] {
        let mut command = node.command(&["update"]);
        command.args(words).arg(&box_id).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the runtime runs");
        let mut input = child.stdin.take().expect("a pipe");
        input
            .write_all(resources(shares).as_bytes())
            .expect("write");
        drop(input);
        assert!(child.wait().expect("wait").success());
        assert_eq!(file(&box_id, "cpu.shares"), shares.to_string());
    }
    assert_eq!(
        file(&box_id, "memory.limit_in_bytes"),
        (99 << 20).to_string()
    );
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn what_cannot_be_changed_is_refused_with_a_sentence() {
    let Some(node) = node() else { return };
    let box_id = up(&node);
    let path = node.path().join("resources.json");
    let given = path.to_str().expect("path");
    for (flags, words) in [
        ("--l3-cache-schema L3:0=f", "Intel RDT"),
        ("--mem-bw-schema MB:0=20", "Intel RDT"),
        ("--pids-limit 99999", "cannot lift the limit of processes"),
        ("--cpuset-cpus 4095", "cpuset"),
        ("--resources /nonexistent", "cannot read `/nonexistent`"),
        (&format!("--resources {given}"), "not valid"),
    ] {
        fs::write(&path, "{\"memory\": [").expect("file");
        let mut args = vec!["update"];
        args.extend(flags.split(' '));
        args.push(&box_id);
        let said = node.call(&args);
        assert_eq!(said.code, 1, "{flags}");
        assert!(said.err.contains(words), "{flags}: {}", said.err);
    }
    for flags in ["--memory 12x", "--cpu-idle 2", "--memory -5"] {
        let mut args = vec!["update"];
        args.extend(flags.split(' '));
        args.push(&box_id);
        assert_eq!(node.call(&args).code, 1, "{flags}");
    }
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
    assert!(
        node.call(&["update", "--memory", "1G", &box_id])
            .err
            .contains("does not exist")
    );
}

#[test]
fn an_update_of_memory_leaves_a_killer_that_is_off() {
    let Some(node) = node().filter(|_| version_1()) else {
        return;
    };
    let node = node.under("unconfined");
    let box_id = up(&node);
    let off = "{\"memory\":{\"limit\":104857600,\"disableOOMKiller\":true}}";
    fs::write(node.path().join("off.json"), off).expect("file");
    let given = node.path().join("off.json");
    let given = given.to_str().expect("path");
    assert_eq!(node.call(&["update", "-r", given, &box_id]).code, 0);
    assert!(file(&box_id, "memory.oom_control").contains("oom_kill_disable 1"));
    assert_eq!(node.call(&["update", "--memory", "200M", &box_id]).code, 0);
    assert!(file(&box_id, "memory.oom_control").contains("oom_kill_disable 1"));
    assert_eq!(node.call(&["delete", "--force", &box_id]).code, 0);
}

#[test]
fn a_created_and_a_frozen_box_are_updated_where_they_stand() {
    let Some(node) = node().filter(|_| version_1()) else {
        return;
    };
    let box_id = id();
    node.config("sleep 60", |_| {});
    let created = node.create(&box_id);
    assert_eq!(created.code, 0, "{}", created.err);
    let change = |shares: &str, status: &str| {
        let said = node.call(&["update", &box_id, "--cpu-shares", shares]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(file(&box_id, "cpu.shares"), shares);
        let state = node.call(&["state", &box_id]).out;
        assert!(state.contains(&format!("\"{status}\"")), "{state}");
    };
    change("100", "created");
    assert_eq!(node.call(&["start", &box_id]).code, 0);
    assert_eq!(node.call(&["pause", &box_id]).code, 0);
    change("200", "paused");
    assert_eq!(file(&box_id, "freezer.state"), "FROZEN");
    assert_eq!(node.call(&["resume", &box_id]).code, 0);
    change("300", "running");
    assert_eq!(node.call(&["kill", &box_id, "KILL"]).code, 0);
    while node.call(&["state", &box_id]).out.contains("\"running\"") {}
    let said = node.call(&["update", &box_id, "--cpu-shares", "400"]);
    assert!(said.err.contains("container not running"), "{}", said.err);
    assert_eq!(node.call(&["delete", &box_id]).code, 0);
}
