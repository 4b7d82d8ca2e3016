//! Values that belong to a box's namespaces: names and sysctls.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType as Kind, Spec};

use super::error::{RaiseError, errno, kernel, on};
use super::namespaces::Namespaces;
use crate::sys::names;

/// Sysctls of the namespace of System V and POSIX messages.
const OF_IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// Set host and domain name.
///
/// # Errors
/// The box has no namespace for them, or the kernel's error.
pub fn names(spec: &Spec, namespaces: &Namespaces) -> Result<(), RaiseError> {
    let given = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    let (host, domain) = (given(spec.hostname()), given(spec.domainname()));
    if (host.is_some() || domain.is_some()) && !namespaces.has(Kind::Uts) {
        return Err(RaiseError::Config(
            "the configuration has a host or domain name and no uts namespace for it".to_owned(),
        ));
    }
    if let Some(name) = host {
        nix::unistd::sethostname(OsStr::new(&name)).map_err(kernel("set the host name"))?;
    }
    if let Some(name) = domain {
        names::set_domain(&name).map_err(kernel("set the domain name"))?;
    }
    Ok(())
}

/// Write sysctls by the host's `/proc`, which shows each process those of its own namespaces.
///
/// # Errors
/// One is the whole machine's or of a namespace that the box shares with it, a name leads elsewhere, or a value is
/// refused.
pub fn sysctls(given: &HashMap<String, String>, namespaces: &Namespaces) -> Result<(), RaiseError> {
    for (name, value) in given {
        let path = sysctl(name)
            .ok_or_else(|| RaiseError::Config(format!("`{name}` is no name of a sysctl")))?;
        match namespace_of(&path) {
            Some(kind) if namespaces.isolates(kind) => {}
            Some(kind) => {
                return Err(RaiseError::Config(format!(
                    "the sysctl `{name}` belongs to the {kind} namespace, which the container shares with the host"
                )));
            }
            None => {
                return Err(RaiseError::Config(format!(
                    "the sysctl `{name}` is the whole machine's and not a container's"
                )));
            }
        }
        File::options()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(value.as_bytes()))
            .map_err(|error| on("write the sysctl", &path)(errno(&error)))?;
    }
    Ok(())
}

/// The namespace that a sysctl belongs to.
fn namespace_of(path: &Path) -> Option<Kind> {
    let name = path.strip_prefix("/proc/sys").ok()?;
    if name.starts_with("net") {
        return Some(Kind::Network);
    }
    if name.starts_with("fs/mqueue") || OF_IPC.iter().any(|each| name == Path::new(each)) {
        return Some(Kind::Ipc);
    }
    let uts = ["kernel/hostname", "kernel/domainname"];
    uts.iter()
        .any(|each| name == Path::new(each))
        .then_some(Kind::Uts)
}

/// The file of a sysctl. Dots part the names; where a name has a slash, slashes do, and dots are its own.
fn sysctl(name: &str) -> Option<PathBuf> {
    let slashed = match name.find(['.', '/']) {
        Some(at) if name.as_bytes()[at] == b'/' => name.to_owned(),
        _ => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                other => other,
            })
            .collect(),
    };
    let path = Path::new("/proc/sys").join(&slashed);
    let plain = Path::new(&slashed)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (plain && !slashed.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_is_a_file_below_proc_sys() {
        let file = |name| sysctl(name).map(|path| path.display().to_string());
        assert_eq!(
            file("net.core.somaxconn").as_deref(),
            Some("/proc/sys/net/core/somaxconn")
        );
        assert_eq!(
            file("net/ipv4/conf/eth0.1/mtu").as_deref(),
            Some("/proc/sys/net/ipv4/conf/eth0.1/mtu")
        );
        assert_eq!(
            file("net.ipv4.conf.eth0/1.mtu").as_deref(),
            Some("/proc/sys/net/ipv4/conf/eth0.1/mtu")
        );
        let kind = |name| namespace_of(&sysctl(name).expect("a name"));
        assert_eq!(kind("net.core.somaxconn"), Some(Kind::Network));
        assert_eq!(kind("fs.mqueue.msg_max"), Some(Kind::Ipc));
        assert_eq!(kind("kernel.hostname"), Some(Kind::Uts));
        assert_eq!(kind("kernel.panic"), None);
        assert_eq!(kind("network.x"), None);
        for bad in ["", "../../etc/passwd", "/etc/passwd", "net//../x"] {
            assert_eq!(file(bad), None, "{bad}");
        }
    }
}
