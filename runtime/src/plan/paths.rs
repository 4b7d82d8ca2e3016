//! The policy's path rules as questions: may this path be written, and what must be known of the image.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use nemoclaw_policy::policy::{Filesystem, Policy};
use oci_spec::runtime::Spec;

/// The work directory every box has.
pub const SANDBOX: &str = "/sandbox";
/// The scratch directory every box has.
pub const TMP: &str = "/tmp";

/// What a policy grants on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the path is not listed.
    None,
    /// Read and execute.
    Read,
    /// Write too.
    Write,
}

/// The policy's file rules for one box: its lists plus, where it says so, the process's working directory.
#[derive(Debug, Clone)]
pub struct PathRules {
    /// Readable paths.
    pub read_only: Vec<PathBuf>,
    /// Writable paths.
    pub read_write: Vec<PathBuf>,
    /// The working directory was asked for but is no place a box may write.
    pub workdir_refused: Option<PathBuf>,
}

impl PathRules {
    /// The rules of `filesystem` for a process that starts in `cwd`.
    pub fn new(filesystem: &Filesystem, cwd: &Path) -> PathRules {
        let mut rules = PathRules {
            read_only: filesystem.read_only.clone(),
            read_write: filesystem.read_write.clone(),
            workdir_refused: None,
        };
        if filesystem.include_workdir && rules.access(cwd) != Access::Write {
            if may_be_workdir(cwd) && !rules.read_only.iter().any(|path| path == cwd) {
                rules.read_write.push(cwd.to_path_buf());
            } else {
                rules.workdir_refused = Some(cwd.to_path_buf());
            }
        }
        rules
    }

    /// What the most specific listed path grants on `path`; of two lists that name the same path the narrower counts.
    pub fn access(&self, path: &Path) -> Access {
        match (
            deepest(&self.read_only, path),
            deepest(&self.read_write, path),
        ) {
            (None, None) => Access::None,
            (read, Some(write)) if read.is_none_or(|read| write > read) => Access::Write,
            _ => Access::Read,
        }
    }

    /// Whether a mount on `path` may stay writable. A writable root (policy `dev`) covers the root layer only.
    pub fn mount_writable(&self, path: &Path) -> bool {
        self.access(path) == Access::Write && deepest(&self.read_write, path) > Some(1)
    }

    /// Whether the root layer itself is writable.
    pub fn writable_root(&self) -> bool {
        self.read_write.iter().any(|path| path == Path::new("/"))
    }

    /// Readable paths that lie below a writable one, and so need a read-only mount.
    pub fn nested_read_only(&self) -> Vec<PathBuf> {
        let nested = |path: &&PathBuf| {
            deepest(&self.read_write, path).is_some() && self.access(path) == Access::Read
        };
        self.read_only.iter().filter(nested).cloned().collect()
    }
}

/// Number of components of the longest of `list` that `path` lies at or below.
fn deepest(list: &[PathBuf], path: &Path) -> Option<usize> {
    list.iter()
        .filter(|entry| path.starts_with(entry))
        .map(|entry| entry.components().count())
        .max()
}

/// The root and the kernel's file systems are never a working directory that becomes writable.
fn may_be_workdir(cwd: &Path) -> bool {
    let kernel = ["/proc", "/sys", "/dev"];
    cwd.is_absolute() && cwd != Path::new("/") && !kernel.iter().any(|path| cwd.starts_with(path))
}

/// `path` without `.` and doubled slashes, absolute; `None` when it has `..`.
pub fn normal(path: &Path) -> Option<PathBuf> {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(out)
}

/// `path` as an absolute one, `..` taken by the names and never above the root.
pub fn resolved(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    out
}

/// The paths whose kind in the image a plan needs: give them to [`crate::bundle::rootfs::probe`].
pub fn paths_of_interest(spec: &Spec, policy: &Policy) -> BTreeSet<PathBuf> {
    let mut paths: BTreeSet<PathBuf> = [SANDBOX, TMP].iter().map(PathBuf::from).collect();
    paths.extend(policy.filesystem.read_write.iter().cloned());
    paths.extend(policy.filesystem.read_only.iter().cloned());
    paths.extend(
        super::environment::CA_BUNDLE_PATHS
            .iter()
            .map(PathBuf::from),
    );
    paths.extend(
        spec.process()
            .as_ref()
            .and_then(|process| normal(process.cwd())),
    );
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(read_only: &[&str], read_write: &[&str], cwd: &str) -> PathRules {
        let list = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        let filesystem = Filesystem {
            read_only: list(read_only),
            read_write: list(read_write),
            include_workdir: true,
        };
        PathRules::new(&filesystem, Path::new(cwd))
    }

    #[test]
    fn the_most_specific_path_decides() {
        let rules = rules(
            &["/", "/sandbox/keys"],
            &["/sandbox", "/sandbox/keys/new"],
            "/",
        );
        let access = |path: &str| rules.access(Path::new(path));
        assert_eq!(access("/etc"), Access::Read);
        assert_eq!(access("/sandbox/a"), Access::Write);
        assert_eq!(access("/sandbox/keys/old"), Access::Read);
        assert_eq!(access("/sandbox/keys/new/x"), Access::Write);
        assert_eq!(access("/sandboxed"), Access::Read);
        assert_eq!(rules.nested_read_only(), [PathBuf::from("/sandbox/keys")]);
    }

    #[test]
    fn a_path_in_both_lists_is_read_only() {
        let rules = rules(&["/a"], &["/a"], "/");
        assert_eq!(rules.access(Path::new("/a/b")), Access::Read);
        assert_eq!(rules.nested_read_only(), [PathBuf::from("/a")]);
    }

    #[test]
    fn an_unlisted_path_has_no_access() {
        assert_eq!(
            rules(&["/usr"], &["/tmp"], "/").access(Path::new("/etc")),
            Access::None
        );
    }

    #[test]
    fn the_working_directory_is_writable_when_asked_but_never_the_root_or_the_kernels_files() {
        assert_eq!(
            rules(&["/"], &[], "/app").access(Path::new("/app/x")),
            Access::Write
        );
        for cwd in ["/", "/proc/self", "/sys", "/dev/shm"] {
            assert_eq!(
                rules(&["/"], &[], cwd).workdir_refused,
                Some(PathBuf::from(cwd))
            );
        }
        assert_eq!(
            rules(&["/app"], &[], "/app").workdir_refused,
            Some(PathBuf::from("/app"))
        );
    }

    #[test]
    fn a_writable_root_makes_no_mount_writable() {
        let rules = rules(&[], &["/", "/work"], "/");
        assert!(rules.writable_root());
        assert!(!rules.mount_writable(Path::new("/data")));
        assert!(rules.mount_writable(Path::new("/work/x")));
    }

    #[test]
    fn dots_are_removed_and_parents_refused() {
        assert_eq!(normal(Path::new("a/./b//c")), Some(PathBuf::from("/a/b/c")));
        assert_eq!(normal(Path::new("/a/../b")), None);
    }
}
