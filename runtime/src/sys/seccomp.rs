//! Loading one compiled filter.

use nix::errno::Errno;
use seccompiler::sock_filter;

/// `SECCOMP_FILTER_FLAG_LOG`: log every action but allow.
pub const FLAG_LOG: u64 = 1 << 1;
/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`: no speculative store bypass mitigation.
pub const FLAG_SPEC_ALLOW: u64 = 1 << 2;
/// `SECCOMP_FILTER_FLAG_TSYNC`: all threads.
pub const FLAG_TSYNC: u64 = 1;
/// `SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`.
pub const FLAG_WAIT_KILLABLE: u64 = 1 << 5;

const SET_MODE_FILTER: libc::c_ulong = 1;

#[repr(C)]
struct Program {
    length: libc::c_ushort,
    filter: *const sock_filter,
}

/// Put `filter` on this process. Needs `no_new_privs` or `CAP_SYS_ADMIN`.
///
/// # Errors
/// The kernel's error; `EINVAL` for a program it does not accept.
pub fn load(filter: &[sock_filter], flags: u64) -> Result<(), Errno> {
    let length = libc::c_ushort::try_from(filter.len()).map_err(|_| Errno::E2BIG)?;
    let program = Program {
        length,
        filter: filter.as_ptr(),
    };
    // SAFETY: `program` has the layout of the kernel's `struct sock_fprog`, and `filter` holds `length` instructions of
    // the kernel's `struct sock_filter` (repr(C) in seccompiler). Both live until the call returns; the kernel checks
    // and copies them and writes nothing back, since no listener flag is among `flags`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    Errno::result(result).map(drop)
}
