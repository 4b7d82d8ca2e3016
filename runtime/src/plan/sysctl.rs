//! Sysctls of the spec: those of the network namespace belong to the fence, but for a harmless few.

use std::collections::HashMap;

use super::Refusal;

/// Network sysctls that touch nothing the fence relies on.
const HARMLESS: [&str; 6] = [
    "net.core.somaxconn",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
];

/// Refuses the first network sysctl, in the order of names, that is not harmless.
pub fn check(sysctls: Option<&HashMap<String, String>>) -> Result<(), Refusal> {
    let mut names: Vec<&String> = sysctls
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    let harmful = |name: &&&String| {
        let dotted = name.replace('/', ".");
        dotted.starts_with("net.") && !HARMLESS.contains(&dotted.as_str())
    };
    match names.iter().find(harmful) {
        Some(name) => Err(Refusal::Sysctl((*name).clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str) -> HashMap<String, String> {
        [(name.to_owned(), "1".to_owned())].into()
    }

    #[test]
    fn what_the_fence_sets_is_refused_in_both_spellings() {
        for name in [
            "net.ipv4.ip_forward",
            "net/ipv4/conf/all/rp_filter",
            "net.ipv4.conf.eth0/1.route_localnet",
        ] {
            assert_eq!(
                check(Some(&one(name))),
                Err(Refusal::Sysctl(name.to_owned()))
            );
        }
    }

    #[test]
    fn dockers_own_defaults_pass() {
        for name in [
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ping_group_range",
            "kernel.shmmax",
        ] {
            assert_eq!(check(Some(&one(name))), Ok(()));
        }
        assert_eq!(check(None), Ok(()));
    }
}
