//! The worker as the warden sees it: a process, a link, and a thread that listens.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use nemoclaw_api::wire::{self, WireError};

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
    loop {
        let message = match wire::receive::<FromWorker>(link) {
            Ok((message, _)) => message,
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
