//! The numbers of version 2, in the units and under the names of version 1 that readers of `events` know.

use std::path::Path;

use super::super::{Branch, files};
use super::{BlkioEntry, MemoryEntry, Numbers, first};

/// Version 2 counts in microseconds.
const MICROSECOND: u64 = 1000;

/// Add what the controllers of the hierarchy count.
pub(super) fn add(numbers: &mut Numbers, branch: &Branch) {
    let directory = branch.directory.as_path();
    if !branch.optional {
        // Counted without a controller too.
        time(numbers, directory);
    }
    for controller in &branch.hierarchy.controllers {
        match controller.as_str() {
            "memory" => memory(numbers, directory),
            "pids" => first::pids(numbers, directory),
            "io" => block(numbers, directory),
            "hugetlb" => numbers.hugetlb = first::pages(directory, "max", "current"),
            _ => {}
        }
    }
}

fn time(numbers: &mut Numbers, directory: &Path) {
    let text = files::read(directory, "cpu.stat").unwrap_or_default();
    let counter = |name| files::counter(&text, name).unwrap_or(0);
    let time = |name| counter(name).saturating_mul(MICROSECOND);
    numbers.cpu.usage.total = time("usage_usec");
    numbers.cpu.usage.user = time("user_usec");
    numbers.cpu.usage.kernel = time("system_usec");
    numbers.cpu.throttling.periods = counter("nr_periods");
    numbers.cpu.throttling.throttled_periods = counter("nr_throttled");
    numbers.cpu.throttling.throttled_time = time("throttled_usec");
}

fn memory(numbers: &mut Numbers, directory: &Path) {
    let entry = |prefix: &str| {
        let number =
            |name: &str| files::number(directory, &format!("memory.{prefix}{name}")).unwrap_or(0);
        MemoryEntry {
            limit: number("max"),
            usage: number("current"),
            max: number("peak"),
            failcnt: 0,
        }
    };
    let memory = entry("");
    let swap = entry("swap.");
    // Version 1 counts both together.
    numbers.memory.swap = MemoryEntry {
        limit: memory.limit.saturating_add(swap.limit),
        usage: memory.usage.saturating_add(swap.usage),
        max: 0,
        failcnt: 0,
    };
    numbers.memory.usage = memory;
    numbers.memory.raw = first::table(&files::read(directory, "memory.stat").unwrap_or_default());
    numbers.memory.cache = numbers.memory.raw.get("file").copied().unwrap_or(0);
}

fn block(numbers: &mut Numbers, directory: &Path) {
    let text = files::read(directory, "io.stat").unwrap_or_default();
    for (major, minor, name, value) in text.lines().flat_map(fields) {
        let blkio = &mut numbers.blkio;
        let (list, op) = match name {
            "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
            "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
            "dbytes" => (&mut blkio.io_service_bytes_recursive, "Discard"),
            "rios" => (&mut blkio.io_serviced_recursive, "Read"),
            "wios" => (&mut blkio.io_serviced_recursive, "Write"),
            "dios" => (&mut blkio.io_serviced_recursive, "Discard"),
            _ => continue,
        };
        list.push(BlkioEntry {
            major,
            minor,
            op: Some(op.to_owned()),
            value,
        });
    }
}

/// The fields of a line `8:0 rbytes=1 wbytes=2`.
fn fields(line: &str) -> Vec<(u64, u64, &str, u64)> {
    let mut words = line.split_whitespace();
    let device = words.next().and_then(|device| device.split_once(':'));
    let device = device.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let Some((major, minor)) = device else {
        return Vec::new();
    };
    words
        .filter_map(|word| word.split_once('='))
        .filter_map(|(name, value)| Some((major, minor, name, value.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_calls_of_a_device_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0 \n";
        std::fs::write(directory.path().join("io.stat"), text).unwrap();
        let mut numbers = Numbers::default();
        block(&mut numbers, directory.path());
        let values = |entries: &[BlkioEntry]| -> Vec<(String, u64)> {
            let pair = |entry: &BlkioEntry| (entry.op.clone().unwrap_or_default(), entry.value);
            entries.iter().map(pair).collect()
        };
        let pairs = |numbers: [u64; 3]| {
            ["Read", "Write", "Discard"]
                .map(str::to_owned)
                .into_iter()
                .zip(numbers)
                .collect::<Vec<_>>()
        };
        let blkio = &numbers.blkio;
        assert_eq!(values(&blkio.io_service_bytes_recursive), pairs([1, 2, 5]));
        assert_eq!(values(&blkio.io_serviced_recursive), pairs([3, 4, 6]));
    }

    #[test]
    fn swap_is_told_together_with_memory() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("memory.current", "10\n"),
            ("memory.max", "max\n"),
            ("memory.swap.current", "5\n"),
            ("memory.swap.max", "7\n"),
            ("memory.stat", "anon 4\nfile 6\n"),
        ] {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let mut numbers = Numbers::default();
        memory(&mut numbers, directory.path());
        assert_eq!((numbers.memory.usage.usage, numbers.memory.cache), (10, 6));
        assert_eq!(numbers.memory.usage.limit, u64::MAX);
        assert_eq!(numbers.memory.swap.usage, 15);
        assert_eq!(numbers.memory.swap.limit, u64::MAX);
    }
}
