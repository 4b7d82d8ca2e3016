//! Namespaces: every kind of its own, and joined ones only where a sandbox of ours guards them.

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType as Kind};

use super::{HostFacts, JoinedNamespace, Refusal};

/// What the planned namespaces mean for the rest of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// For the private bundle.
    pub list: Vec<LinuxNamespace>,
    /// The sandbox whose network namespace is joined: its fence and policy hold.
    pub network_of: Option<String>,
    /// That sandbox has a router.
    pub online: bool,
    /// The network or the process-id namespace is shared with another sandbox of ours.
    pub shared: bool,
    /// The box has a user namespace.
    pub user: bool,
}

/// Kinds a box must bring with it, what people call them, and the option that asks for the host's.
const REQUIRED: [(Kind, &str, &str); 5] = [
    (Kind::Network, "network", "--network host"),
    (Kind::Pid, "pid", "--pid host"),
    (Kind::Ipc, "ipc", "--ipc host"),
    (Kind::Uts, "uts", "--uts host"),
    (Kind::Mount, "mount", "sharing it"),
];

/// The planned namespaces: as given, plus an own cgroup namespace.
pub fn planned(given: &[LinuxNamespace], host: &HostFacts) -> Result<Namespaces, Refusal> {
    for (kind, name, option) in REQUIRED {
        if !given.iter().any(|namespace| namespace.typ() == kind) {
            return Err(Refusal::HostNamespace { kind: name, option });
        }
    }
    let mut plan = Namespaces {
        list: given.to_vec(),
        network_of: None,
        online: false,
        shared: false,
        user: false,
    };
    for namespace in &mut plan.list {
        if namespace
            .path()
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            namespace.set_path(None);
        }
    }
    for namespace in plan
        .list
        .iter()
        .filter(|namespace| namespace.path().is_some())
    {
        let guard = joined(namespace, host)?;
        match namespace.typ() {
            Kind::Network => {
                plan.network_of.clone_from(&guard);
                plan.online = host.joined(Kind::Network).is_some_and(|known| known.online);
            }
            _ if guard.is_none() => return Err(foreign(namespace)),
            _ => {}
        }
        plan.shared |= guard.is_some() && matches!(namespace.typ(), Kind::Network | Kind::Pid);
    }
    plan.user = given.iter().any(|namespace| namespace.typ() == Kind::User);
    if !given
        .iter()
        .any(|namespace| namespace.typ() == Kind::Cgroup)
    {
        let mut cgroup = LinuxNamespace::default();
        cgroup.set_typ(Kind::Cgroup);
        plan.list.push(cgroup);
    }
    Ok(plan)
}

/// The sandbox that guards a namespace joined by path. An unguarded network namespace is fine while nobody else lives in
/// it: the egress hook fences it now.
fn joined(namespace: &LinuxNamespace, host: &HostFacts) -> Result<Option<String>, Refusal> {
    let known = host
        .joined(namespace.typ())
        .filter(|known| Some(&known.path) == namespace.path().as_ref());
    let Some(JoinedNamespace {
        guarded_by,
        foreign_processes,
        is_host,
        ..
    }) = known
    else {
        return Err(foreign(namespace));
    };
    if *is_host {
        let entry = REQUIRED.iter().find(|(kind, ..)| *kind == namespace.typ());
        let (kind, option) = entry.map_or(
            (name(namespace.typ()), "sharing it"),
            |(_, name, option)| (*name, *option),
        );
        return Err(Refusal::HostNamespace { kind, option });
    }
    if namespace.typ() == Kind::Mount || (guarded_by.is_none() && *foreign_processes) {
        return Err(foreign(namespace));
    }
    Ok(guarded_by.clone())
}

fn foreign(namespace: &LinuxNamespace) -> Refusal {
    Refusal::ForeignNamespace {
        kind: name(namespace.typ()),
        path: namespace.path().clone().unwrap_or_default(),
    }
}

