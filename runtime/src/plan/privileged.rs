//! `--privileged`, known by what engines write for it, and what weakens every program of a box.

use oci_spec::runtime::{Capability, Spec};

use super::{Refusal, devices};

/// Refuses a privileged container. Capabilities alone (`--cap-add`) are no ground: the plan takes them away.
pub fn check(spec: &Spec) -> Result<(), Refusal> {
    let linux = spec.linux().as_ref();
    if linux
        .and_then(|linux| linux.resources().as_ref())
        .is_some_and(devices::allow_everything)
    {
        return Err(Refusal::Privileged("it asks for every device"));
    }
    let sets = spec
        .process()
        .as_ref()
        .and_then(|process| process.capabilities().as_ref());
    let admin = sets
        .and_then(|sets| sets.bounding().as_ref())
        .is_some_and(|set| set.contains(&Capability::SysAdmin));
    let none = |paths: Option<&Vec<String>>| paths.is_none_or(Vec::is_empty);
    let unmasked = none(linux.and_then(|linux| linux.masked_paths().as_ref()))
        && none(linux.and_then(|linux| linux.readonly_paths().as_ref()));
    if admin && unmasked {
        return Err(Refusal::Privileged(
            "it asks for CAP_SYS_ADMIN and no masked paths",
        ));
    }
    let annotated = spec
        .annotations()
        .as_ref()
        .and_then(|all| all.get("io.podman.annotations.privileged"));
    if annotated.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(Refusal::Privileged("the engine's annotation says so"));
    }
    let flags = linux
        .and_then(|linux| linux.personality().as_ref())
        .and_then(|personality| personality.flags().as_ref());
    match flags.and_then(|flags| flags.first()) {
        Some(flag) => Err(Refusal::Personality(flag.clone())),
        None => Ok(()),
    }
}
