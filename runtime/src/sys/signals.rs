//! Signal state that a program must not inherit from the runtime.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Give every signal its default action and unblock all. Rust's start-up ignores `SIGPIPE`, and an ignored signal
/// stays ignored across exec.
///
/// # Errors
/// The kernel's error.
pub fn reset() -> Result<(), Errno> {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL installs no handler code of ours. SIGKILL, SIGSTOP and the numbers that libc keeps for
        // itself give EINVAL, which is what they should do.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}
