//! A box's numbers in the words of runc's `events`, which monitoring programs read.

use std::collections::BTreeMap;
use std::path::Path;

use libcgroups::stats::{BlkioDeviceStat, CpuUsage, MemoryData, Stats as Raw};
use serde::Serialize;

/// One line of `events`.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    /// `stats` or `oom`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The container's id.
    pub id: &'a str,
    /// The numbers; nothing for `oom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<Numbers>>,
}

/// The numbers.
#[derive(Debug, Serialize)]
pub struct Numbers {
    cpu: Cpu,
    cpuset: CpuSet,
    memory: Memory,
    pids: Pids,
    blkio: Blkio,
    hugetlb: BTreeMap<String, HugeTlb>,
    /// Nothing is measured there.
    intel_rdt: BTreeMap<String, u64>,
    /// Not measured; runc has the same where no interface of the host is the box's.
    network_interfaces: Option<Vec<u64>>,
}

#[derive(Debug, Serialize)]
struct Cpu {
    usage: Usage,
    throttling: Throttling,
}

#[derive(Debug, Serialize)]
struct Usage {
    #[serde(skip_serializing_if = "zero")]
    total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_user: Vec<u64>,
    kernel: u64,
    user: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    #[serde(skip_serializing_if = "zero")]
    periods: u64,
    #[serde(skip_serializing_if = "zero")]
    throttled_periods: u64,
    #[serde(skip_serializing_if = "zero")]
    throttled_time: u64,
}

/// Of cgroup v1; on v2 it stays empty, as with runc.
#[derive(Debug, Default, Serialize)]
pub struct CpuSet {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpus: Vec<u16>,
    cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mems: Vec<u16>,
    mem_hardwall: u64,
    mem_exclusive: u64,
    memory_migrate: u64,
    memory_spread_page: u64,
    memory_spread_slab: u64,
    memory_pressure: u64,
    sched_load_balance: u64,
    sched_relax_domain_level: i64,
}

