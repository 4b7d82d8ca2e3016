//! What a filter answers, in the kernel's numbers.

use super::SeccompError;

/// The largest errno that the kernel hands on.
const LARGEST_ERRNO: u32 = 4095;
/// `SECCOMP_RET_ACTION_FULL`: the bits that say what is done; the others are data.
const KIND: u32 = 0xffff_0000;

/// One answer: an action and its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Action(u32);

impl Action {
    pub(super) const KILL_PROCESS: Action = Action(0x8000_0000);
    pub(super) const KILL_THREAD: Action = Action(0);
    pub(super) const TRAP: Action = Action(0x0003_0000);
    pub(super) const NOTIFY: Action = Action(0x7fc0_0000);
    pub(super) const LOG: Action = Action(0x7ffc_0000);
    pub(super) const ALLOW: Action = Action(0x7fff_0000);
    const ERRNO: u32 = 0x0005_0000;
    const TRACE: u32 = 0x7ff0_0000;
    /// What a call gets that no kernel of the profile's time had.
    pub(super) const UNKNOWN: Action = Action(Action::ERRNO | libc::ENOSYS.unsigned_abs());

    /// The call fails with `value`.
    pub(super) fn errno(call: &str, value: u32) -> Result<Action, SeccompError> {
        if value > LARGEST_ERRNO {
            return Err(SeccompError::rule(
                call,
                format!("{value} is not an error number: they end at {LARGEST_ERRNO}"),
            ));
        }
        Ok(Action(Action::ERRNO | value))
    }

    /// A tracer is asked, with `value` as its message.
    pub(super) fn trace(call: &str, value: u32) -> Result<Action, SeccompError> {
        if value & KIND != 0 {
            return Err(SeccompError::rule(
                call,
                format!("{value} does not fit in the 16 bits that a tracer gets"),
            ));
        }
        Ok(Action(Action::TRACE | value))
    }

    /// The value that the program returns.
    pub(super) fn code(self) -> u32 {
        self.0
    }

    /// Smaller is stricter: the order in which the kernel chooses among the answers of several programs.
    pub(super) fn rank(self) -> i32 {
        (self.0 & KIND).cast_signed()
    }

    /// Whether the call may be made after all.
    pub(super) fn permits(self) -> bool {
        self.rank() >= Action::TRACE.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_ordered_as_the_kernel_orders_them() {
        let errno = Action::errno("x", 1).expect("fits");
        let trace = Action::trace("x", 1).expect("fits");
        let all = [
            Action::KILL_PROCESS,
            Action::KILL_THREAD,
            Action::TRAP,
            errno,
            Action::NOTIFY,
            trace,
            Action::LOG,
            Action::ALLOW,
        ];
        assert!(all.is_sorted_by_key(|action| action.rank()));
        assert_eq!(
            all.map(Action::permits).iter().filter(|yes| **yes).count(),
            3
        );
    }

    #[test]
    fn numbers_the_kernel_would_change_are_refused() {
        assert!(Action::errno("x", 4095).is_ok());
        assert!(Action::errno("x", 4096).is_err());
        assert!(Action::trace("x", 0xffff).is_ok());
        assert!(Action::trace("x", 0x1_0000).is_err());
    }
}
