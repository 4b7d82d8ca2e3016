//! A box's cgroup in one hierarchy: its directory made, joined and removed.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{self, Version};
use super::{Branch, CgroupError, files, processes};
use crate::state::ProcessId;

/// Who lives in a cgroup.
pub(super) const PROCS: &str = "cgroup.procs";
/// Version 2: what is handed down to the cgroups below.
const HANDED_DOWN: &str = "cgroup.subtree_control";
/// Version 1: what a new cgroup has to be given before anyone may join it.
const SETS: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

/// A process that was forked just now may not be moved yet: how often and how long it is tried.
const JOIN_TRIES: u32 = 10;
const JOIN_PAUSE: Duration = Duration::from_millis(3);
/// How long the last process may take to leave, and the pause between two looks.
const REMOVE_LIMIT: Duration = Duration::from_secs(2);
const REMOVE_PAUSE: Duration = Duration::from_millis(1);

impl Branch {
    pub(super) fn make(&self) -> Result<(), CgroupError> {
        let made = match self.hierarchy.version {
            Version::One => self.make_first(),
            Version::Two if self.optional => return Ok(()),
            Version::Two => self.make_second(&self.hierarchy.controllers),
        };
        match made {
            Err(_) if self.optional => Ok(()),
            other => other.map_err(|source| CgroupError::Make {
                path: self.directory.clone(),
                source,
            }),
        }
    }

    fn make_first(&self) -> io::Result<()> {
        directory(&self.directory)?;
        if self.hierarchy.has("cpuset") {
            fill_sets(&self.hierarchy.mount, &self.directory)?;
        }
        Ok(())
    }

    /// Made with these controllers.
    pub(super) fn make_second(&self, controllers: &[String]) -> io::Result<()> {
        self.hand_down(controllers)?;
        one_directory(&self.directory)
    }

    /// Have every cgroup above hand `controllers` down, making those that are missing. A controller that cannot be
    /// handed down is missed when a limit needs it.
    fn hand_down(&self, controllers: &[String]) -> io::Result<()> {
        let words: Vec<String> = controllers.iter().map(|name| format!("+{name}")).collect();
        let all = words.join(" ");
        let mount = &self.hierarchy.mount;
        let mut above = self.directory.parent();
        let mut levels: Vec<&Path> = Vec::new();
        while let Some(level) = above.filter(|level| level.starts_with(mount)) {
            levels.push(level);
            above = level.parent();
        }
        for level in levels.into_iter().rev() {
            if level != mount {
                one_directory(level)?;
            }
            let has = files::read(level, HANDED_DOWN).unwrap_or_default();
            let all_there = |name: &String| has.split_whitespace().any(|each| each == name);
            if controllers.iter().all(all_there) || files::write(level, HANDED_DOWN, &all).is_ok() {
                continue;
            }
            for word in &words {
                files::write(level, HANDED_DOWN, word).ok();
            }
        }
        Ok(())
    }

    pub(super) fn join(&self, pid: Pid, init: Option<ProcessId>) -> Result<(), CgroupError> {
        let word = pid.to_string();
        let mut joined = join(&self.directory, &word);
        let refused = joined.as_ref().err().and_then(io::Error::raw_os_error);
        if matches!(refused, Some(libc::EBUSY | libc::EOPNOTSUPP))
            && let Some(deeper) = init.and_then(|init| self.deeper(init))
        {
            joined = join(&deeper, &word);
        }
        match joined {
            Err(error) if self.optional && error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(|source| CgroupError::Join {
                pid: pid.as_raw(),
                path: self.directory.clone(),
                source,
            }),
        }
    }

    /// Where a process may live: version 2 lets nobody live in a cgroup that hands anything down.
    pub(super) fn habitable(&self, init: Option<ProcessId>) -> PathBuf {
        let handed = files::read(&self.directory, HANDED_DOWN).unwrap_or_default();
        let deeper = match handed.trim().is_empty() {
            true => None,
            false => init.and_then(|init| self.deeper(init)),
        };
        deeper.unwrap_or_else(|| self.directory.clone())
    }

    /// Where init has moved to, below its box's cgroup.
    fn deeper(&self, init: ProcessId) -> Option<PathBuf> {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", init.pid)).ok()?;
        let key = self.hierarchy.key();
        let (_, path) = layout::own(&text).find(|(names, _)| names.join(",") == key)?;
        let place = self.hierarchy.mount.join(path.strip_prefix("/").ok()?);
        (place.starts_with(&self.directory) && init.alive()).then_some(place)
    }

    pub(super) fn remove(&self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + REMOVE_LIMIT;
        loop {
            let source = match std::fs::remove_dir(&self.directory) {
                Ok(()) => return Ok(()),
                Err(_) if !self.directory.exists() => return Ok(()),
                Err(source) => source,
            };
            if source.raw_os_error() != Some(libc::EBUSY) || Instant::now() > deadline {
                return Err(CgroupError::Remove {
                    path: self.directory.clone(),
                    source,
                });
            }
            // A process that was moved into some hierarchies only, when its verb was killed.
            for pid in processes::below(&self.directory) {
                kill(pid, Signal::SIGKILL).ok();
            }
            remove_below(&self.directory);
            std::thread::sleep(REMOVE_PAUSE);
        }
    }
}

fn join(directory: &Path, pid: &str) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match files::write(directory, PROCS, pid) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && tries < JOIN_TRIES => {
                tries += 1;
                std::thread::sleep(JOIN_PAUSE);
            }
            other => return other,
        }
    }
}

/// Make a directory, and those above it that are missing.
fn directory(path: &Path) -> io::Result<()> {
    match one_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(above) => {
                directory(above)?;
                one_directory(path)
            }
            None => Err(error),
        },
        other => other,
    }
}

fn one_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // On a file system that is read-only, also where the directory is there.
        Err(_) if path.is_dir() => Ok(()),
        other => other,
    }
}

/// Give a cpuset what its parent has, and the parent first: in one without CPUs or memory nobody can live.
fn fill_sets(mount: &Path, directory: &Path) -> io::Result<()> {
    if directory == mount {
        return Ok(());
    }
    for file in SETS {
        if !files::read(directory, file)?.trim().is_empty() {
            continue;
        }
        let Some(above) = directory.parent() else {
            continue;
        };
        let mut value = files::read(above, file)?;
        if value.trim().is_empty() {
            fill_sets(mount, above)?;
            value = files::read(above, file)?;
        }
        files::write(directory, file, value.trim())?;
    }
    Ok(())
}

/// Remove the cgroups that the box made for itself, as far as they are empty.
fn remove_below(directory: &Path) {
    for below in processes::directories(directory) {
        remove_below(&below);
        std::fs::remove_dir(below).ok();
    }
}
