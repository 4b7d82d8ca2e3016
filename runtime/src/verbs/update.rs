//! `update`: new resource limits, met with the policy's.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};

use crate::cgroup::Cgroup;
use crate::cli::Update;
use crate::input;
use crate::lifecycle::context::Context;
use crate::plan::{self, CpuTime};
use crate::state::Status;

/// Run the verb.
pub fn run(context: &Context, args: &Update) -> Result<()> {
    let state = context.store()?.load(&args.id)?;
    if state.status() == Status::Stopped {
        bail!("container not running");
    }
    let wanted = match &args.resources {
        Some(path) => read(path)?,
        None => from_flags(args)?,
    };
    if kernel_memory(&wanted) {
        context
            .log
            .warning("kernels limit no kernel memory any more: that limit is ignored");
    }
    let cgroup = Cgroup::of(&state)?;
    let time = cgroup.cpu_time();
    let now = time.map_or_else(CpuTime::default, |(quota, period)| CpuTime {
        quota,
        period,
    });
    let met = plan::meet_resources(&wanted, &state.limits, now, &state.policy)?;
    Ok(cgroup.change(&met)?)
}

fn kernel_memory(resources: &LinuxResources) -> bool {
    #[allow(deprecated)] // engines still send it
    let given = |memory: &LinuxMemory| memory.kernel().or(memory.kernel_tcp());
    resources.memory().as_ref().and_then(given).is_some()
}

fn read(path: &Path) -> Result<LinuxResources> {
    let bytes = if path == Path::new("-") {
        input::stream(std::io::stdin(), input::LONGEST_CONFIG)
            .context("cannot read the resources from standard input")?
    } else {
        std::fs::File::open(path)
            .and_then(|file| input::stream(file, input::LONGEST_CONFIG))
            .with_context(|| format!("cannot read `{}`", path.display()))?
    };
    serde_json::from_slice(&bytes).context("the resources are not valid")
}

fn from_flags(args: &Update) -> Result<LinuxResources> {
    if args.l3_cache_schema.is_some() || args.mem_bw_schema.is_some() {
        bail!(
            "cannot change the schemata of Intel RDT of a container: leave out --l3-cache-schema and --mem-bw-schema"
        );
    }
    let mut resources = LinuxResources::default();
    resources.set_devices(None);
    resources.set_memory(memory(args)).set_cpu(cpu(args));
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
    Ok(resources)
}

fn memory(args: &Update) -> Option<LinuxMemory> {
    let mut memory = LinuxMemory::default();
    memory
        .set_limit(args.memory)
        .set_swap(args.memory_swap)
        .set_reservation(args.memory_reservation)
        .set_kernel_tcp(args.kernel_memory_tcp);
    #[allow(deprecated)] // runc still has the option
    memory.set_kernel(args.kernel_memory);
    (memory != LinuxMemory::default()).then_some(memory)
}

fn cpu(args: &Update) -> Option<LinuxCpu> {
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(args.cpu_shares)
        .set_quota(args.cpu_quota)
        .set_period(args.cpu_period)
        .set_burst(args.cpu_burst)
        .set_realtime_runtime(args.cpu_rt_runtime)
        .set_realtime_period(args.cpu_rt_period)
        .set_idle(args.cpu_idle);
    cpu.set_cpus(args.cpuset_cpus.clone())
        .set_mems(args.cpuset_mems.clone());
    (cpu != LinuxCpu::default()).then_some(cpu)
}
