//! `--systemd-cgroup`: systemd makes the cgroup, as a scope of its own, and is told the limits too, lest it reset them.
//!
//! The only place where another crate's cgroup code is used: it speaks D-Bus. Everything but making, ending and telling
//! is done by the files of version 2, as for any box.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use libcgroups::common::{CgroupManager, ControllerOpt};
use libcgroups::systemd::manager::{
    Manager, PROCESS_IN_CGROUP_TIMEOUT_DURATION, SystemdManagerError,
};
use nix::unistd::Pid;
use oci_spec::runtime::LinuxResources;

/// There while systemd is the first process.
const RUNNING: &str = "/run/systemd/system";
const ROOT: &str = "/sys/fs/cgroup";
const SLICE: &str = ".slice";
/// Where the engine names no slice.
const DEFAULT_SLICE: &str = "system.slice";

/// Why systemd could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemdError {
    /// Another first process.
    #[error(
        "cannot let systemd make the cgroup: systemd does not run on this machine; leave out --systemd-cgroup"
    )]
    NotRunning,
    /// Version 1.
    #[error(
        "cannot let systemd make the cgroup on a machine with cgroups of version 1: leave out --systemd-cgroup"
    )]
    Version1,
    /// A manager of one user's own.
    #[error("cannot let systemd make the cgroup for another user than root")]
    NotRoot,
    /// Not of the form that systemd's boxes have.
    #[error("the cgroup path `{}` is not of the form `slice:prefix:name`, which --systemd-cgroup needs", .0.display())]
    Path(PathBuf),
    /// systemd's answer.
    #[error("cannot {step} the unit `{unit}`")]
    Unit {
        /// What was tried.
        step: &'static str,
        /// Its name.
        unit: String,
        /// Cause.
        #[source]
        source: Box<SystemdManagerError>,
    },
}

/// A box's unit.
#[derive(Debug)]
pub(super) struct Unit {
    id: String,
    given: PathBuf,
    slice: String,
    name: String,
    /// The limits of a box that has no process yet: systemd makes no unit without one.
    kept: RefCell<Option<LinuxResources>>,
}

impl Unit {
    /// The unit that `slice:prefix:name` means.
    pub fn new(id: &str, given: &Path) -> Result<Unit, SystemdError> {
        if !Path::new(RUNNING).exists() {
            return Err(SystemdError::NotRunning);
        }
        if !nix::unistd::geteuid().is_root() {
            return Err(SystemdError::NotRoot);
        }
        let (slice, name) = names(given).ok_or_else(|| SystemdError::Path(given.into()))?;
        Ok(Unit {
            id: id.to_owned(),
            given: given.to_path_buf(),
            slice,
            name,
            kept: RefCell::default(),
        })
    }

    /// Its cgroup, below the mount point.
    pub fn path(&self) -> Result<PathBuf, SystemdError> {
        let slice = expand(&self.slice).ok_or_else(|| SystemdError::Path(self.given.clone()))?;
        Ok(slice.join(&self.name))
    }

    /// Keep the limits for [`Unit::start`] where the unit is not there yet; false where it is.
    pub fn keep(&self, resources: &LinuxResources) -> bool {
        let there = self.path().is_ok_and(|path| {
            Path::new(ROOT)
                .join(path.strip_prefix("/").unwrap_or(&path))
                .exists()
        });
        if !there {
            *self.kept.borrow_mut() = Some(resources.clone());
        }
        !there
    }

    /// Make the unit with this process, or move the process there; the limits that were kept are to be set now.
    pub fn start(&self, pid: Pid) -> Result<Option<LinuxResources>, SystemdError> {
        self.manager("start")?
            .add_task(pid)
            .map_err(self.failed("start"))?;
        Ok(self.kept.borrow_mut().take())
    }

    /// Tell systemd the limits that it knows.
    pub fn tell(&self, resources: &LinuxResources) -> Result<(), SystemdError> {
        let options = ControllerOpt {
            resources,
            disable_oom_killer: false,
            oom_score_adj: None,
            freezer_state: None,
        };
        self.manager("limit")?
            .apply(&options)
            .map_err(self.failed("limit"))
    }

    /// End the unit; one that is gone is fine.
    pub fn stop(&self) -> Result<(), SystemdError> {
        self.manager("stop")?.remove().map_err(self.failed("stop"))
    }

    fn manager(&self, step: &'static str) -> Result<Manager, SystemdError> {
        let (root, given) = (PathBuf::from(ROOT), self.given.clone());
        let limit = PROCESS_IN_CGROUP_TIMEOUT_DURATION;
        Manager::new(root, given, self.id.clone(), true, limit).map_err(self.failed(step))
    }

    fn failed(&self, step: &'static str) -> impl Fn(SystemdManagerError) -> SystemdError {
        let unit = self.name.clone();
        move |source| SystemdError::Unit {
            step,
            unit: unit.clone(),
            source: Box::new(source),
        }
    }
}

/// Slice and unit of `slice:prefix:name`.
fn names(given: &Path) -> Option<(String, String)> {
    let parts: Vec<&str> = given.to_str()?.split(':').collect();
    let [slice, prefix, name] = parts.as_slice() else {
        return None;
    };
    if name.is_empty() || parts.iter().any(|part| part.contains('/')) {
        return None;
    }
    let slice = if slice.is_empty() {
        DEFAULT_SLICE
    } else {
        slice
    };
    let unit = match name.ends_with(SLICE) {
        true => (*name).to_owned(),
        false => format!("{prefix}-{name}.scope"),
    };
    Some((slice.to_owned(), unit))
}

/// The path of a slice: `a-b.slice` lies in `a.slice`.
fn expand(slice: &str) -> Option<PathBuf> {
    let name = slice.strip_suffix(SLICE).filter(|name| !name.is_empty())?;
    let mut path = PathBuf::from("/");
    if name == "-" {
        return Some(path);
    }
    let mut whole = String::new();
    for part in name.split('-') {
        if part.is_empty() {
            return None;
        }
        if !whole.is_empty() {
            whole.push('-');
        }
        whole.push_str(part);
        path.push(format!("{whole}{SLICE}"));
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_lies_in_the_slices_of_its_name() {
        let path = Path::new("/test.slice/test-a.slice/test-a-b.slice");
        assert_eq!(expand("test-a-b.slice").as_deref(), Some(path));
        assert_eq!(expand("-.slice").as_deref(), Some(Path::new("/")));
        for wrong in ["test", ".slice", "a--b.slice", "-a.slice"] {
            assert_eq!(expand(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_box_is_a_scope_unless_it_is_named_a_slice() {
        let unit = |given: &str| names(Path::new(given));
        let pair = |slice: &str, name: &str| Some((slice.to_owned(), name.to_owned()));
        assert_eq!(
            unit("machine.slice:libpod:a"),
            pair("machine.slice", "libpod-a.scope")
        );
        assert_eq!(unit(":docker:a"), pair("system.slice", "docker-a.scope"));
        assert_eq!(unit("x.slice:n:y.slice"), pair("x.slice", "y.slice"));
        for wrong in ["a", "a:b", "a:b:", "a:b:../c", "a:b:c:d"] {
            assert_eq!(unit(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn without_systemd_a_sentence_says_what_to_leave_out() {
        if Path::new(RUNNING).exists() {
            return;
        }
        let error = Unit::new("a", Path::new("system.slice:nemoclaw:a")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot let systemd make the cgroup: systemd does not run on this machine; leave out --systemd-cgroup"
        );
    }
}
