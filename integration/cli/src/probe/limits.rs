//! The limits of a living process, from its cgroups: what is in force, whoever set it.

use std::path::{Path, PathBuf};

use nemoclaw_policy::policy::{cpu_words, size_words};
use serde::Serialize;

/// Where cgroups are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// More than this is no limit: version 1 says a number near the largest.
const NO_LIMIT: u64 = 1 << 62;

/// Its limits; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Bytes of memory, without swap.
    pub memory: Option<u64>,
    /// Thousandths of a CPU.
    pub cpu_milli: Option<u32>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Open files of the process.
    pub nofile: Option<u64>,
}

impl Limits {
    /// Read them; `None` when the process is gone.
    pub fn of(pid: i32) -> Option<Self> {
        let text = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let cgroups = text("cgroup")?;
        let read = |controller: &str, file: &str| {
            let directory = directory(&cgroups, controller)?;
            let text = std::fs::read_to_string(directory.join(file)).ok()?;
            Some(text.trim().to_owned())
        };
        let either = |controller: &str, first: &str, second: &str| {
            read(controller, first).or_else(|| read(controller, second))
        };
        let time = read("cpu", "cpu.max").or_else(|| {
            let quota = read("cpu", "cpu.cfs_quota_us")?;
            Some(format!("{quota} {}", read("cpu", "cpu.cfs_period_us")?))
        });
        Some(Self {
            memory: either("memory", "memory.max", "memory.limit_in_bytes")
                .and_then(|text| number(&text)),
            cpu_milli: time.and_then(|text| milli(&text)),
            pids: read("pids", "pids.max").and_then(|text| number(&text)),
            nofile: text("limits").and_then(|text| open_files(&text)),
        })
    }

    /// In words.
    pub fn words(&self) -> String {
        let all = [
            self.memory
                .map(|bytes| format!("memory {}", size_words(bytes))),
            self.cpu_milli
                .map(|milli| format!("cpu {}", cpu_words(milli))),
            self.pids.map(|count| format!("pids {count}")),
            self.nofile.map(|count| format!("nofile {count}")),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The directory of the cgroup that has the controller, from the text of `/proc/PID/cgroup`.
fn directory(cgroups: &str, controller: &str) -> Option<PathBuf> {
    let lines = cgroups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let mut second = None;
    for (names, path) in lines {
        let path = path.trim_start_matches('/');
        if names.split(',').any(|name| name == controller) {
            return Some(Path::new(ROOT).join(controller).join(path));
        }
        if names.is_empty() {
            second = Some(Path::new(ROOT).join(path));
        }
    }
    second
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number| *number < NO_LIMIT)
}

/// `quota period`, as thousandths of a CPU.
fn milli(text: &str) -> Option<u32> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period) = (number(quota)?, number(period)?);
    let milli = u128::from(quota) * 1000 / u128::from(period.max(1));
    u32::try_from(milli).ok()
}

/// The hard limit, from the text of `/proc/PID/limits`.
fn open_files(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let rest = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controllers_cgroup_is_found_in_both_versions() {
        let first = "9:memory:/nemoclaw/a\n4:cpu,cpuacct:/nemoclaw/a\n0::/other\n";
        let at = |text, controller| directory(text, controller).unwrap();
        assert_eq!(
            at(first, "memory"),
            Path::new("/sys/fs/cgroup/memory/nemoclaw/a")
        );
        assert_eq!(at(first, "cpu"), Path::new("/sys/fs/cgroup/cpu/nemoclaw/a"));
        assert_eq!(
            at("0::/nemoclaw/a\n", "cpu"),
            Path::new("/sys/fs/cgroup/nemoclaw/a")
        );
        assert_eq!(directory("", "cpu"), None);
    }

    #[test]
    fn what_is_no_limit_is_none() {
        for text in ["max", "-1", "9223372036854771712", ""] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(milli("max 100000"), None);
        assert_eq!(milli("-1 100000"), None);
        assert_eq!(milli("150000 100000"), Some(1500));
        let text =
            "Max open files            1024                 20000                files     \n";
        assert_eq!(open_files(text), Some(20_000));
    }

    #[test]
    fn the_words_name_what_is_limited() {
        let limits = Limits {
            memory: Some(64 << 20),
            cpu_milli: Some(500),
            pids: Some(60),
            nofile: None,
        };
        assert_eq!(limits.words(), "memory 64 MiB, cpu 0.5, pids 60");
    }
}
