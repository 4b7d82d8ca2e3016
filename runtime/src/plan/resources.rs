//! The policy's `resources` and the engine's: a box has the lesser of both, at create and in every `update`.

use nemoclaw_policy::policy::{Resources, cpu_words, size_words};
use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};
use serde::{Deserialize, Serialize};

use super::Refusal;

/// The period of a box whose engine names none, and of a quota that would be too short in the engine's: the kernel's own,
/// in microseconds.
const PERIOD: u64 = 100_000;
/// The shortest quota that the kernel takes.
const LEAST_QUOTA: i64 = 1000;
/// Files of the `unified` map that mean what these fields mean too.
const MEMORY_MAX: &str = "memory.max";
const SWAP_MAX: &str = "memory.swap.max";
const CPU_MAX: &str = "cpu.max";
const CPU_BURST: &str = "cpu.max.burst";

/// The most that a box may have, whatever an `update` asks. Kept in the box's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Processes; 0 = no limit of ours (`unconfined`).
    pub pids: i64,
    /// By the policy, like all that follow: bytes of memory, swap included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Thousandths of a CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_milli: Option<u32>,
    /// Open files of a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nofile: Option<u32>,
    /// Bytes in `/sandbox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<u64>,
    /// Bytes in `/tmp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tmp: Option<u64>,
}

/// CPU time that a cgroup has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTime {
    /// Microseconds in a period; below zero = no limit.
    pub quota: i64,
    /// Microseconds.
    pub period: u64,
}

impl Default for CpuTime {
    fn default() -> CpuTime {
        CpuTime {
            quota: -1,
            period: PERIOD,
        }
    }
}

impl CpuTime {
    fn exceeds(self, milli: u32) -> bool {
        self.quota < 0
            || i128::from(self.quota) * 1000 > i128::from(milli) * i128::from(self.period)
    }

    /// All of `milli`, in this period where it is long enough.
    fn whole(self, milli: u32) -> CpuTime {
        let of = |period: u64| {
            let quota = u128::from(milli) * u128::from(period) / 1000;
            i64::try_from(quota).unwrap_or(i64::MAX)
        };
        let period = if of(self.period) < LEAST_QUOTA {
            PERIOD
        } else {
            self.period
        };
        CpuTime {
            quota: of(period),
            period,
        }
    }
}

impl ResourceLimits {
    /// What the policy says; without a word of its own on processes, `pids`.
    pub fn of(policy: &Resources, pids: i64) -> ResourceLimits {
        ResourceLimits {
            pids: policy.pids.map_or(pids, i64::from),
            // The reader takes at most 1 PiB.
            memory: policy
                .memory
                .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            cpu_milli: policy.cpu_milli,
            nofile: policy.nofile,
            sandbox: policy.disk.sandbox,
            tmp: policy.disk.tmp,
        }
    }

    /// In words, for `state`; without the processes where no limit is ours.
    #[must_use]
    pub fn words(&self) -> String {
        let all = [
            self.memory
                .and_then(|bytes| u64::try_from(bytes).ok())
                .map(|bytes| format!("memory {}", size_words(bytes))),
            self.cpu_milli
                .map(|milli| format!("cpu {}", cpu_words(milli))),
            (self.pids > 0).then(|| format!("pids {}", self.pids)),
            self.nofile.map(|count| format!("nofile {count}")),
            self.sandbox
                .map(|bytes| format!("/sandbox {}", size_words(bytes))),
            self.tmp.map(|bytes| format!("/tmp {}", size_words(bytes))),
        ];
        all.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The lesser of what the engine gives a new box and of these.
    pub fn lessened(&self, given: &LinuxResources, remarks: &mut Vec<String>) -> LinuxResources {
        let mut planned = self.unfolded(given);
        if let Some(most) = self.memory {
            let mut memory = planned.memory().unwrap_or_default();
            let lesser = |asked: Option<i64>| {
                asked
                    .filter(|asked| *asked > 0)
                    .map_or(most, |asked| asked.min(most))
            };
            let (limit, swap) = (lesser(memory.limit()), lesser(memory.swap()));
            memory.set_limit(Some(limit)).set_swap(Some(swap));
            planned.set_memory(Some(memory));
        }
        if let Some(most) = self.cpu_milli {
            let mut cpu = planned.cpu().clone().unwrap_or_default();
            let asked = asked_time(&cpu, CpuTime::default());
            let time = if asked.exceeds(most) {
                asked.whole(most)
            } else {
                asked
            };
            if beyond_quota(&cpu) {
                remarks.push(
                    "CPU time beyond the quota (a burst, or of real-time processes) is not given: the policy limits it"
                        .to_owned(),
                );
            }
            cpu.set_quota(Some(time.quota))
                .set_period(Some(time.period))
                .set_burst(None)
                .set_realtime_runtime(None)
                .set_realtime_period(None);
            planned.set_cpu(Some(cpu));
        }
        planned
    }

    /// An `update` that asks for more than the policy gives is refused; `now` is the CPU time in force.
    pub fn checked(
        &self,
        update: &LinuxResources,
        now: CpuTime,
        policy: &str,
    ) -> Result<LinuxResources, Refusal> {
        let mut met = self.unfolded(update);
        let beyond = |what: &'static str, limit: String| Refusal::BeyondPolicy {
            policy: policy.to_owned(),
            what,
            limit,
        };
        if let (Some(most), Some(mut memory)) = (self.memory, *met.memory()) {
            let more = |asked: Option<i64>| asked.is_some_and(|asked| asked < 0 || asked > most);
            if more(memory.limit()) || more(memory.swap()) {
                let most = u64::try_from(most).unwrap_or_default();
                return Err(beyond("memory and swap", size_words(most)));
            }
            let named = |value: Option<i64>| value.is_some_and(|value| value != 0);
            if named(memory.limit()) && !named(memory.swap()) {
                // Swap is limited apart in cgroups of version 2: left as it is, both together could be more.
                memory.set_swap(memory.limit());
                met.set_memory(Some(memory));
            }
        }
        if let (Some(most), Some(cpu)) = (self.cpu_milli, met.cpu())
            && (asked_time(cpu, now).exceeds(most) || beyond_quota(cpu))
        {
            return Err(beyond("CPU time", format!("{} CPUs", cpu_words(most))));
        }
        Ok(met)
    }

