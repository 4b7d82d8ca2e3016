//! Hearing that the kernel killed a process of a box because its memory was used up.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use libcgroups::v1::ControllerType;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::hierarchy::{self, HierarchyError};
use crate::state::BoxState;

/// Cgroup v1: where a listener writes itself.
const EVENT_CONTROL: &str = "cgroup.event_control";
/// Cgroup v1: what it listens to.
const OOM_CONTROL: &str = "memory.oom_control";
/// Cgroup v2: counters, of which `oom_kill` is one.
const EVENTS: &str = "memory.events";

/// Why nothing can be heard.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OomError {
    /// No hierarchy.
    #[error(transparent)]
    Hierarchy(#[from] HierarchyError),
    /// A file of the cgroup.
    #[error("cannot listen to the memory of the cgroup `{}`", path.display())]
    Listen {
        /// The cgroup.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// A listener.
pub struct Listener {
    directory: PathBuf,
    source: Source,
}

enum Source {
    /// A counter that the kernel raises.
    V1(EventFd),
    /// A file that becomes ready when a counter in it changed, and the counter.
    V2(File, u64),
}

impl Listener {
    /// Listen to the box's memory.
    ///
    /// # Errors
    /// Its cgroup has no memory controller.
    pub fn new(state: &BoxState) -> Result<Listener, OomError> {
        let directory = hierarchy::directory(state, ControllerType::Memory)?;
        let source = if hierarchy::unified()? {
            version_2(&directory)
        } else {
            version_1(&directory)
        };
        match source {
            Ok(source) => Ok(Listener { directory, source }),
            Err(source) => Err(OomError::Listen {
                path: directory,
                source,
            }),
        }
    }

    /// What to poll.
    #[must_use]
    pub fn poll(&self) -> PollFd<'_> {
        match &self.source {
            Source::V1(counter) => PollFd::new(counter.as_fd(), PollFlags::POLLIN),
            Source::V2(file, _) => PollFd::new(file.as_fd(), PollFlags::POLLPRI),
        }
    }

    /// Whether a process was killed since the last call. False when the cgroup is gone.
    ///
    /// # Errors
    /// The listener cannot be read.
    pub fn heard(&mut self) -> io::Result<bool> {
        match &mut self.source {
            Source::V1(counter) => match counter.read() {
                // The end of the cgroup is told in the same way.
                Ok(_) => Ok(self.directory.join(EVENT_CONTROL).exists()),
                Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
                Err(error) => Err(error.into()),
            },
            Source::V2(file, last) => match killed(file) {
                Ok(now) => Ok(std::mem::replace(last, now) < now),
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
                Err(error) => Err(error),
            },
        }
    }
}

fn version_1(directory: &Path) -> io::Result<Source> {
    let counter = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    let control = File::open(directory.join(OOM_CONTROL))?;
    let words = format!("{} {}", counter.as_fd().as_raw_fd(), control.as_raw_fd());
    std::fs::write(directory.join(EVENT_CONTROL), words)?;
    Ok(Source::V1(counter))
}

fn version_2(directory: &Path) -> io::Result<Source> {
    let mut file = File::open(directory.join(EVENTS))?;
    let last = killed(&mut file)?;
    Ok(Source::V2(file, last))
}

fn killed(file: &mut File) -> io::Result<u64> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(counter(&text, "oom_kill"))
}

/// A counter of a file of names and numbers; 0 when it is not there.
fn counter(text: &str, name: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(key, _)| *key == name)
        .and_then(|(_, number)| number.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_that_of_the_whole_name() {
        let text = "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 0\n";
        assert_eq!(counter(text, "oom_kill"), 2);
        assert_eq!(counter(text, "none"), 0);
    }
}
