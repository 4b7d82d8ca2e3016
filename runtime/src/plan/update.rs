//! `update`: the engine's new resources, met with what the sandbox may have.

use oci_spec::runtime::{LinuxPids, LinuxResources};

use super::{CpuTime, Refusal, ResourceLimits, devices, limits};

/// The resources to apply for `update`, or why not; `now` is the CPU time in force, `policy` the policy's name.
///
/// More than the limit is refused and not clamped: whoever asked must know that it was not done. Device rules are left as
/// they were at create; engines repeat them in an update.
///
/// # Errors
/// A limit would be lifted, or all devices opened.
pub fn meet_resources(
    update: &LinuxResources,
    most: &ResourceLimits,
    now: CpuTime,
    policy: &str,
) -> Result<LinuxResources, Refusal> {
    let update = &asked(update);
    if most.pids == 0 {
        return Ok(update.clone());
    }
    let lifts = |pids: &LinuxPids| pids.limit() <= 0 || pids.limit() > most.pids;
    if update.pids().as_ref().is_some_and(lifts) {
        return Err(Refusal::LimitLifted {
            what: "processes",
            limit: most.pids,
        });
    }
    let unified = update.unified().iter().flatten();
    if unified.into_iter().any(|(name, _)| limits::is_ours(name)) {
        return Err(Refusal::LimitLifted {
            what: "processes",
            limit: most.pids,
        });
    }
    if devices::allow_everything(update) {
        return Err(Refusal::DevicesChanged);
    }
    let mut met = most.checked(update, now, policy)?;
    met.set_devices(None);
    Ok(met)
}

/// What is really asked for: engines write zero or nothing for what stays as it is, and kernel memory has no limit any
/// more.
fn asked(update: &LinuxResources) -> LinuxResources {
    let mut asked = update.clone();
    if asked.pids().as_ref().is_some_and(|pids| pids.limit() == 0) {
        asked.set_pids(None);
    }
    if let Some(memory) = update.memory() {
        let mut memory = *memory;
        // The kernel answers a write of either with an error.
        #[allow(deprecated)]
        memory.set_kernel(None).set_kernel_tcp(None);
        asked.set_memory(Some(memory));
    }
    if let Some(cpu) = update.cpu() {
        let mut cpu = cpu.clone();
        let named = |list: &Option<String>| list.clone().filter(|list| !list.is_empty());
        let (cpus, mems) = (named(cpu.cpus()), named(cpu.mems()));
        cpu.set_cpus(cpus).set_mems(mems);
        asked.set_cpu(Some(cpu));
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{LinuxCpu, LinuxDeviceCgroup, LinuxMemory};

    const NONE: CpuTime = CpuTime {
        quota: -1,
        period: 100_000,
    };

    fn limits() -> ResourceLimits {
        ResourceLimits {
            pids: 1024,
            ..ResourceLimits::default()
        }
    }

    /// What is left of `update`, or why it is refused.
    fn met(update: &LinuxResources, most: &ResourceLimits) -> Result<LinuxResources, Refusal> {
        meet_resources(update, most, NONE, "p")
    }

    fn pids(limit: i64) -> LinuxResources {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        let mut update = LinuxResources::default();
        update.set_pids(Some(pids));
        update
    }

    #[test]
    fn an_update_cannot_lift_the_limit_of_processes() {
        for limit in [-1, 1025] {
            assert!(met(&pids(limit), &limits()).is_err(), "{limit}");
        }
        assert_eq!(met(&pids(100), &limits()), Ok(pids(100)));
    }

    #[test]
    fn zero_and_nothing_leave_a_limit_as_it_is() {
        let mut update = pids(0);
        let mut cpu = LinuxCpu::default();
        cpu.set_cpus(Some(String::new()))
            .set_mems(Some("0".to_owned()));
        let mut memory = LinuxMemory::default();
        memory.set_limit(Some(4096)).set_kernel_tcp(Some(4096));
        update.set_cpu(Some(cpu)).set_memory(Some(memory));
        for limits in [limits(), ResourceLimits::default()] {
            let met = met(&update, &limits).unwrap();
            assert_eq!(met.pids(), &None);
            let cpu = met.cpu().clone().unwrap();
            assert_eq!((cpu.cpus(), cpu.mems()), (&None, &Some("0".to_owned())));
            let memory = met.memory().unwrap();
            assert_eq!((memory.limit(), memory.kernel_tcp()), (Some(4096), None));
        }
    }

    #[test]
    fn the_unified_map_is_no_way_round_it() {
        for name in ["pids.max", "./pids.max", "cgroup.procs"] {
            let mut update = LinuxResources::default();
            update.set_unified(Some([(name.to_owned(), "max".to_owned())].into()));
            assert!(met(&update, &limits()).is_err(), "{name}");
        }
    }

    #[test]
    fn an_update_cannot_open_devices() {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(true).set_access(Some("rwm".to_owned()));
        let mut update = LinuxResources::default();
        update.set_devices(Some(vec![rule.clone()]));
        assert_eq!(met(&update, &limits()), Err(Refusal::DevicesChanged));
        rule.set_major(Some(1)).set_minor(Some(3));
        update.set_devices(Some(vec![rule]));
        assert_eq!(met(&update, &limits()).unwrap().devices(), &None);
    }

    #[test]
    fn an_unconfined_box_takes_every_update() {
        assert_eq!(met(&pids(-1), &ResourceLimits::default()), Ok(pids(-1)));
    }
}
