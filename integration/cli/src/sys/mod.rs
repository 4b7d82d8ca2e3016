//! The few calls that the safe crates lack; the only folder of this crate with `unsafe`.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// `LANDLOCK_CREATE_RULESET_VERSION`: ask for the ABI instead of making a ruleset.
const LANDLOCK_VERSION: libc::c_ulong = 1;
/// `BPF_PROG_GET_NEXT_ID`: harmless, and refused exactly where loading a program is.
const BPF_PROG_GET_NEXT_ID: libc::c_int = 11;

/// The size of a terminal.
pub fn window_size(terminal: impl AsFd) -> nix::Result<libc::winsize> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one `winsize` to the pointer, which points to a live, exclusively borrowed `winsize`;
    // the descriptor is open because it is borrowed. Another kind of file gives ENOTTY.
    let result = unsafe {
        libc::ioctl(
            terminal.as_fd().as_raw_fd(),
            libc::TIOCGWINSZ,
            &raw mut size,
        )
    };
    Errno::result(result).map(|_| size)
}

/// Set the size of a terminal; its foreground processes get SIGWINCH.
pub fn set_window_size(terminal: impl AsFd, size: &libc::winsize) -> nix::Result<()> {
    // SAFETY: TIOCSWINSZ reads one `winsize` from the pointer, which comes from a live reference; the descriptor is
    // open because it is borrowed.
    let result = unsafe {
        libc::ioctl(
            terminal.as_fd().as_raw_fd(),
            libc::TIOCSWINSZ,
            &raw const *size,
        )
    };
    Errno::result(result).map(drop)
}

/// Receive one descriptor (SCM_RIGHTS) with one message.
pub fn receive_fd(stream: &UnixStream) -> nix::Result<Option<OwnedFd>> {
    let mut text = [0_u8; 4096];
    let mut buffers = [IoSliceMut::new(&mut text)];
    let mut space = nix::cmsg_space!([libc::c_int; 4]);
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut buffers,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut received = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            // SAFETY: the kernel has just made these descriptors for this process by this very message, so they are
            // open and nobody else in the process knows, owns or closes them.
            received.extend(
                descriptors
                    .into_iter()
                    .map(|number| unsafe { OwnedFd::from_raw_fd(number) }),
            );
        }
    }
    Ok(received.into_iter().next())
}

/// The kernel's Landlock ABI; ENOSYS or EOPNOTSUPP where there is none.
pub fn landlock_abi() -> nix::Result<u32> {
    // SAFETY: with the VERSION flag the kernel demands a null pointer and size 0, reads no memory and makes no
    // descriptor; it returns the ABI number.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            LANDLOCK_VERSION,
        )
    };
    Errno::result(result).map(|abi| u32::try_from(abi).unwrap_or(0))
}

/// Whether this process may use bpf(2).
pub fn bpf_usable() -> nix::Result<()> {
    // `union bpf_attr` for this command: start_id, next_id, open_flags; zero in and zero beyond.
    let mut attributes = [0_u32; 4];
    let size = size_of_val(&attributes);
    // SAFETY: the kernel reads `size` bytes of the array and writes at most `next_id` inside it; the array is live and
    // exclusively borrowed for the call, and `size` is its exact length.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_GET_NEXT_ID,
            attributes.as_mut_ptr(),
            size,
        )
    };
    match Errno::result(result) {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(error),
    }
}
