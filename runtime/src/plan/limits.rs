//! Default limits, and a clear word where this process has no right to set one.

use std::collections::BTreeMap;

use nemoclaw_policy::policy::Resources;
use oci_spec::runtime::{
    LinuxDeviceCgroup, LinuxPids, LinuxResources, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
};

use super::{HostFacts, Refusal, ResourceLimits, resources};

/// Processes of a box whose engine sets no limit.
pub const DEFAULT_PIDS: i64 = 1024;
/// Open files: what a login session of a current distribution gets.
const DEFAULT_NOFILE: (u64, u64) = (1024, 524_288);

/// The planned rlimits: as given, plus open files and no core files where the spec says nothing; of open files at most
/// `nofile`.
pub fn rlimits(
    given: &[PosixRlimit],
    host: &HostFacts,
    nofile_most: Option<u32>,
) -> Result<Vec<PosixRlimit>, Refusal> {
    check_rlimits(given, host)?;
    let mut all = given.to_vec();
    add_missing(
        &mut all,
        PosixRlimitType::RlimitNofile,
        nofile(&host.hard_limits),
    );
    add_missing(&mut all, PosixRlimitType::RlimitCore, (0, 0));
    lessen_files(&mut all, nofile_most);
    Ok(all)
}

/// Cuts the limits of open files down to `most`.
pub fn lessen_files(all: &mut [PosixRlimit], most: Option<u32>) {
    let Some(most) = most.map(u64::from) else {
        return;
    };
    let files = |limit: &&mut PosixRlimit| limit.typ() == PosixRlimitType::RlimitNofile;
    for limit in all.iter_mut().filter(files) {
        *limit = rlimit(limit.typ(), limit.soft().min(most), limit.hard().min(most));
    }
}

/// Refuses a limit above our own hard one without the right to set it.
pub fn check_rlimits(given: &[PosixRlimit], host: &HostFacts) -> Result<(), Refusal> {
    for limit in given {
        let above = host
            .hard_limits
            .get(&limit.typ().to_string())
            .is_some_and(|hard| limit.hard() > *hard);
        if above && !host.cap_sys_resource {
            return Err(Refusal::NoSysResource(format!(
                "{} to {}",
                limit.typ(),
                number(limit.hard())
            )));
        }
    }
    Ok(())
}

/// Refuses a score that only `CAP_SYS_RESOURCE` may set. The kernel's floor for others is 0 or our own negative score:
/// a shim that raised its score by one may still start a box at 0.
pub fn check_oom_score(score: Option<i32>, host: &HostFacts) -> Result<(), Refusal> {
    match score {
        Some(score) if score < host.oom_score_adj.min(0) && !host.cap_sys_resource => Err(
            Refusal::NoSysResource(format!("the OOM score adjustment {score}")),
        ),
        _ => Ok(()),
    }
}

/// The kernel's number of a limit.
#[must_use]
pub fn resource_number(kind: PosixRlimitType) -> u32 {
    // Of another type in each C library.
    let number = i64::from(match kind {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    });
    u32::try_from(number).unwrap_or_default()
}

/// The planned resources, and what an `update` may not lift.
pub fn resources(
    given: Option<&LinuxResources>,
    policy: &Resources,
    remarks: &mut Vec<String>,
) -> (LinuxResources, ResourceLimits) {
    let given = given.cloned().unwrap_or_default();
    let pids = resources::processes(given.pids().as_ref(), DEFAULT_PIDS, policy.pids);
    let most = ResourceLimits::of(policy, pids.max(DEFAULT_PIDS));
    let mut planned = most.lessened(&given, remarks);
    let mut limit = LinuxPids::default();
    limit.set_limit(pids);
    planned.set_pids(Some(limit));
    // Written after the rest, this map would lift the limit again.
    if let Some(unified) = planned.unified_mut() {
        unified.retain(|name, _| !is_ours(name));
    }
    if planned.devices().as_ref().is_none_or(Vec::is_empty) {
        planned.set_devices(Some(vec![deny_all()]));
    }
    (planned, most)
}

/// Whether a file of the `unified` map is one that only we set, or a path (`./pids.max`) that could lead to one.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("pids.") || name.starts_with("cgroup.") || name.contains('/')
}

