//! `--pidfd-socket`: the caller gets a descriptor of the new process, which no later process can take the place of.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::sys::pidfd::PidFd;
use crate::sys::terminal;

/// The caller's socket, connected before anything is made.
pub struct Handle(UnixStream);

impl Handle {
    /// Connect to the socket, if there is one.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(path: Option<&Path>) -> Result<Option<Handle>> {
        let connect = |path: &Path| {
            let stream = UnixStream::connect(path);
            stream
                .with_context(|| format!("cannot connect to the pidfd socket `{}`", path.display()))
        };
        Ok(path.map(connect).transpose()?.map(Handle))
    }

    /// Send the process's descriptor. `word` is runc's: `standard` for a first process, `setns` for another.
    ///
    /// # Errors
    /// The caller is gone.
    pub fn send(&self, process: &PidFd, word: &str) -> Result<()> {
        terminal::send_descriptor(self.0.as_fd(), process.as_fd(), word)
            .context("cannot send the process's descriptor")
    }
}
