//! Descriptors that must not reach a box's program.

use nix::errno::Errno;

/// Mark every descriptor from `first` on as closed at the next exec.
///
/// # Errors
/// The kernel's error; it has none for a valid range since 5.11.
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: close_range takes three integers and touches no memory of ours. With CLOEXEC it closes nothing, so no
    // `OwnedFd` of this process is left dangling.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(result).map(drop)
}
