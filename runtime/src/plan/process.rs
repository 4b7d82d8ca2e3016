//! The first process: its user, its capabilities, and nothing that would let it gain more.

use std::collections::HashSet;
use std::path::Path;

use libcontainer::oci_spec::runtime::{
    Capabilities, Capability, LinuxCapabilities, LinuxIdMapping, User,
};
use nemoclaw_policy::policy::{Identity, Policy};

use super::{Refusal, RootfsFacts};

/// Capabilities that no policy may name: each is a way round a wall.
const NEVER: [&str; 12] = [
    "NET_RAW",
    "NET_ADMIN",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_BOOT",
    "DAC_READ_SEARCH",
    "MKNOD",
    "BPF",
    "PERFMON",
    "MAC_ADMIN",
];

/// Full names (`CAP_CHOWN`) of the capabilities the box keeps: the policy's, as far as the engine gave them too.
pub fn capabilities(
    policy: &Policy,
    given: Option<&LinuxCapabilities>,
) -> Result<Vec<String>, Refusal> {
    let granted = given.and_then(|sets| sets.bounding().as_ref());
    let mut kept = Vec::new();
    for name in &policy.process.capabilities {
        let refused = || Refusal::Capability {
            policy: policy.name.clone(),
            name: name.clone(),
        };
        if NEVER.contains(&name.as_str()) {
            return Err(refused());
        }
        let capability = parse(name).ok_or_else(refused)?;
        if granted.is_some_and(|granted| granted.contains(&capability)) {
            kept.push(format!("CAP_{capability}"));
        }
    }
    kept.sort();
    kept.dedup();
    Ok(kept)
}

/// The sets of a process that keeps `kept`: never inheritable, never ambient.
pub fn capability_sets(kept: &[String]) -> LinuxCapabilities {
    let set: Capabilities = kept
        .iter()
        .filter_map(|name| parse(name.strip_prefix("CAP_").unwrap_or(name)))
        .collect();
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(set.clone()))
        .set_effective(Some(set.clone()))
        .set_permitted(Some(set));
    sets.set_inheritable(Some(HashSet::new()))
        .set_ambient(Some(HashSet::new()));
    sets
}

fn parse(name: &str) -> Option<Capability> {
    serde_json::from_value(serde_json::Value::String(format!("CAP_{name}"))).ok()
}

/// User and group that the policy forces; `None` = the engine's choice stands.
pub fn forced_user(
    policy: &Policy,
    given: &User,
    rootfs: &RootfsFacts,
) -> Result<Option<(u32, u32)>, Refusal> {
    let missing = |what| Refusal::NoSandboxAccount {
        policy: policy.name.clone(),
        what,
    };
    let process = &policy.process;
    let uid = match process.run_as_user {
        None => None,
        Some(Identity::Id(uid)) => Some(uid),
        Some(Identity::Sandbox) => {
            Some(rootfs.sandbox_account().ok_or_else(|| missing("user"))?.uid)
        }
    };
    let gid = match process.run_as_group {
        None => None,
        Some(Identity::Id(gid)) => Some(gid),
        Some(Identity::Sandbox) => {
            let primary = rootfs.sandbox_account().map(|account| account.gid);
            Some(
                rootfs
                    .sandbox_group
                    .or(primary)
                    .ok_or_else(|| missing("group"))?,
            )
        }
    };
    if (uid, gid) == (None, None) {
        return Ok(None);
    }
    // A forced user without a forced group gets its own group, never the one of the user it replaces.
    let own_group = |uid: u32| rootfs.account(uid).map_or(uid, |account| account.gid);
    let gid = gid.unwrap_or_else(|| uid.map_or(given.gid(), own_group));
    Ok(Some((uid.unwrap_or(given.uid()), gid)))
}

/// `user` with the forced ids; other groups belonged to the user that is replaced.
pub fn with_forced(user: &User, forced: Option<(u32, u32)>) -> User {
    let Some((uid, gid)) = forced else {
        return user.clone();
    };
    let mut user = user.clone();
    if user.uid() != uid {
        user.set_additional_gids(None).set_username(None);
    }
    user.set_uid(uid).set_gid(gid);
    user
}

/// The host's number of the box's `id`; `None` when the mapping leaves it out.
pub fn host_id(id: u32, mappings: Option<&[LinuxIdMapping]>) -> Option<u32> {
    let Some(mappings) = mappings.filter(|mappings| !mappings.is_empty()) else {
        return Some(id);
    };
    mappings.iter().find_map(|map| {
        let offset = id.checked_sub(map.container_id())?;
        (offset < map.size())
            .then(|| map.host_id().checked_add(offset))
            .flatten()
    })
}

/// The box's number of the host's `id`.
pub fn box_id(id: u32, mappings: Option<&[LinuxIdMapping]>) -> Option<u32> {
    let Some(mappings) = mappings.filter(|mappings| !mappings.is_empty()) else {
        return Some(id);
    };
    mappings.iter().find_map(|map| {
        let offset = id.checked_sub(map.host_id())?;
        (offset < map.size())
            .then(|| map.container_id().checked_add(offset))
            .flatten()
    })
}

/// The process's directory must be absolute for every later question about it.
pub fn cwd(path: &Path) -> Result<&Path, Refusal> {
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(Refusal::Incomplete("absolute process.cwd"))
    }
}
