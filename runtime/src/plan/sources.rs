//! Mount sources: what a box may be given of the host's files.

use std::path::{Path, PathBuf};

use nemoclaw_policy::handover::PolicyText;
use oci_spec::runtime::Mount;

use super::mounts::{asks_readonly, is_bind};
use super::paths::PathRules;
use super::{HostFacts, Refusal, SourceKind};

/// Nothing of these may be mounted: they are the kernel's.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Sockets that give their holder the host. A directory above one may not be mounted.
const CONTROL_SOCKETS: [&str; 11] = [
    "/run/docker.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/podman/podman.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
    "/run/nemoclaw/router.sock",
    "/var/run/docker.sock",
];

/// The source's path without symbolic links, if a box may have it.
pub fn check(source: &Path, host: &HostFacts) -> Result<PathBuf, Refusal> {
    let refused = |why| {
        Err(Refusal::Source {
            source_path: source.to_path_buf(),
            why,
        })
    };
    let Some(facts) = host.sources.get(source) else {
        return Err(Refusal::SourceMissing(source.to_path_buf()));
    };
    let path = facts.canonical.as_path();
    match facts.kind {
        SourceKind::Missing => return Err(Refusal::SourceMissing(source.to_path_buf())),
        SourceKind::Socket => {
            return refused("it is a socket, and whoever dials it is outside the walls");
        }
        SourceKind::Device => return refused("it is a device; use `--device`"),
        SourceKind::Other => return refused("it is neither a file nor a directory"),
        SourceKind::Directory | SourceKind::File => {}
    }
    if path == Path::new("/") {
        return refused("it is the host's whole file system");
    }
    if KERNEL.iter().any(|kernel| path.starts_with(kernel)) {
        return refused("it is the kernel's, not a file");
    }
    // A bind brings what is mounted below it: another `/proc` would let root in the box write the host's sysctls.
    if host
        .kernel_mounts
        .iter()
        .any(|mount| mount.starts_with(path) || path.starts_with(mount))
    {
        return refused("a file system of the kernel is mounted in it");
    }
    if path == Path::new("/run") || path == Path::new("/var/run") {
        return refused("it holds the host's control sockets");
    }
    if CONTROL_SOCKETS
        .iter()
        .any(|socket| Path::new(socket).starts_with(path))
    {
        return refused("it holds a socket that controls the host");
    }
    if host
        .own_paths
        .iter()
        .any(|own| own.starts_with(path) || path.starts_with(own))
    {
        return refused("it holds the runtime's own state or configuration");
    }
    Ok(path.to_path_buf())
}

/// Refuses a volume by which the box could rewrite its own policy.
pub fn check_policies(
    mounts: &[Mount],
    rules: &PathRules,
    texts: &[PolicyText],
) -> Result<(), Refusal> {
    let writable =
        |mount: &&Mount| rules.mount_writable(mount.destination()) && !asks_readonly(mount);
    for mount in mounts
        .iter()
        .filter(|mount| is_bind(mount))
        .filter(writable)
    {
        let source = mount.source().as_deref().unwrap_or(Path::new("/"));
        if texts
            .iter()
            .filter_map(|text| text.path.as_deref())
            .any(|path| path.starts_with(source))
        {
            let why = "it holds the policy in force, which the sandbox could then change";
            return Err(Refusal::Source {
                source_path: source.to_path_buf(),
                why,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::SourceFacts;
    use super::*;

    fn host(given: &str, canonical: &str, kind: SourceKind) -> HostFacts {
        let facts = SourceFacts {
            canonical: canonical.into(),
            kind,
            uid: 0,
            gid: 0,
            mode: 0o755,
            capacity: None,
        };
        HostFacts {
            sources: [(PathBuf::from(given), facts)].into(),
            own_paths: vec!["/run/nemoclaw".into(), "/etc/nemoclaw".into()],
            kernel_mounts: vec!["/srv/chroot/proc".into()],
            ..HostFacts::default()
        }
    }

    fn refused(given: &str, canonical: &str, kind: SourceKind) -> bool {
        check(Path::new(given), &host(given, canonical, kind)).is_err()
    }

    #[test]
    fn what_opens_the_host_is_refused_under_any_name() {
        for path in [
            "/",
            "/run",
            "/proc",
            "/proc/1/root",
            "/sys",
            "/dev",
            "/dev/shm",
            "/run/containerd",
            "/run/podman",
            "/etc",
            "/run/nemoclaw/boxes",
            "/srv",
            "/srv/chroot",
            "/srv/chroot/proc",
            "/srv/chroot/proc/sys",
        ] {
            assert!(refused(path, path, SourceKind::Directory), "{path}");
            assert!(
                refused("/home/a/link", path, SourceKind::Directory),
                "{path} by a link"
            );
        }
        assert!(refused(
            "/run/docker.sock",
            "/run/docker.sock",
            SourceKind::Socket
        ));
        assert!(refused("/dev/sda", "/dev/sda", SourceKind::Device));
        assert!(refused("/none", "/none", SourceKind::Missing));
    }

    #[test]
    fn ordinary_files_are_mounted_by_the_path_without_links() {
        let facts = host("/home/link", "/home/real", SourceKind::Directory);
        assert_eq!(
            check(Path::new("/home/link"), &facts),
            Ok(PathBuf::from("/home/real"))
        );
        for path in [
            "/home/a",
            "/srv/chroot/home",
            "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/x/shm",
            "/etc/hostname",
        ] {
            assert!(!refused(path, path, SourceKind::Directory), "{path}");
        }
    }

    #[test]
    fn a_source_that_was_not_looked_at_is_refused() {
        assert!(check(Path::new("/x"), &HostFacts::default()).is_err());
    }
}
