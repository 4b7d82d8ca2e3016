//! The policy `unconfined`: a plain OCI runtime. The engine's configuration stands.

use super::make::{Given, Parts, assembled};
use super::mounts::Dots;
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
    let asked = given.process.no_new_privileges() == Some(true);
    let readonly = given.root.readonly();
    let spec = assembled(
        inputs,
        given,
        Parts {
            process: given.process.clone(),
            linux,
            mounts: given.normalised(inputs.bundle, Dots::Resolved)?,
            readonly,
        },
    );
    Ok(Plan {
        spec,
        egress: None,
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
