//! Reading this machine: the only file of the plan that does.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use caps::{CapSet, Capability};
use nemoclaw_policy::handover::Egress;
use nemoclaw_policy::node::NodeConfig;
use nix::sys::statvfs::statvfs;
use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::paths::{SANDBOX, TMP, normal};
use super::{HostFacts, JoinedNamespace, SourceFacts, SourceKind, mounts};

/// What the caller knows and this file does not look for.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The kernel's Landlock ABI; 0 = none.
    pub landlock_abi: u32,
    /// A path by which our own binary can be executed (not a sealed copy's `/memfd:…`).
    pub runtime_binary: &'a Path,
    /// Living sandboxes of ours: name and first process.
    pub guards: &'a [Guard],
    /// The node's configuration.
    pub node: &'a NodeConfig,
}

/// A living sandbox of ours. The caller has checked that `pid` is still its first process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Its name.
    pub sandbox: String,
    /// Its first process.
    pub pid: i32,
    /// How its traffic leaves; `None` where it joined another's network, so that the fence there is not its own.
    pub egress: Option<Egress>,
}

/// Why this machine could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A file of this machine cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Our capabilities cannot be read.
    #[error("cannot read this process's capabilities")]
    Capabilities(#[source] caps::errors::CapsError),
    /// A limit cannot be read.
    #[error("cannot read this process's limits: `/proc/self/limits` is not as expected")]
    Limits,
}

/// Reads what the plan for `spec` in the engine's bundle `bundle` needs to know.
///
/// # Errors
/// `/proc` is not as expected.
pub fn probe(spec: &Spec, bundle: &Path, known: &Known<'_>) -> Result<HostFacts, ProbeError> {
    let egress_hook = known
        .node
        .egress_hook
        .clone()
        .unwrap_or_else(|| beside(known.runtime_binary));
    let mountinfo = read("/proc/self/mountinfo")?;
    Ok(HostFacts {
        landlock_abi: known.landlock_abi,
        cgroup_version: if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            2
        } else {
            1
        },
        runtime_binary: known.runtime_binary.to_path_buf(),
        egress_hook_present: fs::metadata(&egress_hook)
            .is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0),
        egress_hook,
        cap_sys_resource: caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_RESOURCE)
            .map_err(ProbeError::Capabilities)?,
        oom_score_adj: read("/proc/self/oom_score_adj")?
            .trim()
            .parse()
            .map_err(|_| ProbeError::Limits)?,
        hard_limits: hard_limits(&read("/proc/self/limits")?),
        sources: sources(spec, bundle, &mount_points(&mountinfo)),
        own_paths: own_paths(known.node),
        kernel_mounts: kernel_mounts(&mountinfo),
        joined: joined(spec, known.guards)?,
    })
}

fn beside(runtime: &Path) -> PathBuf {
    runtime.with_file_name("nemoclaw-egress")
}

fn read(path: &str) -> Result<String, ProbeError> {
    fs::read_to_string(path).map_err(|source| ProbeError::Read {
        path: path.into(),
        source,
    })
}

/// What no box may see of us. Not the whole state and data directories: the direct engine keeps its bundles there.
fn own_paths(node: &NodeConfig) -> Vec<PathBuf> {
    let fixed = [
        node.state_dir.join("boxes"),
        node.data_dir.join("audit"),
        node.policy_dir.clone(),
        node.router.socket.clone(),
    ];
    fixed
        .into_iter()
        .chain(node.path.clone())
        // Whoever writes there says what root mounts and runs.
        .chain(node.cdi.dirs.clone())
        .map(|path| canonical(&path))
        .collect()
}

/// Mount points of the kernel's file systems, from the text of `/proc/self/mountinfo`.
fn kernel_mounts(text: &str) -> Vec<PathBuf> {
    const TYPES: [&str; 15] = [
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "debugfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "proc",
        "pstore",
        "securityfs",
        "sysfs",
        "tracefs",
    ];
    let kernels = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        let typ = file_system.split(' ').next()?;
        TYPES.contains(&typ).then(|| unescaped(point))
    };
    text.lines().filter_map(kernels).collect()
}