    /// What the `unified` map says of limits that the policy has too, put into the fields that mean the same: written
    /// after the rest, the map would lift them.
    fn unfolded(&self, given: &LinuxResources) -> LinuxResources {
        let mut planned = given.clone();
        let Some(map) = planned.unified_mut() else {
            return planned;
        };
        let ours = |name: &str| match name {
            MEMORY_MAX | SWAP_MAX => self.memory.is_some(),
            CPU_MAX | CPU_BURST => self.cpu_milli.is_some(),
            _ => false,
        };
        let mut taken = Vec::new();
        map.retain(|name, value| {
            let take = ours(name);
            if take {
                taken.push((name.clone(), value.clone()));
            }
            !take
        });
        taken.sort();
        for (name, value) in taken {
            match name.as_str() {
                MEMORY_MAX | SWAP_MAX => {
                    let mut memory = planned.memory().unwrap_or_default();
                    fold_memory(&mut memory, &name, &value);
                    planned.set_memory(Some(memory));
                }
                _ => {
                    let mut cpu = planned.cpu().clone().unwrap_or_default();
                    fold_cpu(&mut cpu, &name, &value);
                    planned.set_cpu(Some(cpu));
                }
            }
        }
        planned
    }
}

/// The planned number of processes: the engine's, but at most `most`; `most` where it names none.
pub fn processes(given: Option<&LinuxPids>, default: i64, most: Option<u32>) -> i64 {
    let asked = given.map(LinuxPids::limit).filter(|limit| *limit > 0);
    match (asked, most.map(i64::from)) {
        (Some(asked), Some(most)) => asked.min(most),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => default,
    }
}

/// Quota and period after `cpu` is written, where zero and nothing leave what is in force.
fn asked_time(cpu: &LinuxCpu, now: CpuTime) -> CpuTime {
    CpuTime {
        quota: cpu.quota().filter(|quota| *quota != 0).unwrap_or(now.quota),
        period: cpu
            .period()
            .filter(|period| *period != 0)
            .unwrap_or(now.period),
    }
}

/// Time that no quota counts: a burst saves it up, real-time processes have their own.
fn beyond_quota(cpu: &LinuxCpu) -> bool {
    cpu.burst().is_some_and(|burst| burst > 0)
        || cpu.realtime_runtime().is_some_and(|time| time != 0)
}

/// A number of a `cgroup` file, -1 for `max` and for what is none.
fn number(text: &str) -> i64 {
    text.trim().parse().unwrap_or(-1)
}

fn fold_memory(memory: &mut LinuxMemory, name: &str, value: &str) {
    // `memory.max` comes first: swap alone counts from it.
    if name == MEMORY_MAX {
        memory.set_limit(Some(number(value)));
        return;
    }
    let swap = match (memory.limit(), number(value)) {
        (Some(limit @ 1..), swap @ 0..) => limit.saturating_add(swap),
        _ => -1,
    };
    memory.set_swap(Some(swap));
}

fn fold_cpu(cpu: &mut LinuxCpu, name: &str, value: &str) {
    if name == CPU_BURST {
        cpu.set_burst(Some(u64::try_from(number(value)).unwrap_or(u64::MAX)));
        return;
    }
    let mut words = value.split_whitespace();
    cpu.set_quota(words.next().map(number));
    if let Some(period) = words.next().and_then(|text| text.parse().ok()) {
        cpu.set_period(Some(period));
    }
}
