//! The worker as the warden sees it: a process, a link, and a thread that listens.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use nemoclaw_api::audit::Event;
use nemoclaw_api::wire::{self, WireError};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Happening, Post, log};
use crate::limits;
use crate::link::{FromWorker, Settings, ToWorker};
use crate::worker::event::told;

/// A running worker.
pub struct Worker {
    /// Tells this worker's messages from those of an earlier one.
    pub number: u64,
    process: Child,
    link: UnixStream,
}

impl Worker {
    /// Start a worker and give it its settings.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(number: u64, settings: &Settings, post: &Post) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_write_timeout(Some(limits::LINK_TIME))?;
        let process = Command::new("/proc/self/exe")
            .arg0("nemoclaw-router")
            .arg("worker")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        let worker = Worker {
            number,
            process,
            link: ours,
        };
        let link = worker.link.try_clone()?;
        let post = post.clone();
        std::thread::Builder::new()
            .name("from-worker".into())
            .spawn(move || listen(number, &link, &post))?;
        worker
            .send(&ToWorker::Settings(Box::new(settings.clone())), &[])
            .map_err(io::Error::other)?;
        Ok(worker)
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.process.id()).unwrap_or_default()
    }

    /// Tell it something.
    ///
    /// # Errors
    /// It is gone, or does not listen within [`limits::LINK_TIME`].
    pub fn send(
        &self,
        message: &ToWorker,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), WireError> {
        wire::send(&self.link, message, descriptors)
    }

    /// End it, if it has not ended, and say how it ended.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn end(mut self) -> io::Result<ExitStatus> {
        self.process.kill()?;
        self.process.wait()
    }
}

fn listen(number: u64, link: &UnixStream, post: &Post) {
    let mut next = None;
    loop {
        let message = match next.take().unwrap_or_else(|| receive(link)) {
            Ok(FromWorker::Audit(events)) => {
                let (events, behind) = gather(link, events);
                next = behind;
                FromWorker::Audit(events)
            }
            Ok(message) => message,
            Err(WireError::Ended) => break,
            Err(error) => {
                log(&format!(
                    "the worker cannot be understood: {}",
                    told(&error)
                ));
                break;
            }
        };
        let said = Happening::Said {
            worker: number,
            message,
        };
        if post.send(said).is_err() {
            return;
        }
    }
    // When the warden ends first, nobody needs to know.
    let _ = post.send(Happening::WorkerGone { worker: number });
}

fn receive(link: &UnixStream) -> Result<FromWorker, WireError> {
    wire::receive(link).map(|(message, _)| message)
}

/// Decisions come thick: those of a moment are taken together, so that a busy worker does not wake the warden for each.
/// They are safe meanwhile, in the kernel's memory and out of the worker's reach. Gives what came behind them, too.
fn gather(
    link: &UnixStream,
    mut events: Vec<Event>,
) -> (Vec<Event>, Option<Result<FromWorker, WireError>>) {
    std::thread::sleep(limits::AUDIT_GATHER);
    while events.len() < limits::AUDIT_QUEUE && readable(link) {
        match receive(link) {
            Ok(FromWorker::Audit(more)) => events.extend(more),
            other => return (events, Some(other)),
        }
    }
    (events, None)
}

fn readable(link: &UnixStream) -> bool {
    let mut asked = [PollFd::new(link.as_fd(), PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
