//! The numbers of version 1.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::{Branch, files};
use super::{BlkioEntry, CpuSet, HugeTlb, MemoryEntry, Numbers, Usage};

/// A tick of `cpuacct.stat` in nanoseconds: programs are told of 100 a second whatever the kernel counts.
const TICK: u64 = 10_000_000;

/// Add what the controllers of a hierarchy count.
pub(super) fn add(numbers: &mut Numbers, branch: &Branch) {
    let directory = branch.directory.as_path();
    for controller in &branch.hierarchy.controllers {
        match controller.as_str() {
            "cpu" => throttling(numbers, directory),
            "cpuacct" => numbers.cpu.usage = usage(directory),
            "cpuset" => numbers.cpuset = sets(directory),
            "memory" => memory(numbers, directory),
            "pids" => pids(numbers, directory),
            "blkio" => block(numbers, directory),
            "hugetlb" => numbers.hugetlb = pages(directory, "max_usage_in_bytes", "usage_in_bytes"),
            _ => {}
        }
    }
}

fn throttling(numbers: &mut Numbers, directory: &Path) {
    let text = files::read(directory, "cpu.stat").unwrap_or_default();
    let counter = |name| files::counter(&text, name).unwrap_or(0);
    numbers.cpu.throttling.periods = counter("nr_periods");
    numbers.cpu.throttling.throttled_periods = counter("nr_throttled");
    numbers.cpu.throttling.throttled_time = counter("throttled_time");
}

fn usage(directory: &Path) -> Usage {
    let text = files::read(directory, "cpuacct.stat").unwrap_or_default();
    let time = |name| {
        files::counter(&text, name)
            .unwrap_or(0)
            .saturating_mul(TICK)
    };
    let all = files::read(directory, "cpuacct.usage_all").unwrap_or_default();
    // Its first line has the names of the columns.
    let column = |index: usize| -> Vec<u64> {
        let rows = all.lines().skip(1);
        rows.filter_map(|row| row.split_whitespace().nth(index)?.parse().ok())
            .collect()
    };
    let each = files::read(directory, "cpuacct.usage_percpu").unwrap_or_default();
    Usage {
        total: files::number(directory, "cpuacct.usage").unwrap_or(0),
        percpu: each
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect(),
        percpu_kernel: column(2),
        percpu_user: column(1),
        kernel: time("system"),
        user: time("user"),
    }
}

fn memory(numbers: &mut Numbers, directory: &Path) {
    let entry = |prefix: &str| {
        let number =
            |name: &str| files::number(directory, &format!("memory.{prefix}{name}")).unwrap_or(0);
        MemoryEntry {
            limit: number("limit_in_bytes"),
            usage: number("usage_in_bytes"),
            max: number("max_usage_in_bytes"),
            failcnt: number("failcnt"),
        }
    };
    numbers.memory.usage = entry("");
    numbers.memory.swap = entry("memsw.");
    numbers.memory.kernel = entry("kmem.");
    numbers.memory.kernel_tcp = entry("kmem.tcp.");
    numbers.memory.raw = table(&files::read(directory, "memory.stat").unwrap_or_default());
    numbers.memory.cache = numbers.memory.raw.get("cache").copied().unwrap_or(0);
}

/// A text of names and numbers.
pub(super) fn table(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter_map(|(name, number)| Some((name.to_owned(), number.trim().parse().ok()?)))
        .collect()
}

/// Processes; the same files in both versions.
pub(super) fn pids(numbers: &mut Numbers, directory: &Path) {
    numbers.pids.current = files::number(directory, "pids.current").unwrap_or(0);
    // No limit is zero, as with runc.
    let limit = files::number(directory, "pids.max").unwrap_or(0);
    numbers.pids.limit = if limit == u64::MAX { 0 } else { limit };
}

