//! The session keyring: a box must not possess the keys of whoever started it.

use nix::errno::Errno;

/// Join a new, empty, anonymous session keyring.
///
/// # Errors
/// The kernel's error, `EDQUOT` when the user has too many keys.
pub fn join_new_session() -> Result<(), Errno> {
    // SAFETY: KEYCTL_JOIN_SESSION_KEYRING with a null name makes an anonymous keyring; the kernel reads no memory of ours.
    let result = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            libc::KEYCTL_JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
    Errno::result(result).map(drop)
}