#[derive(Debug, Serialize)]
struct Memory {
    #[serde(skip_serializing_if = "zero")]
    cache: u64,
    usage: MemoryEntry,
    swap: MemoryEntry,
    kernel: MemoryEntry,
    #[serde(rename = "kernelTCP")]
    kernel_tcp: MemoryEntry,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    raw: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct MemoryEntry {
    limit: u64,
    #[serde(skip_serializing_if = "zero")]
    usage: u64,
    #[serde(skip_serializing_if = "zero")]
    max: u64,
    failcnt: u64,
}

#[derive(Debug, Serialize)]
struct Pids {
    #[serde(skip_serializing_if = "zero")]
    current: u64,
    #[serde(skip_serializing_if = "zero")]
    limit: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_serviced_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_queue_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_wait_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_merged_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_time_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sectors_recursive: Vec<BlkioEntry>,
}

#[derive(Debug, Serialize)]
struct BlkioEntry {
    #[serde(skip_serializing_if = "zero")]
    major: u64,
    #[serde(skip_serializing_if = "zero")]
    minor: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<String>,
    #[serde(skip_serializing_if = "zero")]
    value: u64,
}

#[derive(Debug, Serialize)]
struct HugeTlb {
    #[serde(skip_serializing_if = "zero")]
    usage: u64,
    #[serde(skip_serializing_if = "zero")]
    max: u64,
    failcnt: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn zero(value: &u64) -> bool {
    *value == 0
}

/// libcgroups' numbers in runc's words.
#[must_use]
pub fn numbers(raw: Raw, cpuset: CpuSet) -> Numbers {
    let throttling = raw.cpu.throttling;
    Numbers {
        cpu: Cpu {
            usage: usage(raw.cpu.usage),
            throttling: Throttling {
                periods: throttling.periods,
                throttled_periods: throttling.throttled_periods,
                throttled_time: throttling.throttled_time,
            },
        },
        cpuset,
        memory: Memory {
            cache: raw.memory.cache,
            usage: entry(raw.memory.memory),
            swap: entry(raw.memory.memswap),
            kernel: entry(raw.memory.kernel),
            kernel_tcp: entry(raw.memory.kernel_tcp),
            raw: raw.memory.stats.into_iter().collect(),
        },
        pids: Pids {
            current: raw.pids.current,
            limit: raw.pids.limit,
        },
        blkio: Blkio {
            io_service_bytes_recursive: entries(raw.blkio.service_bytes),
            io_serviced_recursive: entries(raw.blkio.serviced),
            io_queue_recursive: entries(raw.blkio.queued),
            io_service_time_recursive: entries(raw.blkio.service_time),
            io_wait_time_recursive: entries(raw.blkio.wait_time),
            io_merged_recursive: entries(raw.blkio.merged),
            io_time_recursive: entries(raw.blkio.time),
            sectors_recursive: entries(raw.blkio.sectors),
        },
        hugetlb: raw
            .hugetlb
            .into_iter()
            .map(|(size, pages)| {
                let pages = HugeTlb {
                    usage: pages.usage,
                    max: pages.max_usage,
                    failcnt: pages.fail_count,
                };
                (size, pages)
            })
            .collect(),
        intel_rdt: BTreeMap::new(),
        network_interfaces: None,
    }
}

fn usage(raw: CpuUsage) -> Usage {
    Usage {
        total: raw.usage_total,
        percpu: raw.per_core_usage_total,
        percpu_kernel: raw.per_core_usage_kernel,
        percpu_user: raw.per_core_usage_user,
        kernel: raw.usage_kernel,
        user: raw.usage_user,
    }
}

fn entry(raw: MemoryData) -> MemoryEntry {
    MemoryEntry {
        limit: raw.limit,
        usage: raw.usage,
        max: raw.max_usage,
        failcnt: raw.fail_count,
    }
}

fn entries(raw: Vec<BlkioDeviceStat>) -> Vec<BlkioEntry> {
    let one = |stat: BlkioDeviceStat| BlkioEntry {
        major: stat.major,
        minor: stat.minor,
        op: stat.op_type,
        value: stat.value,
    };
    raw.into_iter().map(one).collect()
}

impl CpuSet {
    /// The numbers of a cpuset's directory of cgroup v1; a file that is not there counts as empty.
    #[must_use]
    pub fn read(directory: &Path) -> CpuSet {
        let text = |name: &str| {
            let path = directory.join(format!("cpuset.{name}"));
            std::fs::read_to_string(path).unwrap_or_default()
        };
        let number = |name: &str| text(name).trim().parse().unwrap_or(0);
        CpuSet {
            cpus: numbers_of(&text("cpus")),
            cpu_exclusive: number("cpu_exclusive"),
            mems: numbers_of(&text("mems")),
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
}

/// `0-2,5` as numbers.
fn numbers_of(list: &str) -> Vec<u16> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<u16>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cpus_is_written_out() {
        assert_eq!(numbers_of("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(numbers_of("\n"), [0_u16; 0]);
    }

    #[test]
    fn an_idle_box_has_runcs_keys() {
        let event = Event {
            kind: "stats",
            id: "a",
            data: Some(Box::new(numbers(Raw::default(), CpuSet::default()))),
        };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            "{\"type\":\"stats\",\"id\":\"a\",\"data\":{\"cpu\":{\"usage\":{\"kernel\":0,\"user\":0},\"throttling\":{}},\
             \"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,\"memory_migrate\":0,\
             \"memory_spread_page\":0,\"memory_spread_slab\":0,\"memory_pressure\":0,\"sched_load_balance\":0,\
             \"sched_relax_domain_level\":0},\"memory\":{\"usage\":{\"limit\":0,\"failcnt\":0},\
             \"swap\":{\"limit\":0,\"failcnt\":0},\"kernel\":{\"limit\":0,\"failcnt\":0},\
             \"kernelTCP\":{\"limit\":0,\"failcnt\":0}},\"pids\":{},\"blkio\":{},\"hugetlb\":{},\"intel_rdt\":{},\
             \"network_interfaces\":null}}"
        );
    }
}
