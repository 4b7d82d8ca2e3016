//! Many boxes, one after another and at once.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::rounds;
use crate::harness::{Node, cgroups, id, node};

/// Boxes made and removed one after another.
const CYCLES: usize = 10_000;
/// Boxes that sleep at once.
const CROWD: usize = 500;
/// What others on this machine may open or need meanwhile.
const OTHERS_FILES: u64 = 1_000;
const OTHERS_MEMORY: u64 = 64 << 10;

#[test]
fn boxes_made_and_removed_by_thousands_leave_files_and_memory_flat() {
    let Some(node) = node() else { return };
    node.config("exec sleep 600", |_| {});
    let cycle = |count: usize| {
        for _ in 0..count {
            let box_id = id();
            let said = node.create(&box_id);
            assert_eq!(said.code, 0, "{}", said.err);
            let said = node.call(&["delete", "--force", &box_id]);
            assert_eq!(said.code, 0, "{}", said.err);
            fs::remove_file(node.path().join(format!("{box_id}.err"))).expect("removed");
            node.assert_nothing_left(&box_id);
        }
    };
    let cycles = rounds(CYCLES);
    // The kernel keeps caches, which the first rounds fill.
    cycle(cycles / 10);
    let before = machine();
    let begun = Instant::now();
    cycle(cycles);
    let after = machine();
    let each = begun.elapsed().as_secs_f64() * 1e3 / cycles as f64;
    eprintln!("{cycles} boxes, {each:.1} ms each: before {before:?}, after {after:?}");
    assert!(after.files < before.files + OTHERS_FILES);
    assert!(after.slab < before.slab + OTHERS_MEMORY);
    assert_empty(&node);
}

#[test]
fn hundreds_of_sleeping_boxes_live_at_once() {
    let Some(node) = node() else { return };
    node.config("exec sleep 600", |_| {});
    let all: Vec<String> = (0..rounds(CROWD)).map(|_| id()).collect();
    let before = available();
    let timed = |what: &str, step: &dyn Fn(&String)| {
        let begun = Instant::now();
        all.iter().for_each(step);
        let each = begun.elapsed().as_secs_f64() * 1e3 / all.len() as f64;
        eprintln!("{} boxes, {what}: {each:.1} ms each", all.len());
    };
    timed("create and start", &|id| node.up(id));
    let each = before.saturating_sub(available()) / all.len() as u64;
    eprintln!("{} boxes, memory: {each} KiB each", all.len());
    let begun = Instant::now();
    let listed = node.call(&["list", "--quiet"]);
    assert_eq!(listed.code, 0, "{}", listed.err);
    eprintln!("list: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5));
    let names: Vec<&str> = listed.out.lines().collect();
    assert!(all.iter().all(|id| names.contains(&id.as_str())));
    assert_eq!(names.len(), all.len());
    for id in all.iter().step_by(10) {
        let said = node.call(&["exec", id, "echo", "in"]);
        assert_eq!((said.out.as_str(), said.code), ("in\n", 0), "{}", said.err);
    }
    timed("delete", &|id| {
        let said = node.call(&["delete", "--force", id]);
        assert_eq!(said.code, 0, "{}", said.err);
    });
    all.iter().for_each(|id| node.assert_nothing_left(id));
    assert_empty(&node);
}

#[derive(Debug)]
struct Machine {
    /// Open files.
    files: u64,
    /// The kernel's memory that it cannot give back, in KiB.
    slab: u64,
}

fn machine() -> Machine {
    let files = fs::read_to_string("/proc/sys/fs/file-nr").expect("readable");
    let files = files.split_whitespace().next().expect("a number");
    Machine {
        files: files.parse().expect("a number"),
        slab: memory("SUnreclaim:"),
    }
}

fn available() -> u64 {
    memory("MemAvailable:")
}

fn memory(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("readable");
    let line = text.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("a line").parse().expect("a number")
}

/// No state, cgroup or mount of this test's.
fn assert_empty(node: &Node) {
    let boxes = fs::read_dir(node.path().join("state/boxes")).expect("boxes");
    assert_eq!(boxes.count(), 0);
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    assert!(!mounts.contains(node.path().to_str().expect("path")));
    let own = format!("ncb-{}-", std::process::id());
    for parent in cgroups("").iter().filter(|path| Path::is_dir(path)) {
        let left = fs::read_dir(parent).expect("cgroups").flatten();
        let left = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&own));
        assert_eq!(left.count(), 0, "{}", parent.display());
    }
}
