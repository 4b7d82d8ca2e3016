//! Whose processes a sandbox's are: those of its control groups, and where these hold no answer, those of its network
//! namespace.
//!
//! A process that the sandbox did not begin (`docker exec`) descends from none of its processes, and one that its
//! parent left descends from the first; the control group has them all. Containers that share the network (a pod's)
//! have groups of their own, which are learnt from the first of their processes that is found by its namespace.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::{AtFlags, CWD, fstat, statat};

use super::handle::{FileId, Handle, descriptor_of};
use crate::limits;
use crate::link::Unknown;

/// Where distributions mount the hierarchies.
const MOUNTS: &str = "/sys/fs/cgroup";
/// Where they mount version 2 beside version 1.
const UNIFIED: &str = "unified";

/// A process that has a socket open.
pub struct Holder {
    /// The process.
    pub process: Handle,
    descriptor: CString,
}

impl Holder {
    /// Whether it still has it open.
    #[must_use]
    pub fn holds(&self, inode: u32) -> bool {
        self.process.holds(&self.descriptor, &link(inode))
    }
}

/// The processes of one sandbox.
pub struct Territory {
    namespace: FileId,
    groups: Vec<PathBuf>,
}

impl Territory {
    /// That of the sandbox with `init` as its first process, in the network namespace `netns`.
    ///
    /// # Errors
    /// The namespace cannot be told.
    pub fn new(init: i32, netns: impl AsFd) -> io::Result<Territory> {
        let mut territory = Territory {
            namespace: FileId::from(&fstat(netns)?),
            groups: Vec::new(),
        };
        territory.learn(init);
        Ok(territory)
    }

    /// Whether a process is inside.
    #[must_use]
    pub fn holds(&self, process: &Handle) -> bool {
        process
            .behind("ns/net")
            .is_ok_and(|found| found == self.namespace)
    }

    /// The processes that have the socket of `inode` open.
    ///
    /// # Errors
    /// There are too many, or there is no time left at `end`.
    pub fn holders(&mut self, inode: u32, end: Instant) -> Result<Vec<Holder>, Unknown> {
        let mut pids = Vec::new();
        for group in &self.groups {
            members(group, &mut pids);
        }
        let found = having(inode, &pids, end)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let found = having(inode, &self.inhabitants(), end)?;
        for holder in &found {
            self.learn(holder.process.pid);
        }
        Ok(found)
    }

    /// Every process in the network namespace. Slow: it looks at all processes of the host.
    fn inhabitants(&self) -> Vec<i32> {
        let Ok(all) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let found = statat(CWD, format!("/proc/{pid}/ns/net"), AtFlags::empty());
                found.is_ok_and(|found| FileId::from(&found) == self.namespace)
            })
            .collect()
    }

    /// Remember the control group of a process, if it has one of its own.
    fn learn(&mut self, pid: i32) {
        if let Some(group) = group_of(pid)
            && self.groups.len() < limits::PROGRAM_CGROUPS
            && !self.groups.contains(&group)
        {
            self.groups.push(group);
        }
    }
}

/// How the descriptor of a socket reads.
fn link(inode: u32) -> String {
    format!("socket:[{inode}]")
}

fn having(inode: u32, pids: &[i32], end: Instant) -> Result<Vec<Holder>, Unknown> {
    let socket = link(inode);
    let mut found = Vec::new();
    for pid in pids {
        if Instant::now() > end {
            return Err(Unknown::Late);
        }
        let Ok(Some(descriptor)) = descriptor_of(*pid, &socket) else {
            continue;
        };
        if let Ok(process) = Handle::open(*pid)
            && process.holds(&descriptor, &socket)
        {
            found.push(Holder {
                process,
                descriptor,
            });
        }
        if found.len() > limits::PROGRAM_PROCESSES {
            return Err(Unknown::TooManyProcesses);
        }
    }
    Ok(found)
}

/// The processes of a control group and of those below it.
fn members(group: &Path, pids: &mut Vec<i32>) {
    // A group that is gone, or whose list cannot be read (a threaded one), has none: the namespace will tell.
    if let Ok(list) = fs::read_to_string(group.join("cgroup.procs")) {
        pids.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()));
    }
    let below = File::open(group).and_then(|group| Ok(fstat(group)?.st_nlink));
    // A directory without others in it has two links.
    if below.is_ok_and(|links| links == 2) {
        return;
    }
    let Ok(entries) = fs::read_dir(group) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            members(&entry.path(), pids);
        }
    }
}

/// A control group that `pid` is in and the router is not, so that it holds less than the whole host.
fn group_of(pid: i32) -> Option<PathBuf> {
    let list = |of: &str| fs::read_to_string(format!("/proc/{of}/cgroup"));
    let own = list("self").ok()?;
    let theirs = list(&pid.to_string()).ok()?;
    theirs
        .lines()
        .filter(|line| !own.lines().any(|own| own == *line))
        .find_map(|line| directory_of(line, pid))
}

/// The directory of a line of `/proc/PID/cgroup`, if the process is listed there.
fn directory_of(line: &str, pid: i32) -> Option<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?.strip_prefix('/')?);
    if path.is_empty() {
        return None;
    }
    let mounts = Path::new(MOUNTS);
    let mounts = match controllers {
        "" => vec![mounts.to_owned(), mounts.join(UNIFIED)],
        named => vec![mounts.join(named.strip_prefix("name=").unwrap_or(named))],
    };
    let pid = pid.to_string();
    mounts
        .into_iter()
        .map(|mount| mount.join(path))
        .find(|group| {
            let listed = fs::read_to_string(group.join("cgroup.procs"));
            listed.is_ok_and(|list| list.lines().any(|line| line == pid))
        })
}
