//! The few calls of the kernel that no safe wrapper has: descriptors from a socket, the answers to a seccomp listener, a terminal's size.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::cmsg_space;
use nix::pty::Winsize;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Notification {
    /// The kernel's cookie.
    pub id: u64,
    /// The calling thread.
    pub pid: u32,
    flags: u32,
    /// The system call's number.
    pub nr: i32,
    arch: u32,
    instruction_pointer: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Response {
    /// The notification's cookie.
    pub id: u64,
    /// What the call gives.
    pub val: i64,
    /// A negative errno, or 0.
    pub error: i32,
    /// 1: let the kernel go on with the call.
    pub flags: u32,
}

nix::ioctl_readwrite!(notif_recv, b'!', 0, Notification);
nix::ioctl_readwrite!(notif_send, b'!', 1, Response);

/// One message with its descriptors.
pub fn receive(socket: BorrowedFd<'_>) -> nix::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0_u8; 65_536];
    let mut room = cmsg_space!([std::os::fd::RawFd; 4]);
    let mut slices = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut slices,
        Some(&mut room),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            // SAFETY: the kernel has just made these descriptors for this process, and nobody else knows their numbers.
            descriptors.extend(
                raw.into_iter()
                    .map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }),
            );
        }
    }
    let length = message.bytes;
    bytes.truncate(length);
    Ok((bytes, descriptors))
}

/// Waits for the next call at a listener.
pub fn next_call(listener: BorrowedFd<'_>) -> nix::Result<Notification> {
    let mut notification = Notification::default();
    // SAFETY: the kernel writes one `struct seccomp_notif`, which `Notification` is, to a zeroed place that outlives the call.
    unsafe { notif_recv(listener.as_raw_fd(), &raw mut notification) }?;
    Ok(notification)
}

/// Answers a call.
pub fn answer(listener: BorrowedFd<'_>, mut response: Response) -> nix::Result<()> {
    // SAFETY: the kernel reads one `struct seccomp_notif_resp`, which `Response` is, from a place that outlives the call.
    unsafe { notif_send(listener.as_raw_fd(), &raw mut response) }?;
    Ok(())
}

nix::ioctl_write_ptr_bad!(tiocswinsz, nix::libc::TIOCSWINSZ, Winsize);

/// Changes the size of a terminal.
pub fn set_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> nix::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the kernel reads one `struct winsize` from a place that outlives the call.
    unsafe { tiocswinsz(terminal.as_raw_fd(), &raw const size) }?;
    Ok(())
}
