//! Loading one compiled filter.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

#[cfg(test)]
mod tests;

/// `SECCOMP_FILTER_FLAG_TSYNC`: all threads.
pub const FLAG_TSYNC: u64 = 1;
/// `SECCOMP_FILTER_FLAG_LOG`: log every action but allow.
pub const FLAG_LOG: u64 = 1 << 1;
/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`: no speculative store bypass mitigation.
pub const FLAG_SPEC_ALLOW: u64 = 1 << 2;
/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: answer with a descriptor on which calls are announced.
pub const FLAG_NEW_LISTENER: u64 = 1 << 3;
/// `SECCOMP_FILTER_FLAG_TSYNC_ESRCH`: tell a thread that cannot follow by an error, so that a descriptor fits beside it.
pub const FLAG_TSYNC_ESRCH: u64 = 1 << 4;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`: once the listener has read a call, only fatal signals end the wait.
pub const FLAG_WAIT_KILLABLE: u64 = 1 << 5;

const SET_MODE_FILTER: libc::c_ulong = 1;

/// One instruction of classic BPF, as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What is done.
    pub code: u16,
    /// How many instructions are skipped when a test holds.
    pub jt: u8,
    /// How many when it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

#[repr(C)]
struct Program {
    length: libc::c_ushort,
    filter: *const Instruction,
}

/// Put `filter` on this process; with [`FLAG_NEW_LISTENER`] the answer is the listener. Needs `no_new_privs` or
/// `CAP_SYS_ADMIN`.
///
/// # Errors
/// The kernel's error; `EINVAL` for a program it does not accept, `ESRCH` for a thread that cannot follow.
pub fn load(filter: &[Instruction], flags: u64) -> Result<Option<OwnedFd>, Errno> {
    let length = libc::c_ushort::try_from(filter.len()).map_err(|_| Errno::E2BIG)?;
    let program = Program {
        length,
        filter: filter.as_ptr(),
    };
    // SAFETY: `program` has the layout of the kernel's `struct sock_fprog`, and `filter` holds `length` instructions of
    // the kernel's `struct sock_filter`, which `Instruction` has the layout of. Both live until the call returns; the
    // kernel checks and copies them and writes nothing back.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    let answer = Errno::result(result)?;
    if flags & FLAG_NEW_LISTENER != 0 {
        let listener = RawFd::try_from(answer).map_err(|_| Errno::EBADF)?;
        // SAFETY: with this flag the kernel answers with a descriptor that it has just made, which nobody else owns.
        return Ok(Some(unsafe { OwnedFd::from_raw_fd(listener) }));
    }
    // Without a listener a positive answer is a thread that has another filter.
    if answer == 0 {
        Ok(None)
    } else {
        Err(Errno::ESRCH)
    }
}
