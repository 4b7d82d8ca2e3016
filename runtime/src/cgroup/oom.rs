//! Hearing that the kernel killed a process of a box because its memory was used up.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::layout::Version;
use super::{Cgroup, CgroupError, files};

/// Version 1: where a listener writes itself.
const EVENT_CONTROL: &str = "cgroup.event_control";
/// Version 1: what it listens to.
const OOM_CONTROL: &str = "memory.oom_control";
/// Version 2: counters, of which `oom_kill` is one.
const EVENTS: &str = "memory.events";

/// A listener.
#[derive(Debug)]
pub struct Listener {
    directory: PathBuf,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A counter that the kernel raises.
    One(EventFd),
    /// A file that becomes ready when a counter in it changed, and the counter.
    Two(File, u64),
}

impl Cgroup {
    /// Listen to its memory.
    ///
    /// # Errors
    /// It has no memory controller.
    pub fn listen(&self) -> Result<Listener, CgroupError> {
        let branch = self
            .branch(&["memory"])
            .ok_or_else(|| CgroupError::NoMemory(self.id.clone()))?;
        let directory = branch.directory.clone();
        let source = match branch.hierarchy.version {
            Version::One => first(&directory),
            Version::Two => second(&directory),
        };
        match source {
            Ok(source) => Ok(Listener { directory, source }),
            Err(source) => Err(CgroupError::Listen {
                path: directory,
                source,
            }),
        }
    }
}

impl Listener {
    /// What to poll.
    #[must_use]
    pub fn poll(&self) -> PollFd<'_> {
        match &self.source {
            Source::One(counter) => PollFd::new(counter.as_fd(), PollFlags::POLLIN),
            Source::Two(file, _) => PollFd::new(file.as_fd(), PollFlags::POLLPRI),
        }
    }

    /// Whether a process was killed since the last call. False when the cgroup is gone.
    ///
    /// # Errors
    /// The listener cannot be read.
    pub fn heard(&mut self) -> io::Result<bool> {
        match &mut self.source {
            Source::One(counter) => match counter.read() {
                // The end of the cgroup is told in the same way.
                Ok(_) => Ok(self.directory.join(EVENT_CONTROL).exists()),
                Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
                Err(error) => Err(error.into()),
            },
            Source::Two(file, last) => match killed(file) {
                Ok(now) => Ok(std::mem::replace(last, now) < now),
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }
}

fn first(directory: &Path) -> io::Result<Source> {
    let counter = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let control = File::open(directory.join(OOM_CONTROL))?;
    let words = format!("{} {}", counter.as_fd().as_raw_fd(), control.as_raw_fd());
    files::write(directory, EVENT_CONTROL, &words)?;
    Ok(Source::One(counter))
}

fn second(directory: &Path) -> io::Result<Source> {
    let mut file = File::open(directory.join(EVENTS))?;
    let last = killed(&mut file)?;
    Ok(Source::Two(file, last))
}

fn killed(file: &mut File) -> io::Result<u64> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(files::counter(&text, "oom_kill").unwrap_or(0))
}
