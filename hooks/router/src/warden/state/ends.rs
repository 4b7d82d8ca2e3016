//! The end of a sandbox's first process, by its pidfd.

use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::warden::boxes::Held;
use crate::warden::{Happening, Post};

/// Whether the process has ended.
pub fn ended(pidfd: &OwnedFd) -> bool {
    let mut wanted = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut wanted, PollTimeout::ZERO), Ok(1..))
}

/// Report the end of a sandbox's first process. The thread ends with that process.
pub fn wait_for(held: &Held, sandbox: &str, post: &Post) -> std::io::Result<()> {
    let pidfd = held.descriptors.pidfd.try_clone()?;
    let (sandbox, incarnation, post) = (sandbox.to_owned(), held.incarnation, post.clone());
    std::thread::Builder::new()
        .name("box-end".into())
        .stack_size(64 * 1024)
        .spawn(move || {
            let mut wanted = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
            while matches!(
                poll(&mut wanted, PollTimeout::NONE),
                Err(nix::errno::Errno::EINTR)
            ) {}
            // When the warden ends first, nobody needs to know.
            let _ = post.send(Happening::Ended {
                sandbox,
                incarnation,
            });
        })?;
    Ok(())
}