/// A path as the kernel prints it: blanks and backslashes stand as three octal digits.
fn unescaped(path: &str) -> PathBuf {
    let codes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let plain = codes.iter().fold(path.to_owned(), |path, (code, byte)| {
        path.replace(code, byte)
    });
    PathBuf::from(plain)
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Hard limits by OCI name from the text of `/proc/self/limits`.
fn hard_limits(text: &str) -> BTreeMap<String, u64> {
    const NAMES: [(&str, &str); 16] = [
        ("Max cpu time", "RLIMIT_CPU"),
        ("Max file size", "RLIMIT_FSIZE"),
        ("Max data size", "RLIMIT_DATA"),
        ("Max stack size", "RLIMIT_STACK"),
        ("Max core file size", "RLIMIT_CORE"),
        ("Max resident set", "RLIMIT_RSS"),
        ("Max processes", "RLIMIT_NPROC"),
        ("Max open files", "RLIMIT_NOFILE"),
        ("Max locked memory", "RLIMIT_MEMLOCK"),
        ("Max address space", "RLIMIT_AS"),
        ("Max file locks", "RLIMIT_LOCKS"),
        ("Max pending signals", "RLIMIT_SIGPENDING"),
        ("Max msgqueue size", "RLIMIT_MSGQUEUE"),
        ("Max nice priority", "RLIMIT_NICE"),
        ("Max realtime priority", "RLIMIT_RTPRIO"),
        ("Max realtime timeout", "RLIMIT_RTTIME"),
    ];
    let hard = |label: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
        match rest.split_whitespace().nth(1)? {
            "unlimited" => Some(u64::MAX),
            number => number.parse().ok(),
        }
    };
    NAMES
        .iter()
        .filter_map(|(label, name)| Some(((*name).to_owned(), hard(label)?)))
        .collect()
}

/// Every mount point, from the text of `/proc/self/mountinfo`.
fn mount_points(text: &str) -> Vec<PathBuf> {
    let point = |line: &str| line.split(' ').nth(4).map(unescaped);
    text.lines().filter_map(point).collect()
}

/// The sources of bind mounts; where each is mounted decides what is asked of it.
fn sources(spec: &Spec, bundle: &Path, points: &[PathBuf]) -> BTreeMap<PathBuf, SourceFacts> {
    let binds = spec
        .mounts()
        .iter()
        .flatten()
        .filter(|mount| mounts::is_bind(mount));
    let mut all = BTreeMap::new();
    for mount in binds {
        let Some(source) = mount.source() else {
            continue;
        };
        let (source, mut facts) = look(bundle.join(source));
        let limited = normal(mount.destination())
            .is_some_and(|path| [SANDBOX, TMP].map(PathBuf::from).contains(&path));
        if limited && facts.kind == SourceKind::Directory {
            facts.capacity = capacity(&facts.canonical, points);
        }
        // One that is mounted twice keeps what was asked of it.
        let seen: &mut SourceFacts = all.entry(source).or_insert_with(|| facts.clone());
        seen.capacity = seen.capacity.or(facts.capacity);
    }
    all
}

/// The size of the file system at `path`; `None` where another one is mounted below, or it says no size.
fn capacity(path: &Path, points: &[PathBuf]) -> Option<u64> {
    if points
        .iter()
        .any(|point| point != path && point.starts_with(path))
    {
        return None;
    }
    let found = statvfs(path).ok()?;
    let bytes = found.blocks().checked_mul(found.fragment_size())?;
    (bytes > 0).then_some(bytes)
}

fn look(source: PathBuf) -> (PathBuf, SourceFacts) {
    let found =
        fs::canonicalize(&source).and_then(|path| fs::metadata(&path).map(|meta| (path, meta)));
    let facts = match found {
        Ok((canonical, meta)) => SourceFacts {
            canonical,
            kind: kind(&meta),
            uid: meta.uid(),
            gid: meta.gid(),
            mode: meta.mode() & 0o7777,
            capacity: None,
        },
        Err(_) => SourceFacts {
            canonical: source.clone(),
            kind: SourceKind::Missing,
            uid: 0,
            gid: 0,
            mode: 0,
            capacity: None,
        },
    };
    (source, facts)
}

fn kind(meta: &Metadata) -> SourceKind {
    let typ = meta.file_type();
    if typ.is_dir() {
        SourceKind::Directory
    } else if typ.is_file() {
        SourceKind::File
    } else if typ.is_socket() {
        SourceKind::Socket
    } else if typ.is_char_device() || typ.is_block_device() {
        SourceKind::Device
    } else {
        SourceKind::Other
    }
}

/// Looks at the namespaces that the spec joins by path.
fn joined(spec: &Spec, guards: &[Guard]) -> Result<Vec<JoinedNamespace>, ProbeError> {
    let namespaces = spec
        .linux()
        .iter()
        .flat_map(|linux| linux.namespaces().iter().flatten());
    let with_path = namespaces.filter_map(|namespace| {
        let path = namespace
            .path()
            .as_ref()
            .filter(|path| !path.as_os_str().is_empty())?;
        Some((namespace.typ(), path))
    });
    let mut all = Vec::new();
    for (kind, path) in with_path {
        let target = identity(path).map_err(|source| ProbeError::Read {
            path: path.clone(),
            source,
        })?;
        let file = file_name(kind);
        let of = |pid: &str| identity(&Path::new("/proc").join(pid).join("ns").join(file)).ok();
        let guard = guards
            .iter()
            .filter(|guard| kind != LinuxNamespaceType::Network || guard.egress.is_some())
            .find(|guard| of(&guard.pid.to_string()) == Some(target));
        all.push(JoinedNamespace {
            kind,
            path: path.clone(),
            guarded_by: guard.map(|guard| guard.sandbox.clone()),
            online: guard.is_some_and(|guard| guard.egress == Some(Egress::Router)),
            foreign_processes: lives_in(target, file)?,
            is_host: of("self") == Some(target) || of("1") == Some(target),
        });
    }
    Ok(all)
}

