//! How the kernel treats a process: scheduler, disk priority, memory nodes, personality, processors.
//!
//! All of it is kept over fork and execve, so it is set once, in the process that becomes the program, while it has the
//! rights for it.

use nix::errno::Errno;
use oci_spec::runtime::{
    IOPriorityClass, Linux, LinuxIOPriority, LinuxMemoryPolicy, LinuxPersonality,
    LinuxPersonalityDomain, LinuxSchedulerFlag, LinuxSchedulerPolicy, MemoryPolicyFlagType,
    MemoryPolicyModeType, Process, Scheduler,
};

use crate::sys::tuning::{self as kernel, Scheduling};

/// Beyond every machine; a list must not make us hold more.
const MOST_PROCESSORS: usize = 8192;
/// The kernel's limit.
const MOST_NODES: usize = 1024;
/// What `personality(2)` takes beside the domain.
const PERSONALITY_FLAGS: [(&str, libc::c_int); 11] = [
    ("UNAME26", 0x002_0000),
    ("ADDR_NO_RANDOMIZE", libc::ADDR_NO_RANDOMIZE),
    ("FDPIC_FUNCPTRS", 0x008_0000),
    ("MMAP_PAGE_ZERO", libc::MMAP_PAGE_ZERO),
    ("ADDR_COMPAT_LAYOUT", libc::ADDR_COMPAT_LAYOUT),
    ("READ_IMPLIES_EXEC", libc::READ_IMPLIES_EXEC),
    ("ADDR_LIMIT_32BIT", libc::ADDR_LIMIT_32BIT),
    ("SHORT_INODE", libc::SHORT_INODE),
    ("WHOLE_SECONDS", libc::WHOLE_SECONDS),
    ("STICKY_TIMEOUTS", libc::STICKY_TIMEOUTS),
    ("ADDR_LIMIT_3GB", libc::ADDR_LIMIT_3GB),
];

/// Why a process cannot be treated as the configuration says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuningError {
    /// The configuration's value means nothing.
    #[error("`{field}` of the configuration is not valid: {reason}")]
    Value {
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The runtime lacks the right.
    #[error(
        "setting `{field}` as the configuration says needs CAP_SYS_NICE, which the runtime does not have here"
    )]
    Right {
        /// The field.
        field: &'static str,
    },
    /// The kernel refused.
    #[error("the kernel refused to set `{field}` as the configuration says")]
    Kernel {
        /// The field.
        field: &'static str,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// Set everything that the configuration says of the calling process but its processors: when those change depends on
/// the cgroup, see [`affinity`].
///
/// # Errors
/// A value means nothing, or the kernel refuses it.
pub fn apply(process: &Process, linux: Option<&Linux>) -> Result<(), TuningError> {
    if let Some(priority) = process.io_priority() {
        let field = "process.ioPriority";
        kernel::set_io_priority(io_priority(*priority)?).map_err(refused(field))?;
    }
    if let Some(scheduler) = process.scheduler() {
        let field = "process.scheduler";
        kernel::set_scheduling(scheduling(scheduler)?).map_err(refused(field))?;
    }
    let Some(linux) = linux else { return Ok(()) };
    if let Some(policy) = linux.memory_policy() {
        let field = "linux.memoryPolicy";
        let (mode, nodes) = memory_policy(policy)?;
        kernel::set_memory_policy(mode, &nodes).map_err(refused(field))?;
    }
    if let Some(given) = linux.personality() {
        let field = "linux.personality";
        kernel::set_personality(personality(given)?).map_err(refused(field))?;
    }
    Ok(())
}

/// Let the calling process run on the processors of `list` only: `0-3,7`.
///
/// An exec'ed process gets `execCPUAffinity.initial` before it enters the box's cgroup and `final` after that.
///
/// # Errors
/// The list is not valid, or names no processor that the cgroup has.
pub fn affinity(list: &str) -> Result<(), TuningError> {
    let field = "process.execCPUAffinity";
    let processors = members(list, MOST_PROCESSORS).map_err(invalid(field))?;
    kernel::set_affinity(&processors).map_err(refused(field))
}

fn refused(field: &'static str) -> impl Fn(Errno) -> TuningError {
    move |source| match source {
        Errno::EPERM => TuningError::Right { field },
        source => TuningError::Kernel { field, source },
    }
}

fn invalid<R: Into<String>>(field: &'static str) -> impl Fn(R) -> TuningError {
    move |reason| TuningError::Value {
        field,
        reason: reason.into(),
    }
}

/// A list of numbers below `end`, `0-3,7`, as a bit for each.
fn members(list: &str, end: usize) -> Result<Vec<u64>, String> {
    let number = |text: &str| {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| plain);
        let number: usize = number.ok_or_else(|| format!("`{text}` in `{list}` is no number"))?;
        if number < end {
            Ok(number)
        } else {
            Err(format!("{number} in `{list}` is not below {end}"))
        }
    };
    let mut words = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(format!("`{range}` in `{list}` ends before it begins"));
        }
        if words.len() <= last / 64 {
            words.resize(last / 64 + 1, 0_u64);
        }
        for member in first..=last {
            words[member / 64] |= 1 << (member % 64);
        }
    }
    Ok(words)
}

