//! Processor time and memory of a program with all its processes and threads.

use std::fs;

/// Nanoseconds that all threads of `pids` have run, by the scheduler's clock.
pub fn processor(pids: &[i32]) -> u64 {
    pids.iter().map(|pid| threads(*pid)).sum()
}

fn threads(pid: i32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.unwrap_or_else(|error| panic!("process {pid} is gone: {error}"));
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Bytes of memory that `pids` have, pages that they share counted once.
pub fn memory(pids: &[i32]) -> f64 {
    let kib: u64 = pids.iter().map(|pid| proportional(*pid)).sum();
    kib as f64 * 1024.0
}

fn proportional(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("smaps_rollup");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).expect("Pss")
}

/// A process and its children.
pub fn family(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    for child in children
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
    {
        all.extend(family(child));
    }
    all
}
