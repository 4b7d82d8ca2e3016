//! The namespaces of a box: which are new, which are joined, and in what order.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use oci_spec::runtime::{Linux, LinuxNamespaceType as Kind};

use super::error::{RaiseError, errno, kernel, on};

const CLONE_NEWTIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// A box's namespaces, those to join opened already.
pub struct Namespaces {
    /// Made by the clone itself.
    pub new: CloneFlags,
    /// The cgroup namespace is made when the process is in its cgroup.
    pub new_cgroup: bool,
    /// Joined by the new process, in this order.
    pub joined: Vec<(Kind, OwnedFd)>,
    /// Those of the joined ones that are the verb's own: the host's.
    shared: Vec<Kind>,
    /// A user namespace to join before anything is made in it.
    pub user: Option<OwnedFd>,
    /// Entered by the verb, for its child: a process does not change its own process-id namespace.
    before: Vec<(CloneFlags, OwnedFd)>,
    /// A new time namespace, with the offsets to write.
    time: Option<String>,
}

/// The kernel's flag of a kind.
#[must_use]
pub fn flag(kind: Kind) -> CloneFlags {
    match kind {
        Kind::Mount => CloneFlags::CLONE_NEWNS,
        Kind::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        Kind::Uts => CloneFlags::CLONE_NEWUTS,
        Kind::Ipc => CloneFlags::CLONE_NEWIPC,
        Kind::User => CloneFlags::CLONE_NEWUSER,
        Kind::Pid => CloneFlags::CLONE_NEWPID,
        Kind::Network => CloneFlags::CLONE_NEWNET,
        Kind::Time => CLONE_NEWTIME,
    }
}

impl Namespaces {
    /// As the configuration has them.
    ///
    /// # Errors
    /// One to join cannot be opened, or the configuration names a kind twice.
    pub fn of(linux: &Linux) -> Result<Namespaces, RaiseError> {
        let mut all = Namespaces {
            new: CloneFlags::empty(),
            new_cgroup: false,
            joined: Vec::new(),
            shared: Vec::new(),
            user: None,
            before: Vec::new(),
            time: None,
        };
        let mut seen = Vec::new();
        for namespace in linux.namespaces().iter().flatten() {
            let kind = namespace.typ();
            if seen.contains(&kind) {
                return Err(RaiseError::Config(format!(
                    "the configuration names the {kind} namespace twice"
                )));
            }
            seen.push(kind);
            let path = namespace
                .path()
                .as_deref()
                .filter(|path| !path.as_os_str().is_empty());
            match (kind, path) {
                (_, Some(path)) => all.join(kind, path)?,
                (Kind::Cgroup, None) => all.new_cgroup = true,
                (Kind::Time, None) => all.time = Some(offsets(linux)),
                (kind, None) => all.new |= flag(kind),
            }
        }
        let mapped = [linux.uid_mappings(), linux.gid_mappings()]
            .into_iter()
            .flatten()
            .any(|list| !list.is_empty());
        if mapped && !all.has_users() {
            return Err(RaiseError::Config(
                "the configuration has user mappings and no user namespace for them".to_owned(),
            ));
        }
        Ok(all)
    }

    /// Whether the box has a namespace of `kind` that is not the host's, whatever path the configuration names it by.
    #[must_use]
    pub fn isolates(&self, kind: Kind) -> bool {
        self.has(kind) && !self.shared.contains(&kind)
    }

    /// Whether the configuration gives the box a namespace of `kind`.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::User => self.has_users(),
            Kind::Cgroup if self.new_cgroup => true,
            kind => {
                self.new.contains(flag(kind)) || self.joined.iter().any(|(each, _)| *each == kind)
            }
        }
    }

    fn join(&mut self, kind: Kind, path: &Path) -> Result<(), RaiseError> {
        let failed = |error: std::io::Error| on("open the namespace", path)(errno(&error));
        let opened = File::open(path).map_err(failed)?;
        let identity = |file: &File| file.metadata().map(|stat| (stat.dev(), stat.ino()));
        if let Some(name) = own_name(kind) {
            let own = File::open(Path::new("/proc/self/ns").join(name)).map_err(failed)?;
            if identity(&own).map_err(failed)? == identity(&opened).map_err(failed)? {
                self.shared.push(kind);
            }
        }
        let opened = opened.into();
        match kind {
            Kind::User => self.user = Some(opened),
            Kind::Pid | Kind::Time => self.before.push((flag(kind), opened)),
            kind => self.joined.push((kind, opened)),
        }
        Ok(())
    }

    /// What this process must enter for the sake of its child.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn prepare(&self) -> Result<(), RaiseError> {
        for (flag, namespace) in &self.before {
            setns(namespace.as_fd(), *flag).map_err(kernel("enter a namespace to join"))?;
        }
        if let Some(offsets) = &self.time {
            unshare(CLONE_NEWTIME).map_err(kernel("make a time namespace"))?;
            if !offsets.is_empty() {
                std::fs::write("/proc/self/timens_offsets", offsets).map_err(|error| {
                    kernel("set the offsets of the time namespace")(errno(&error))
                })?;
            }
        }
        Ok(())
    }

    /// Enter, in the new process, what is joined.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn enter(&self) -> Result<(), RaiseError> {
        self.joined.iter().try_for_each(|(kind, namespace)| {
            setns(namespace.as_fd(), flag(*kind))
                .map_err(kernel(format!("join the {kind} namespace")))
        })
    }

    /// Make the cgroup namespace, in the new process and in its cgroup.
    ///
    /// # Errors
    /// The kernel's error.
    pub fn make_cgroup(&self) -> Result<(), RaiseError> {
        if self.new_cgroup {
            unshare(CloneFlags::CLONE_NEWCGROUP).map_err(kernel("make a cgroup namespace"))?;
        }
        Ok(())
    }

    /// Whether the box has users of its own.
    #[must_use]
    pub fn has_users(&self) -> bool {
        self.user.is_some() || self.new.contains(CloneFlags::CLONE_NEWUSER)
    }
}

/// The file in `/proc/self/ns` of the kinds that have sysctls.
fn own_name(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Network => Some("net"),
        Kind::Ipc => Some("ipc"),
        Kind::Uts => Some("uts"),
        _ => None,
    }
}

fn offsets(linux: &Linux) -> String {
    let given = linux.time_offsets().iter().flatten();
    given
        .map(|(clock, offset)| {
            let seconds = offset.secs().unwrap_or(0);
            let nanoseconds = offset.nanosecs().unwrap_or(0);
            format!("{clock} {seconds} {nanoseconds}\n")
        })
        .collect()
}

/// Enter the namespaces of the process behind `init`, for an exec. This process keeps its own process ids; its children
/// get those of the box.
///
/// # Errors
/// The kernel's error.
pub fn enter_ids_of(init: impl AsFd) -> Result<(), Errno> {
    setns(init, CloneFlags::CLONE_NEWPID)
}