fn io_priority(given: LinuxIOPriority) -> Result<libc::c_int, TuningError> {
    let class: libc::c_int = match given.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let level = libc::c_int::try_from(given.priority())
        .ok()
        .filter(|level| (0..8).contains(level))
        .ok_or_else(|| format!("the priority {} is not one of 0 to 7", given.priority()))
        .map_err(invalid("process.ioPriority"))?;
    Ok((class << 13) | level)
}

fn scheduling(given: &Scheduler) -> Result<Scheduling, TuningError> {
    let invalid = invalid("process.scheduler");
    let (policy, deadlines, priorities) = match given.policy() {
        LinuxSchedulerPolicy::SchedOther => (libc::SCHED_OTHER, false, false),
        LinuxSchedulerPolicy::SchedFifo => (libc::SCHED_FIFO, false, true),
        LinuxSchedulerPolicy::SchedRr => (libc::SCHED_RR, false, true),
        LinuxSchedulerPolicy::SchedBatch => (libc::SCHED_BATCH, false, false),
        LinuxSchedulerPolicy::SchedIso => (4, false, false),
        LinuxSchedulerPolicy::SchedIdle => (libc::SCHED_IDLE, false, false),
        LinuxSchedulerPolicy::SchedDeadline => (libc::SCHED_DEADLINE, true, false),
    };
    let nice = given.nice().unwrap_or(0);
    if !(-20..=19).contains(&nice) {
        return Err(invalid(format!(
            "the nice value {nice} is not one of -20 to 19"
        )));
    }
    let priority = given.priority().unwrap_or(0);
    if priority != 0 && !priorities {
        let policy = given.policy();
        return Err(invalid(format!(
            "{policy} has no priorities: only SCHED_FIFO and SCHED_RR have"
        )));
    }
    let times = [given.runtime(), given.deadline(), given.period()].map(|time| time.unwrap_or(0));
    if times != [0; 3] && !deadlines {
        let policy = given.policy();
        return Err(invalid(format!(
            "{policy} has no runtime, deadline or period: only SCHED_DEADLINE has"
        )));
    }
    let [runtime, deadline, period] = times;
    let flags = given.flags().iter().flatten();
    Ok(Scheduling {
        policy: policy.cast_unsigned(),
        flags: flags.fold(0, |all, flag| all | scheduler_flag(*flag)),
        nice,
        priority: u32::try_from(priority)
            .map_err(|_| invalid(format!("the priority {priority} is below zero")))?,
        runtime,
        deadline,
        period,
        ..Scheduling::default()
    })
}

/// The kernel's bit, `SCHED_FLAG_*`.
fn scheduler_flag(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

fn memory_policy(given: &LinuxMemoryPolicy) -> Result<(libc::c_int, Vec<u64>), TuningError> {
    let mode = match given.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    };
    let flags = given.flags().iter().flatten().map(|flag| match flag {
        MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
        MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
        MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
    });
    let nodes = match given.nodes().as_deref() {
        None | Some("") => Vec::new(),
        Some(list) => members(list, MOST_NODES).map_err(invalid("linux.memoryPolicy"))?,
    };
    Ok((flags.fold(mode, |all, flag| all | flag), nodes))
}

