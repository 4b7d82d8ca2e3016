//! The policy `unconfined`: a plain OCI runtime. The engine's config stands, and is only made legal for libcontainer.

use super::make::{Given, Parts, assembled};
use super::{Confinement, Inputs, Plan, Refusal, ResourceLimits, SeccompPlan, limits};

/// The engine's own config; seccomp and no_new_privs are loaded by us.
pub fn planned(inputs: &Inputs<'_>, given: &Given<'_>) -> Result<Plan, Refusal> {
    limits::check_rlimits(
        given.process.rlimits().as_deref().unwrap_or_default(),
        inputs.host,
    )?;
    limits::check_oom_score(given.process.oom_score_adj(), inputs.host)?;
    let mut linux = given.linux.clone();
    linux.set_seccomp(None);
    linux.set_rootfs_propagation(
        given
            .linux
            .rootfs_propagation()
            .as_deref()
            .map(plain_propagation),
    );
    let mut first = given.process.clone();
    let asked = first.no_new_privileges() == Some(true);
    first.set_no_new_privileges(asked.then_some(true));
    let readonly = given.root.readonly();
    let spec = assembled(
        inputs,
        given,
        Parts {
            process: first,
            linux,
            mounts: given.normalised(inputs.bundle)?,
            readonly,
            egress: None,
        },
    );
    Ok(Plan {
        spec,
        walls: None,
        confinement: Confinement {
            seccomp: SeccompPlan {
                engine: given.linux.seccomp().clone(),
                agent: false,
            },
            no_new_privileges: asked,
            ..Confinement::default()
        },
        handover: None,
        remarks: vec![format!(
            "the policy `{}` puts up no walls: this is a plain container",
            inputs.policy.name
        )],
        limits: ResourceLimits::default(),
        directories: Vec::new(),
        trust: None,
    })
}

/// libcontainer knows each propagation only without the `r`, and applies it recursively anyway.
fn plain_propagation(given: &str) -> String {
    match given {
        "rprivate" => "private",
        "rslave" => "slave",
        "rshared" => "shared",
        "runbindable" => "unbindable",
        other => other,
    }
    .to_owned()
}