fn block(numbers: &mut Numbers, directory: &Path) {
    let blkio = &mut numbers.blkio;
    for (list, name) in [
        (&mut blkio.io_service_bytes_recursive, "io_service_bytes"),
        (&mut blkio.io_serviced_recursive, "io_serviced"),
    ] {
        // Whichever scheduler counts it, else the throttle, which always does.
        let counted = [
            format!("blkio.bfq.{name}_recursive"),
            format!("blkio.{name}_recursive"),
            format!("blkio.throttle.{name}_recursive"),
            format!("blkio.throttle.{name}"),
        ];
        let found = counted
            .iter()
            .map(|file| entries(&files::read(directory, file).unwrap_or_default()));
        *list = found
            .into_iter()
            .find(|entries| !entries.is_empty())
            .unwrap_or_default();
    }
    for (list, name) in [
        (&mut blkio.io_queue_recursive, "io_queued"),
        (&mut blkio.io_service_time_recursive, "io_service_time"),
        (&mut blkio.io_wait_time_recursive, "io_wait_time"),
        (&mut blkio.io_merged_recursive, "io_merged"),
        (&mut blkio.io_time_recursive, "time"),
        (&mut blkio.sectors_recursive, "sectors"),
    ] {
        let text = files::read(directory, &format!("blkio.{name}_recursive"));
        *list = entries(&text.unwrap_or_default());
    }
}

/// Lines `8:0 Read 4096`, or without the word; the line of the total belongs to no device.
fn entries(text: &str) -> Vec<BlkioEntry> {
    let entry = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = words.next()?.split_once(':')?;
        let mut rest: Vec<&str> = words.collect();
        let value = rest.pop()?.parse().ok()?;
        Some(BlkioEntry {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            op: rest.first().map(|word| (*word).to_owned()),
            value,
        })
    };
    text.lines().filter_map(entry).collect()
}

/// Huge pages by their size, which is a part of the names of files.
pub(super) fn pages(directory: &Path, most: &str, usage: &str) -> BTreeMap<String, HugeTlb> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix("hugetlb.")) else {
            continue;
        };
        let Some(size) = rest.strip_suffix(&format!(".{usage}")) else {
            continue;
        };
        if size.contains('.') {
            continue;
        }
        let number =
            |what: &str| files::number(directory, &format!("hugetlb.{size}.{what}")).unwrap_or(0);
        let failed = files::read(directory, &format!("hugetlb.{size}.events")).ok();
        let failcnt = match failed {
            Some(text) => files::counter(&text, "max").unwrap_or(0),
            None => number("failcnt"),
        };
        all.insert(
            size.to_owned(),
            HugeTlb {
                usage: number(usage),
                max: number(most),
                failcnt,
            },
        );
    }
    all
}

fn sets(directory: &Path) -> CpuSet {
    let text = |name: &str| files::read(directory, &format!("cpuset.{name}")).unwrap_or_default();
    let number = |name: &str| text(name).trim().parse().unwrap_or(0);
    CpuSet {
        cpus: list(&text("cpus")),
        cpu_exclusive: number("cpu_exclusive"),
        mems: list(&text("mems")),
        mem_hardwall: number("mem_hardwall"),
        mem_exclusive: number("mem_exclusive"),
        memory_migrate: number("memory_migrate"),
        memory_spread_page: number("memory_spread_page"),
        memory_spread_slab: number("memory_spread_slab"),
        memory_pressure: number("memory_pressure"),
        sched_load_balance: number("sched_load_balance"),
        sched_relax_domain_level: text("sched_relax_domain_level").trim().parse().unwrap_or(0),
    }
}

/// `0-2,5` as numbers.
fn list(text: &str) -> Vec<u16> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<u16>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_written_out() {
        assert_eq!(list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(list("\n"), [0_u16; 0]);
    }

    #[test]
    fn a_device_has_a_number_for_each_thing_that_was_done() {
        let found = entries("8:0 Read 4096\n8:0 Write 1\n252:3 77\nTotal 4097\n");
        let line = |entry: &BlkioEntry| {
            let op = entry.op.as_deref().unwrap_or("-");
            format!("{}:{} {op} {}", entry.major, entry.minor, entry.value)
        };
        assert_eq!(
            found.iter().map(line).collect::<Vec<_>>(),
            ["8:0 Read 4096", "8:0 Write 1", "252:3 - 77"]
        );
    }

    #[test]
    fn time_is_told_in_nanoseconds_and_for_each_cpu() {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("cpuacct.stat", "user 12\nsystem 3\n"),
            ("cpuacct.usage", "150000000\n"),
            ("cpuacct.usage_percpu", "100 50 \n"),
            ("cpuacct.usage_all", "cpu user system\n0 70 30\n1 50 0\n"),
        ] {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let usage = usage(directory.path());
        assert_eq!((usage.user, usage.kernel), (120_000_000, 30_000_000));
        assert_eq!((usage.total, usage.percpu), (150_000_000, vec![100, 50]));
        assert_eq!(usage.percpu_user, [70, 50]);
        assert_eq!(usage.percpu_kernel, [30, 0]);
    }
}