fn personality(given: &LinuxPersonality) -> Result<libc::c_ulong, TuningError> {
    let mut value = match given.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    };
    for name in given.flags().iter().flatten() {
        let known = PERSONALITY_FLAGS.iter().find(|(known, _)| known == name);
        let (_, flag) = known
            .ok_or_else(|| format!("the kernel has no personality flag `{name}`"))
            .map_err(invalid("linux.personality"))?;
        value |= flag;
    }
    Ok(libc::c_ulong::from(value.cast_unsigned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).expect("configuration")
    }

    fn refusal<T: std::fmt::Debug>(result: Result<T, TuningError>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn a_list_has_single_numbers_and_ranges() {
        assert_eq!(members("0-3,7", 64), Ok(vec![0b1000_1111]));
        assert_eq!(members("64", 128), Ok(vec![0, 1]));
        assert_eq!(members("5,5-5,5", 64), Ok(vec![1 << 5]));
    }

    #[test]
    fn a_list_that_means_nothing_is_refused_by_its_part() {
        for (list, part) in [
            ("", "``"),
            ("1,", "``"),
            ("a", "`a`"),
            ("3-1", "`3-1`"),
            ("1-2-3", "`2-3`"),
            ("-1", "``"),
            ("+1", "`+1`"),
            ("64", "64"),
            ("99999999999999999999", "`99999999999999999999`"),
            ("1 ", "`1 `"),
        ] {
            let said = members(list, 64).expect_err(list);
            assert!(said.contains(part), "{list}: {said}");
        }
    }

    #[test]
    fn a_disk_priority_is_class_and_level() {
        let value = |class, level| io_priority(read(json!({ "class": class, "priority": level })));
        assert_eq!(value("IOPRIO_CLASS_RT", 1).expect("valid"), (1 << 13) | 1);
        assert_eq!(value("IOPRIO_CLASS_BE", 7).expect("valid"), (2 << 13) | 7);
        assert_eq!(value("IOPRIO_CLASS_IDLE", 0).expect("valid"), 3 << 13);
        assert!(refusal(value("IOPRIO_CLASS_BE", 8)).contains("8"));
        assert!(refusal(value("IOPRIO_CLASS_BE", -1)).contains("-1"));
    }

    #[test]
    fn a_scheduler_is_the_kernels_numbers() {
        let given = read(
            json!({ "policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3,
                                 "flags": ["SCHED_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"] }),
        );
        let made = scheduling(&given).expect("valid");
        assert_eq!(
            (
                made.policy,
                made.flags,
                made.runtime,
                made.deadline,
                made.period
            ),
            (6, 3, 1, 2, 3)
        );
        let made =
            scheduling(&read(json!({ "policy": "SCHED_RR", "priority": 50 }))).expect("valid");
        assert_eq!((made.policy, made.priority, made.nice), (2, 50, 0));
    }

    #[test]
    fn a_scheduler_with_what_its_policy_lacks_is_refused() {
        for (given, word) in [
            (json!({ "policy": "SCHED_OTHER", "nice": 20 }), "20"),
            (
                json!({ "policy": "SCHED_BATCH", "priority": 1 }),
                "SCHED_BATCH",
            ),
            (json!({ "policy": "SCHED_FIFO", "priority": -1 }), "-1"),
            (
                json!({ "policy": "SCHED_FIFO", "priority": 1, "period": 1 }),
                "SCHED_DEADLINE",
            ),
        ] {
            let said = refusal(scheduling(&read(given)));
            assert!(
                said.contains(word) && said.contains("process.scheduler"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_memory_policy_is_mode_flags_and_nodes() {
        let given =
            read(json!({ "mode": "MPOL_BIND", "nodes": "0,2", "flags": ["MPOL_F_STATIC_NODES"] }));
        assert_eq!(
            memory_policy(&given).expect("valid"),
            (2 | 1 << 15, vec![0b101])
        );
        let given = read(json!({ "mode": "MPOL_LOCAL", "nodes": "" }));
        assert_eq!(memory_policy(&given).expect("valid"), (4, vec![]));
        let given = read(json!({ "mode": "MPOL_BIND", "nodes": "1024" }));
        assert!(refusal(memory_policy(&given)).contains("1024"));
    }

    #[test]
    fn a_personality_is_a_domain_and_the_kernels_flags() {
        let given = read(json!({ "domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"] }));
        assert_eq!(personality(&given).expect("valid"), 0x0004_0008);
        let given = read(json!({ "domain": "LINUX", "flags": ["NO_SUCH"] }));
        assert!(refusal(personality(&given)).contains("NO_SUCH"));
    }
}
