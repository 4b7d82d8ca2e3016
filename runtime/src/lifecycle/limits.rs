//! Changing a living box's limits. On cgroup v1 the CPU's files are written here: libcgroups skips a burst that comes
//! alone, and its fixed order fails where a new quota fits only the new period.

use std::io;
use std::path::{Path, PathBuf};

use libcgroups::v1::ControllerType;
use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxResources};

use super::cgroup::{Cgroup, CgroupError};
use super::hierarchy::{self, HierarchyError};
use crate::state::BoxState;

/// Where cgroup v1 says whether its killer is off.
const OOM_CONTROL: &str = "memory.oom_control";

/// Why the limits were not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// Not on this machine's cgroups.
    #[error("cannot change `{0}` of a container on this machine: its cgroups have no such limit")]
    NotHere(&'static str),
    /// No hierarchy.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    /// libcgroups.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A value.
    #[error("cannot set `{file}` of container \"{id}\" to {value}")]
    Value {
        /// The cgroup's file.
        file: &'static str,
        /// The container.
        id: String,
        /// The value.
        value: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// Change the limits of a box.
///
/// # Errors
/// The first value that the kernel refuses.
pub fn change(state: &BoxState, resources: &LinuxResources) -> Result<(), LimitError> {
    if resources.rdma().as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(LimitError::NotHere("rdma"));
    }
    if hierarchy::unified()? {
        return Ok(Cgroup::of(state)?.apply(resources)?);
    }
    if resources
        .unified()
        .as_ref()
        .is_some_and(|all| !all.is_empty())
    {
        return Err(LimitError::NotHere("unified"));
    }
    change_v1(state, resources)
}

fn change_v1(state: &BoxState, resources: &LinuxResources) -> Result<(), LimitError> {
    let cpu = resources.cpu().as_ref().map(cpu_values).unwrap_or_default();
    let mut others = resources.clone();
    others.set_cpu(resources.cpu().as_ref().and_then(only_sets));
    let killer = match resources.memory() {
        Some(memory) => {
            let directory = hierarchy::directory(state, ControllerType::Memory)?;
            killer_off(memory, &directory).then_some(directory)
        }
        None => None,
    };
    Cgroup::of(state)?.apply(&others)?;
    if let Some(directory) = killer {
        // libcgroups switches the killer on with every change of the memory's limits.
        write_all(state, &directory, vec![(OOM_CONTROL, "1".to_owned())])?;
    }
    if cpu.is_empty() {
        return Ok(());
    }
    write_all(
        state,
        &hierarchy::directory(state, ControllerType::Cpu)?,
        cpu,
    )
}

/// Whether the box's memory has no killer afterwards: asked for now, or as it is.
fn killer_off(memory: &LinuxMemory, directory: &Path) -> bool {
    memory.disable_oom_killer().unwrap_or_else(|| {
        std::fs::read_to_string(directory.join(OOM_CONTROL))
            .is_ok_and(|text| text.lines().any(|line| line == "oom_kill_disable 1"))
    })
}

/// The CPU's files and their new values; zero leaves most as they are.
fn cpu_values(cpu: &LinuxCpu) -> Vec<(&'static str, String)> {
    let unsigned = |value: Option<u64>| {
        value
            .filter(|value| *value != 0)
            .map(|value| value.to_string())
    };
    let signed = |value: Option<i64>| {
        value
            .filter(|value| *value != 0)
            .map(|value| value.to_string())
    };
    let all = [
        ("cpu.shares", unsigned(cpu.shares())),
        ("cpu.cfs_period_us", unsigned(cpu.period())),
        (
            "cpu.cfs_burst_us",
            cpu.burst().map(|burst| burst.to_string()),
        ),
        ("cpu.cfs_quota_us", signed(cpu.quota())),
        ("cpu.rt_period_us", unsigned(cpu.realtime_period())),
        ("cpu.rt_runtime_us", signed(cpu.realtime_runtime())),
        ("cpu.idle", cpu.idle().map(|idle| idle.to_string())),
    ];
    all.into_iter()
        .filter_map(|(file, value)| Some((file, value?)))
        .collect()
}

/// What libcgroups does well: which CPUs and memory nodes.
fn only_sets(cpu: &LinuxCpu) -> Option<LinuxCpu> {
    let mut sets = LinuxCpu::default();
    sets.set_cpus(cpu.cpus().clone())
        .set_mems(cpu.mems().clone());
    (sets != LinuxCpu::default()).then_some(sets)
}

/// Write them all; one that the kernel finds invalid may be valid once the others are written.
fn write_all(
    state: &BoxState,
    directory: &Path,
    mut values: Vec<(&'static str, String)>,
) -> Result<(), LimitError> {
    loop {
        let mut refused = Vec::new();
        let mut first = None;
        let count = values.len();
        for (file, value) in values {
            match write(directory.join(file), &value) {
                Ok(()) => {}
                Err(source) => {
                    let again = source.raw_os_error() == Some(libc::EINVAL);
                    let error = LimitError::Value {
                        file,
                        id: state.id.clone(),
                        value: value.clone(),
                        source,
                    };
                    if !again {
                        return Err(error);
                    }
                    first.get_or_insert(error);
                    refused.push((file, value));
                }
            }
        }
        match first {
            None => return Ok(()),
            Some(error) if refused.len() == count => return Err(error),
            Some(_) => values = refused,
        }
    }
}

fn write(path: PathBuf, value: &str) -> io::Result<()> {
    use std::io::Write;
    // Never created: a cgroup without the file lacks the limit.
    let mut file = std::fs::File::options().write(true).open(path)?;
    file.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_alone_is_written_and_zero_leaves_the_rest() {
        let mut cpu = LinuxCpu::default();
        cpu.set_burst(Some(0))
            .set_quota(Some(0))
            .set_shares(Some(0));
        assert_eq!(cpu_values(&cpu), [("cpu.cfs_burst_us", "0".to_owned())]);
        cpu.set_quota(Some(-1));
        assert!(cpu_values(&cpu).contains(&("cpu.cfs_quota_us", "-1".to_owned())));
    }
}
