//! The name of this UTS namespace's domain.

use nix::errno::Errno;

/// Set the domain name.
///
/// # Errors
/// The kernel's error, `EINVAL` for one of more than 64 bytes.
pub fn set_domain(name: &str) -> Result<(), Errno> {
    // SAFETY: the kernel reads `len` bytes of `name`, which live across the call.
    Errno::result(unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) }).map(drop)
}