/// Whether any process lives in the namespace. Asked only of unguarded ones does it mean a foreign process.
fn lives_in(target: (u64, u64), file: &str) -> Result<bool, ProbeError> {
    let unreadable = |source| ProbeError::Read {
        path: "/proc".into(),
        source,
    };
    for entry in fs::read_dir("/proc").map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_process = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        // A process that ended meanwhile lives nowhere.
        if is_process
            && identity(&entry.path().join("ns").join(file)).is_ok_and(|found| found == target)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Device and inode of a namespace, by any path to it.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

/// The name below `/proc/PID/ns`.
fn file_name(kind: LinuxNamespaceType) -> &'static str {
    match kind {
        LinuxNamespaceType::Mount => "mnt",
        LinuxNamespaceType::Cgroup => "cgroup",
        LinuxNamespaceType::Uts => "uts",
        LinuxNamespaceType::Ipc => "ipc",
        LinuxNamespaceType::User => "user",
        LinuxNamespaceType::Pid => "pid",
        LinuxNamespaceType::Network => "net",
        LinuxNamespaceType::Time => "time",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{Linux, LinuxNamespace, Mount};

    #[test]
    fn the_hard_column_of_the_limits_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 20000                files     \n\
                    Max core file size        0                    unlimited            bytes     \n";
        let limits = hard_limits(text);
        assert_eq!(limits["RLIMIT_NOFILE"], 20_000);
        assert_eq!(limits["RLIMIT_CORE"], u64::MAX);
        assert_eq!(limits.len(), 2);
    }

    #[test]
    fn mounts_of_the_kernel_are_found_wherever_they_are() {
        let text = "30 1 254:0 / / rw - ext4 /dev/vda rw\n\
                    31 30 0:4 / /srv/my\\040root/proc rw,nosuid shared:5 - proc proc rw\n\
                    32 30 0:5 / /data rw - tmpfs tmpfs rw\n";
        assert_eq!(kernel_mounts(text), [PathBuf::from("/srv/my root/proc")]);
    }

    #[test]
    fn this_process_knows_its_own_namespaces_as_the_hosts() {
        let mut namespace = LinuxNamespace::default();
        namespace
            .set_typ(LinuxNamespaceType::Network)
            .set_path(Some("/proc/self/ns/net".into()));
        let mut linux = Linux::default();
        linux.set_namespaces(Some(vec![namespace]));
        let mut spec = Spec::default();
        spec.set_linux(Some(linux));
        let found = joined(&spec, &[]).unwrap();
        assert!(found[0].is_host && found[0].foreign_processes && found[0].guarded_by.is_none());
        let guard = |egress| Guard {
            sandbox: "box1".to_owned(),
            pid: i32::try_from(std::process::id()).unwrap(),
            egress,
        };
        let router = joined(&spec, &[guard(Some(Egress::Router))]).unwrap();
        assert_eq!(router[0].guarded_by.as_deref(), Some("box1"));
        assert!(router[0].online);
        let offline = joined(&spec, &[guard(Some(Egress::Offline))]).unwrap();
        assert!(offline[0].guarded_by.is_some() && !offline[0].online);
        // One that lives there without a fence of its own guards nothing.
        assert_eq!(joined(&spec, &[guard(None)]).unwrap()[0].guarded_by, None);
    }

    #[test]
    fn sources_are_known_by_what_they_lead_to() {
        let mut spec = Spec::default();
        let mounts = ["/proc/self/exe", "/dev/null", "/proc", "/no/such/path"].map(|source| {
            let mut mount = Mount::default();
            mount
                .set_typ(Some("bind".to_owned()))
                .set_source(Some(source.into()));
            mount
        });
        spec.set_mounts(Some(mounts.to_vec()));
        let found = sources(&spec, Path::new("/bundle"), &[]);
        let kind = |path: &str| found[Path::new(path)].kind;
        assert_eq!(kind("/proc/self/exe"), SourceKind::File);
        assert_ne!(
            found[Path::new("/proc/self/exe")].canonical,
            Path::new("/proc/self/exe")
        );
        assert_eq!(kind("/dev/null"), SourceKind::Device);
        assert_eq!(kind("/proc"), SourceKind::Directory);
        assert_eq!(kind("/no/such/path"), SourceKind::Missing);
    }
}
