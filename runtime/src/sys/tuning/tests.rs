//! What is set is what the kernel then says of the process.

use oci_spec::runtime::{Linux, Process};
use serde_json::{Value, json};

use super::*;
use crate::raise::tuning::{affinity, apply};
use crate::sys::fork::answer_of;

/// What `look` finds in a process of its own that has the configuration's settings, or why they were refused.
fn with(process: Value, linux: Value, look: impl FnOnce() -> String) -> String {
    let mut whole = json!({ "cwd": "/", "user": { "uid": 0, "gid": 0 }, "args": ["true"] });
    whole
        .as_object_mut()
        .expect("an object")
        .extend(process.as_object().expect("an object").clone());
    let process: Process = serde_json::from_value(whole).expect("process");
    let linux: Linux = serde_json::from_value(linux).expect("linux");
    let found = answer_of(|| match apply(&process, Some(&linux)) {
        Ok(()) => look().into_bytes(),
        Err(error) => error.to_string().into_bytes(),
    });
    String::from_utf8(found.expect("lives")).expect("text")
}

/// A line of `/proc/self/sched`.
fn line(name: &str) -> String {
    let all = std::fs::read_to_string("/proc/self/sched").expect("readable");
    let line = all.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().last())
        .expect(name)
        .to_owned()
}

fn scheduling() -> Scheduling {
    let mut found = Scheduling::default();
    // SAFETY: `found` is as large as the kernel is told, and lives until the call returns.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            SELF,
            &raw mut found,
            size_of::<Scheduling>(),
            0,
        )
    };
    assert_eq!(result, 0);
    found
}

#[test]
fn a_policy_that_shares_gets_its_nice_value_and_flags() {
    let scheduler = json!({ "policy": "SCHED_BATCH", "nice": 5, "flags": ["SCHED_RESET_ON_FORK"] });
    let found = with(json!({ "scheduler": scheduler }), json!({}), || {
        let set = scheduling();
        format!(
            "{} {} {} {}",
            set.policy,
            set.nice,
            set.flags,
            line("policy")
        )
    });
    assert_eq!(found, "3 5 1 3");
}

#[test]
fn real_time_and_deadlines_are_set_or_the_missing_right_is_named() {
    let fifo = json!({ "policy": "SCHED_FIFO", "priority": 7 });
    let deadline = json!({ "policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 10_000_000, "period": 20_000_000 });
    for (scheduler, set) in [
        (fifo, "1 7 0 0 0"),
        (deadline, "6 0 1000000 10000000 20000000"),
    ] {
        let found = with(json!({ "scheduler": scheduler }), json!({}), || {
            let set = scheduling();
            format!(
                "{} {} {} {} {}",
                set.policy, set.priority, set.runtime, set.deadline, set.period
            )
        });
        assert!(found == set || found.contains("CAP_SYS_NICE"), "{found}");
    }
}

#[test]
fn a_scheduler_that_the_kernel_lacks_is_told_by_its_field() {
    let found = with(
        json!({ "scheduler": { "policy": "SCHED_ISO" } }),
        json!({}),
        String::new,
    );
    assert_eq!(
        found,
        "the kernel refused to set `process.scheduler` as the configuration says"
    );
}

#[test]
fn a_disk_priority_is_set() {
    let priority = json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 });
    let found = with(json!({ "ioPriority": priority }), json!({}), || {
        // SAFETY: the call takes two numbers.
        unsafe { libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, SELF) }.to_string()
    });
    assert_eq!(found, ((2 << 13) | 6).to_string());
}

#[test]
fn a_personality_is_set_with_its_flags() {
    let personality = json!({ "domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"] });
    let found = with(json!({}), json!({ "personality": personality }), || {
        // SAFETY: this number asks for the personality and changes nothing.
        format!("{:#x}", unsafe { libc::personality(0xffff_ffff) })
    });
    assert_eq!(found, "0x40008");
}

#[test]
fn a_memory_policy_is_set_with_its_nodes() {
    let policy = json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"] });
    let found = with(json!({}), json!({ "memoryPolicy": policy }), || {
        let (mut mode, mut nodes) = (0, [0_u64; 16]);
        // SAFETY: `mode` is an int and `nodes` has 1024 bits; both live until the call returns.
        let result = unsafe {
            libc::syscall(
                libc::SYS_get_mempolicy,
                &raw mut mode,
                nodes.as_mut_ptr(),
                1024,
                0,
                0,
            )
        };
        format!("{result} {mode:#x} {}", nodes[0])
    });
    assert_eq!(found, "0 0x8002 1");
}

#[test]
fn nodes_that_the_machine_lacks_are_refused() {
    let policy = json!({ "mode": "MPOL_BIND", "nodes": "1000" });
    let found = with(json!({}), json!({ "memoryPolicy": policy }), String::new);
    assert!(found.contains("linux.memoryPolicy"), "{found}");
}

#[test]
fn a_process_runs_on_the_processors_of_a_list() {
    let found = answer_of(|| {
        affinity("0").expect("there is one");
        let status = std::fs::read_to_string("/proc/self/status").expect("readable");
        let line = status
            .lines()
            .find(|line| line.starts_with("Cpus_allowed_list"));
        let refused = affinity("8000").expect_err("there are fewer");
        format!("{} {refused}", line.expect("a list")).into_bytes()
    });
    let found = String::from_utf8(found.expect("lives")).expect("text");
    assert!(found.starts_with("Cpus_allowed_list:\t0 "), "{found}");
    assert!(found.contains("process.execCPUAffinity"), "{found}");
}