/// What people call a kind.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Mount => "mount",
        Kind::Cgroup => "cgroup",
        Kind::Uts => "uts",
        Kind::Ipc => "ipc",
        Kind::User => "user",
        Kind::Pid => "pid",
        Kind::Network => "network",
        Kind::Time => "time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const ALL: [Kind; 5] = [Kind::Network, Kind::Pid, Kind::Ipc, Kind::Uts, Kind::Mount];

    fn namespace(kind: Kind, path: Option<&str>) -> LinuxNamespace {
        let mut namespace = LinuxNamespace::default();
        namespace.set_typ(kind).set_path(path.map(PathBuf::from));
        namespace
    }

    fn with(kind: Kind, path: &str) -> Vec<LinuxNamespace> {
        ALL.iter()
            .map(|each| namespace(*each, (*each == kind).then_some(path)))
            .collect()
    }

    fn host(
        kind: Kind,
        path: &str,
        guard: Option<&str>,
        foreign: bool,
        is_host: bool,
    ) -> HostFacts {
        let joined = JoinedNamespace {
            kind,
            path: path.into(),
            guarded_by: guard.map(str::to_owned),
            online: guard.is_some(),
            foreign_processes: foreign,
            is_host,
        };
        HostFacts {
            joined: vec![joined],
            ..HostFacts::default()
        }
    }

    #[test]
    fn a_missing_namespace_is_the_hosts_and_refused() {
        for missing in ALL {
            let given: Vec<_> = ALL
                .iter()
                .filter(|kind| **kind != missing)
                .map(|kind| namespace(*kind, None))
                .collect();
            let refusal = planned(&given, &HostFacts::default());
            assert!(
                matches!(refusal, Err(Refusal::HostNamespace { kind, .. }) if kind == name(missing))
            );
        }
    }

    #[test]
    fn every_box_gets_a_cgroup_namespace_once() {
        let mut given: Vec<_> = ALL.iter().map(|kind| namespace(*kind, None)).collect();
        let count = |list: &[LinuxNamespace]| {
            list.iter()
                .filter(|each| each.typ() == Kind::Cgroup)
                .count()
        };
        assert_eq!(
            count(&planned(&given, &HostFacts::default()).unwrap().list),
            1
        );
        given.push(namespace(Kind::Cgroup, None));
        assert_eq!(
            count(&planned(&given, &HostFacts::default()).unwrap().list),
            1
        );
    }

    #[test]
    fn a_guarded_network_namespace_is_joined_under_its_guard() {
        let facts = host(Kind::Network, "/n", Some("pod"), true, false);
        let plan = planned(&with(Kind::Network, "/n"), &facts).unwrap();
        assert_eq!(plan.network_of.as_deref(), Some("pod"));
        assert!(plan.shared);
    }

    #[test]
    fn an_empty_unguarded_network_namespace_is_fenced_by_us_and_a_peopled_one_refused() {
        let empty = host(Kind::Network, "/n", None, false, false);
        let plan = planned(&with(Kind::Network, "/n"), &empty).unwrap();
        assert_eq!((plan.network_of, plan.shared), (None, false));
        let peopled = host(Kind::Network, "/n", None, true, false);
        assert!(matches!(
            planned(&with(Kind::Network, "/n"), &peopled),
            Err(Refusal::ForeignNamespace { .. })
        ));
    }

    #[test]
    fn the_hosts_namespace_by_path_is_still_the_hosts() {
        for kind in ALL {
            let facts = host(kind, "/proc/1/ns/x", None, true, true);
            assert!(matches!(
                planned(&with(kind, "/proc/1/ns/x"), &facts),
                Err(Refusal::HostNamespace { .. })
            ));
        }
    }

    #[test]
    fn other_kinds_are_joined_only_from_a_sandbox_of_ours_and_a_mount_namespace_never() {
        for kind in [Kind::Pid, Kind::Ipc, Kind::Uts, Kind::Mount] {
            let unguarded = host(kind, "/n", None, false, false);
            assert!(matches!(
                planned(&with(kind, "/n"), &unguarded),
                Err(Refusal::ForeignNamespace { .. })
            ));
            let guarded = host(kind, "/n", Some("pod"), false, false);
            assert_eq!(
                planned(&with(kind, "/n"), &guarded).is_ok(),
                kind != Kind::Mount
            );
        }
    }

    #[test]
    fn a_path_that_was_not_looked_at_is_refused() {
        let refusal = planned(&with(Kind::Network, "/n"), &HostFacts::default());
        assert!(matches!(refusal, Err(Refusal::ForeignNamespace { .. })));
    }
}
