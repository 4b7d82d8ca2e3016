//! Asking the kernel for its Landlock ABI.

use nix::errno::Errno;

const CREATE_RULESET_VERSION: libc::c_ulong = 1;

/// The kernel's Landlock ABI; 0 where Landlock is not built in or not switched on.
#[must_use]
pub fn kernel_abi() -> u32 {
    // SAFETY: with a null attribute, size 0 and the VERSION flag the call only returns a number.
    let result = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            CREATE_RULESET_VERSION,
        )
    };
    Errno::result(result)
        .ok()
        .and_then(|abi| u32::try_from(abi).ok())
        .unwrap_or(0)
}