fn deny_all() -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(false).set_access(Some("rwm".to_owned()));
    rule
}

/// Soft and hard limit of open files within what we may give.
fn nofile(hard_limits: &BTreeMap<String, u64>) -> (u64, u64) {
    let most = hard_limits
        .get("RLIMIT_NOFILE")
        .copied()
        .unwrap_or(DEFAULT_NOFILE.1);
    (DEFAULT_NOFILE.0.min(most), DEFAULT_NOFILE.1.min(most))
}

fn add_missing(all: &mut Vec<PosixRlimit>, kind: PosixRlimitType, (soft, hard): (u64, u64)) {
    if !all.iter().any(|limit| limit.typ() == kind) {
        all.push(rlimit(kind, soft, hard));
    }
}

fn rlimit(kind: PosixRlimitType, soft: u64, hard: u64) -> PosixRlimit {
    let builder = PosixRlimitBuilder::default()
        .typ(kind)
        .soft(soft)
        .hard(hard);
    // Every field is given, so that building cannot fail; if it did, the default would stand: no CPU time at all.
    builder.build().unwrap_or_default()
}

/// `unlimited` for the largest number.
fn number(value: u64) -> String {
    if value == u64::MAX {
        "unlimited".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(nofile: u64, right: bool) -> HostFacts {
        HostFacts {
            hard_limits: [("RLIMIT_NOFILE".to_owned(), nofile)].into(),
            cap_sys_resource: right,
            ..HostFacts::default()
        }
    }

    fn limit(hard: u64) -> PosixRlimit {
        PosixRlimitBuilder::default()
            .typ(PosixRlimitType::RlimitNofile)
            .soft(1u64)
            .hard(hard)
            .build()
            .unwrap()
    }

    #[test]
    fn defaults_stay_within_the_hosts_hard_limit_and_dump_no_core() {
        let all = rlimits(&[], &host(20_000, false), None).unwrap();
        let of = |kind| {
            all.iter()
                .find(|limit| limit.typ() == kind)
                .map(|limit| (limit.soft(), limit.hard()))
        };
        assert_eq!(of(PosixRlimitType::RlimitNofile), Some((1024, 20_000)));
        assert_eq!(of(PosixRlimitType::RlimitCore), Some((0, 0)));
    }

    #[test]
    fn a_limit_above_ours_needs_the_right_to_raise_it() {
        let refusal = rlimits(&[limit(30_000)], &host(20_000, false), None).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "cannot set RLIMIT_NOFILE to 30000: this process has no CAP_SYS_RESOURCE"
        );
        assert!(rlimits(&[limit(30_000)], &host(20_000, true), None).is_ok());
        assert_eq!(
            rlimits(&[limit(5)], &host(20_000, false), None).unwrap()[0].hard(),
            5
        );
    }

    #[test]
    fn a_lower_oom_score_needs_the_same_right() {
        assert!(check_oom_score(Some(-500), &host(1, false)).is_err());
        assert!(check_oom_score(Some(-500), &host(1, true)).is_ok());
        assert!(check_oom_score(Some(0), &host(1, false)).is_ok());
        assert!(check_oom_score(None, &host(1, false)).is_ok());
    }

    #[test]
    fn the_unified_map_cannot_lift_the_limit_at_create() {
        let mut given = LinuxResources::default();
        let pair = |name: &str| (name.to_owned(), "max".to_owned());
        given.set_unified(Some(
            [pair("pids.max"), pair("./pids.max"), pair("memory.high")].into(),
        ));
        let (planned, _) = resources(Some(&given), &Resources::default(), &mut Vec::new());
        let left: Vec<_> = planned.unified().iter().flatten().collect();
        assert_eq!(left.len(), 1);
    }

    #[test]
    fn pids_are_limited_even_when_the_engine_asks_for_no_limit() {
        for asked in [None, Some(0), Some(-1)] {
            let mut given = LinuxResources::default();
            given.set_pids(asked.map(|asked| {
                let mut pids = LinuxPids::default();
                pids.set_limit(asked);
                pids
            }));
            let (planned, limits) = resources(Some(&given), &Resources::default(), &mut Vec::new());
            assert_eq!(planned.pids().as_ref().map(|pids| pids.limit()), Some(1024));
            assert_eq!(limits.pids, 1024);
        }
    }
}
