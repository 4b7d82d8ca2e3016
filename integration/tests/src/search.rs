//! Looking for a word in all that a box has, from the host.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Whether a process's readable memory holds `word`, seen from the host.
///
/// # Panics
/// When its memory cannot be opened.
pub fn memory_holds(pid: i32, word: &str) -> bool {
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else {
        return false;
    };
    let memory = File::open(format!("/proc/{pid}/mem")).expect("memory");
    maps.lines()
        .filter(|line| line.contains(" r") && !line.contains("[v"))
        .filter_map(|line| {
            let (from, to) = line.split(' ').next()?.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            Some((number(from)?, number(to)?))
        })
        .any(|(from, to)| {
            let mut bytes = vec![0; usize::try_from(to - from).expect("a size")];
            let read = memory.read_at(&mut bytes, from).unwrap_or(0);
            bytes[..read]
                .windows(word.len())
                .any(|window| window == word.as_bytes())
        })
}

/// The processes that share the namespace of process ids with `init`.
///
/// # Panics
/// When it does not live.
pub fn processes_beside(init: i32) -> Vec<i32> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(init);
    assert!(own.is_some(), "the box must live");
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| namespace(*pid) == own)
        .collect()
}
