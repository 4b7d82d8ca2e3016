//! `update`: new resource limits, met with the policy's.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use libcontainer::oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources,
};

use crate::cli::Update;
use crate::lifecycle::cgroup::Cgroup;
use crate::lifecycle::context::Context;
use crate::plan;
use crate::state::Status;

/// Run the verb.
pub fn run(context: &Context, args: &Update) -> Result<()> {
    let state = context.store()?.load(&args.id)?;
    if state.status() == Status::Stopped {
        bail!("container not running");
    }
    let wanted = match &args.resources {
        Some(path) => read(path)?,
        None => from_flags(args),
    };
    let met = plan::meet_resources(&wanted, &state.limits)?;
    Ok(Cgroup::of(&state)?.apply(&met)?)
}

fn read(path: &Path) -> Result<LinuxResources> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read the resources from standard input")?;
    } else {
        bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    }
    serde_json::from_slice(&bytes).context("the resources are not valid")
}

fn from_flags(args: &Update) -> LinuxResources {
    let mut resources = LinuxResources::default();
    resources.set_devices(None);
    if args.memory.is_some() || args.memory_swap.is_some() || args.memory_reservation.is_some() {
        let mut memory = LinuxMemory::default();
        memory
            .set_limit(args.memory)
            .set_swap(args.memory_swap)
            .set_reservation(args.memory_reservation);
        resources.set_memory(Some(memory));
    }
    if let Some(limit) = args.pids_limit {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        resources.set_pids(Some(pids));
    }
    if let Some(weight) = args.blkio_weight {
        let mut block = LinuxBlockIo::default();
        block.set_weight(Some(weight));
        resources.set_block_io(Some(block));
    }
    let cpu_given =
        args.cpu_shares.is_some() || args.cpu_quota.is_some() || args.cpu_period.is_some();
    if cpu_given || args.cpuset_cpus.is_some() || args.cpuset_mems.is_some() {
        let mut cpu = LinuxCpu::default();
        cpu.set_shares(args.cpu_shares)
            .set_quota(args.cpu_quota)
            .set_period(args.cpu_period);
        cpu.set_cpus(args.cpuset_cpus.clone())
            .set_mems(args.cpuset_mems.clone());
        resources.set_cpu(Some(cpu));
    }
    resources
}
