//! Everyone in a box's cgroup: listed, frozen, signalled, ended.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::layout::Version;
use super::make::PROCS;
use super::{Branch, Cgroup, CgroupError, files};
use crate::sys::pidfd::PidFd;

/// How long a killed process may take to leave its cgroup.
const LEAVE_LIMIT: Duration = Duration::from_secs(10);
/// How often the cgroup is looked at meanwhile: soon at first.
const LEAVE_STEPS: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(5));
/// How long processes may take to stop.
const FREEZE_LIMIT: Duration = Duration::from_secs(2);
/// Version 1: how often they are looked at.
const FREEZE_STEP: Duration = Duration::from_micros(100);
/// Version 1: after so many looks they are told again.
const FREEZE_AGAIN: u32 = 50;

/// Version 1.
const STATE: &str = "freezer.state";
/// Version 2.
const FREEZE: &str = "cgroup.freeze";
const EVENTS: &str = "cgroup.events";
/// It has two short lines.
const EVENTS_SIZE: usize = 128;
const KILL: &str = "cgroup.kill";

impl Cgroup {
    /// The processes in it and below it; none when it is gone.
    #[must_use]
    pub fn pids(&self) -> Vec<Pid> {
        below(&self.main().directory)
    }

    /// Stop all processes where they are.
    ///
    /// # Errors
    /// The freezer cannot be written, or a process does not stop.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        let branch = self.freezer()?;
        let stopped = match branch.hierarchy.version {
            Version::One => freeze_first(&branch.directory),
            Version::Two => freeze_second(&branch.directory),
        };
        match stopped {
            Ok(true) => Ok(()),
            Ok(false) => {
                // Half a box that stands still is worse than one that runs.
                self.thaw()?;
                Err(CgroupError::NotFrozen {
                    id: self.id.clone(),
                })
            }
            Err(source) => Err(failed("freeze", branch, source)),
        }
    }

    /// Let them go on.
    ///
    /// # Errors
    /// The freezer cannot be written.
    pub fn thaw(&self) -> Result<(), CgroupError> {
        let branch = self.freezer()?;
        let (file, word) = match branch.hierarchy.version {
            Version::One => (STATE, "THAWED"),
            Version::Two => (FREEZE, "0"),
        };
        files::write(&branch.directory, file, word).map_err(|source| failed("thaw", branch, source))
    }

    /// Whether all its processes stand still.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let Ok(branch) = self.freezer() else {
            return false;
        };
        match branch.hierarchy.version {
            Version::One => {
                files::read(&branch.directory, STATE).is_ok_and(|text| text.trim() == "FROZEN")
            }
            Version::Two => files::read(&branch.directory, EVENTS).is_ok_and(|text| frozen(&text)),
        }
    }

    fn freezer(&self) -> Result<&Branch, CgroupError> {
        self.branch(&["freezer"])
            .or_else(|| self.second())
            .ok_or_else(|| CgroupError::NoFreezer(self.id.clone()))
    }

    /// Send `signal` to everyone in it. Frozen meanwhile, so that nobody can fork away; who was frozen stays so, unless
    /// killed.
    ///
    /// # Errors
    /// A signal was refused.
    pub fn signal_all(&self, signal: i32) -> Result<(), CgroupError> {
        if signal == libc::SIGKILL && self.kill_at_once() {
            return Ok(());
        }
        let stood = self.is_frozen();
        // On a kernel without a freezer the loop below still reaches everyone, only in more rounds.
        let frozen = stood || self.freeze().is_ok();
        let sent = self
            .pids()
            .into_iter()
            .try_for_each(|pid| self.signal(pid, signal));
        if frozen && (!stood || signal == libc::SIGKILL) {
            self.thaw()?;
        }
        sent
    }

    /// Have the kernel kill everyone, frozen or not (version 2 since Linux 5.14).
    fn kill_at_once(&self) -> bool {
        let main = self.main();
        main.hierarchy.version == Version::Two && files::write(&main.directory, KILL, "1").is_ok()
    }

    fn signal(&self, pid: Pid, signal: i32) -> Result<(), CgroupError> {
        match PidFd::open(pid).and_then(|process| process.send(signal)) {
            // It ended on its own.
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(source) => Err(CgroupError::Signal {
                pid: pid.as_raw(),
                id: self.id.clone(),
                source,
            }),
        }
    }

    /// Kill everyone in it and wait until it is empty.
    ///
    /// # Errors
    /// A signal was refused, or a process does not end.
    pub fn empty(&self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + LEAVE_LIMIT;
        let mut pause = LEAVE_STEPS.0;
        while !self.pids().is_empty() {
            if Instant::now() > deadline {
                return Err(CgroupError::Remains {
                    id: self.id.clone(),
                    processes: self.pids().len(),
                });
            }
            self.signal_all(libc::SIGKILL)?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(LEAVE_STEPS.1);
        }
        Ok(())
    }
}

fn failed(step: &'static str, branch: &Branch, source: io::Error) -> CgroupError {
    CgroupError::Freezer {
        step,
        path: branch.directory.clone(),
        source,
    }
}

/// The processes in a cgroup and in those below it.
pub(super) fn below(directory: &Path) -> Vec<Pid> {
    // A cgroup that is gone has none, and of one with threads apart (version 2) the one above names the processes.
    let text = files::read(directory, PROCS).unwrap_or_default();
    let mut pids: Vec<Pid> = text
        .lines()
        .filter_map(|line| line.parse().ok())
        .map(Pid::from_raw)
        .collect();
    for below_it in directories(directory) {
        pids.extend(below(&below_it));
    }
    pids
}

/// The cgroups right below one.
pub(super) fn directories(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn freeze_first(directory: &Path) -> io::Result<bool> {
    let deadline = Instant::now() + FREEZE_LIMIT;
    while Instant::now() < deadline {
        files::write(directory, STATE, "FROZEN")?;
        for _ in 0..FREEZE_AGAIN {
            if files::read(directory, STATE)?.trim() == "FROZEN" {
                return Ok(true);
            }
            std::thread::sleep(FREEZE_STEP);
        }
    }
    Ok(false)
}

fn freeze_second(directory: &Path) -> io::Result<bool> {
    let events = File::open(directory.join(EVENTS))?;
    files::write(directory, FREEZE, "1")?;
    let deadline = Instant::now() + FREEZE_LIMIT;
    loop {
        // Read by the descriptor that is polled: the kernel tells it what changed since.
        let mut text = [0; EVENTS_SIZE];
        let read = events.read_at(&mut text, 0)?;
        if frozen(&String::from_utf8_lossy(&text[..read])) {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let mut fds = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, left) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn frozen(events: &str) -> bool {
    files::counter(events, "frozen") == Some(1)
}
