//! The one step of descriptor passing that the compiler cannot check: taking ownership of what the kernel installed.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessageOwned, RecvMsg};

/// Every descriptor that came with `message`, owned, so that none can leak whatever the caller does next.
pub(crate) fn take_descriptors<S>(
    message: &RecvMsg<'_, '_, S>,
) -> Result<Vec<OwnedFd>, nix::Error> {
    let mut owned = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            owned.extend(raw.into_iter().map(adopt));
        }
    }
    Ok(owned)
}

fn adopt(raw: RawFd) -> OwnedFd {
    // SAFETY: `raw` comes from an SCM_RIGHTS message of a `recvmsg` call that just returned. The kernel made it as a
    // new descriptor of this process for this message; `take_descriptors` is the only reader of the message's
    // control buffer and adopts each number once, so nothing else owns or closes it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}
