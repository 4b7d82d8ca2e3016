//! What the plan must know about this machine and the image, as values, so that the plan itself reads nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxNamespaceType;

/// What this machine can do and what the engine's paths lead to. Read by [`crate::plan::host::probe`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The kernel's Landlock ABI; 0 = none.
    pub landlock_abi: u32,
    /// 1 (also hybrid) or 2.
    pub cgroup_version: u8,
    /// The file that engine hooks are wrapped with: our own binary, as a path that can be executed.
    pub runtime_binary: PathBuf,
    /// The egress hook.
    pub egress_hook: PathBuf,
    /// Whether the egress hook is there and can be executed.
    pub egress_hook_present: bool,
    /// `CAP_SYS_RESOURCE` is in our effective set.
    pub cap_sys_resource: bool,
    /// Our own `oom_score_adj`: going below it needs `CAP_SYS_RESOURCE`.
    pub oom_score_adj: i32,
    /// Our own hard limits by OCI name (`RLIMIT_NOFILE`): going above needs `CAP_SYS_RESOURCE`.
    pub hard_limits: BTreeMap<String, u64>,
    /// The sources of the spec's bind mounts, by the absolute path that the spec gives.
    pub sources: BTreeMap<PathBuf, SourceFacts>,
    /// Directories and files of this runtime that no box may see: state, data, configuration.
    pub own_paths: Vec<PathBuf>,
    /// Where this machine has mounted file systems of the kernel (`/proc`, also that of a chroot below `/srv`).
    pub kernel_mounts: Vec<PathBuf>,
    /// The namespaces that the spec joins by path.
    pub joined: Vec<JoinedNamespace>,
}

/// What a mount's source is, symbolic links followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// The path without symbolic links; the path as given when it is missing.
    pub canonical: PathBuf,
    /// Its kind.
    pub kind: SourceKind,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// The size in bytes of the file system it lies on, with nothing else mounted below it. Only asked of what is mounted
    /// on a directory whose size a policy may limit.
    pub capacity: Option<u64>,
}

/// Kinds of mount sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A Unix socket: whoever can dial it leaves the box.
    Socket,
    /// A character or block device.
    Device,
    /// A pipe or something else.
    Other,
    /// Nothing is there.
    Missing,
}

/// One namespace that the spec joins by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedNamespace {
    /// Which kind.
    pub kind: LinuxNamespaceType,
    /// The path in the spec.
    pub path: PathBuf,
    /// The sandbox of ours that guards it (its first process lives in it). Of a network: the one whose fence stands there.
    pub guarded_by: Option<String>,
    /// That sandbox has a router.
    pub online: bool,
    /// A process that is in no sandbox of ours lives in it.
    pub foreign_processes: bool,
    /// It is the namespace that this runtime itself runs in, or that of the machine's first process.
    pub is_host: bool,
}

/// What is in the image. Read by [`crate::bundle::rootfs::probe`], never following a link out of the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RootfsFacts {
    /// What is at each path that the plan asks about (see [`super::paths_of_interest`]); links are not followed.
    pub paths: BTreeMap<PathBuf, PathKind>,
    /// The CA bundles that are regular files of at most 4 MiB, links inside the image followed, each file once.
    pub ca_bundles: Vec<PathBuf>,
    /// Where the paths that our files are mounted over lead, links inside the image followed, and what is there.
    pub leads: BTreeMap<PathBuf, (PathBuf, PathKind)>,
    /// `/etc/passwd` of the image.
    pub accounts: Vec<Account>,
    /// Gid of the group `sandbox`.
    pub sandbox_group: Option<u32>,
}

/// One line of the image's `/etc/passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
}

/// What stands at a path of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// Nothing.
    Missing,
    /// A directory, reached without any symbolic link.
    Directory,
    /// A regular file, reached without any symbolic link.
    File,
    /// A symbolic link, or a path that leads through one.
    Symlink,
    /// A device, pipe or socket.
    Other,
}

impl HostFacts {
    /// The joined namespace of `kind`, if the spec joins one.
    pub fn joined(&self, kind: LinuxNamespaceType) -> Option<&JoinedNamespace> {
        self.joined.iter().find(|joined| joined.kind == kind)
    }
}

impl RootfsFacts {
    /// What stands at `path`; a path that was not asked about counts as missing.
    pub fn kind(&self, path: &Path) -> PathKind {
        self.paths.get(path).copied().unwrap_or(PathKind::Missing)
    }

    /// The account of `uid`.
    pub fn account(&self, uid: u32) -> Option<&Account> {
        self.accounts.iter().find(|account| account.uid == uid)
    }

    /// The account named `sandbox`.
    pub fn sandbox_account(&self) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.name == "sandbox")
    }
}
