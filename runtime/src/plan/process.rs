//! The first process: its user, its capabilities, and nothing that would let it gain more.

use std::collections::HashSet;
use std::path::Path;

use nemoclaw_policy::policy::{Identity, Policy};
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, LinuxIdMapping, User};

use super::{Refusal, RootfsFacts};

/// Capabilities that no policy may name: each is a way round a wall.
const NEVER: [&str; 13] = [
    "NET_RAW",
    "NET_ADMIN",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_BOOT",
    "SYS_RESOURCE",
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

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxIdMappingBuilder;

    fn mapping() -> Vec<LinuxIdMapping> {
        let map = LinuxIdMappingBuilder::default()
            .container_id(0u32)
            .host_id(100_000u32)
            .size(65_536u32);
        vec![map.build().unwrap()]
    }

    #[test]
    fn ids_are_mapped_both_ways_and_unmapped_ones_have_none() {
        let map = mapping();
        assert_eq!(host_id(1000, Some(&map)), Some(101_000));
        assert_eq!(box_id(101_000, Some(&map)), Some(1000));
        assert_eq!(host_id(65_536, Some(&map)), None);
        assert_eq!(box_id(1000, Some(&map)), None);
        assert_eq!(host_id(1000, None), Some(1000));
        assert_eq!(box_id(1000, Some(&[])), Some(1000));
    }

    #[test]
    fn a_forced_user_loses_the_groups_of_the_one_it_replaces() {
        let mut user = User::default();
        user.set_additional_gids(Some(vec![0, 27]));
        let forced = with_forced(&user, Some((5, 6)));
        assert_eq!(
            (forced.uid(), forced.gid(), forced.additional_gids().clone()),
            (5, 6, None)
        );
        assert_eq!(with_forced(&user, None), user);
    }

    #[test]
    fn kept_capabilities_are_never_inheritable_or_ambient() {
        let sets = capability_sets(&["CAP_CHOWN".to_owned()]);
        assert_eq!(sets.bounding().as_ref().map(HashSet::len), Some(1));
        assert_eq!(sets.inheritable().as_ref().map(HashSet::len), Some(0));
        assert_eq!(sets.ambient().as_ref().map(HashSet::len), Some(0));
    }
}
