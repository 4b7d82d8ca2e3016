//! `exec`: what an engine's process.json becomes, so that an exec'ed process is confined exactly as init is.

use oci_spec::runtime::{PosixRlimit, Process};

use super::{Confinement, environment, limits, process};

/// The process to run: capabilities replaced, no new privileges, variables merged, user as forced, init's limits where it
/// gives none, open files within the policy's. AppArmor and SELinux names stay.
pub fn exec_process(given: &Process, confinement: &Confinement) -> Process {
    let mut planned = given.clone();
    if let Some(kept) = &confinement.capabilities {
        planned.set_capabilities(Some(process::capability_sets(kept)));
    }
    if confinement.no_new_privileges {
        planned.set_no_new_privileges(Some(true));
    }
    let env = given.env().clone().unwrap_or_default();
    let env = environment::completed(&env, &confinement.placeholders);
    planned.set_env(Some(environment::merged(&env, &confinement.environment)));
    planned.set_user(process::with_forced(given.user(), confinement.user));
    let mut rlimits = given.rlimits().clone().unwrap_or_default();
    let missing = |limit: &&PosixRlimit| !rlimits.iter().any(|own| own.typ() == limit.typ());
    let inherited: Vec<PosixRlimit> = confinement
        .rlimits
        .iter()
        .filter(missing)
        .copied()
        .collect();
    rlimits.extend(inherited);
    limits::lessen_files(&mut rlimits, confinement.nofile);
    planned.set_rlimits(Some(rlimits));
    planned
}
