//! Values that belong to a box's namespaces: names and sysctls.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Spec;

use super::error::{RaiseError, errno, kernel, on};
use crate::sys::names;

/// Set host and domain name.
///
/// # Errors
/// The kernel's error.
pub fn names(spec: &Spec) -> Result<(), RaiseError> {
    if let Some(name) = spec.hostname().as_ref().filter(|name| !name.is_empty()) {
        nix::unistd::sethostname(OsStr::new(name)).map_err(kernel("set the host name"))?;
    }
    if let Some(name) = spec.domainname().as_ref().filter(|name| !name.is_empty()) {
        names::set_domain(name).map_err(kernel("set the domain name"))?;
    }
    Ok(())
}

/// Write sysctls by the host's `/proc`, which shows each process those of its own namespaces.
///
/// # Errors
/// A name leads elsewhere, or a value is refused.
pub fn sysctls(given: &HashMap<String, String>) -> Result<(), RaiseError> {
    for (name, value) in given {
        let path = sysctl(name)
            .ok_or_else(|| RaiseError::Config(format!("`{name}` is no name of a sysctl")))?;
        File::options()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(value.as_bytes()))
            .map_err(|error| on("write the sysctl", &path)(errno(&error)))?;
    }
    Ok(())
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
        for bad in ["", "../../etc/passwd", "/etc/passwd", "net//../x"] {
            assert_eq!(file(bad), None, "{bad}");
        }
    }
}
