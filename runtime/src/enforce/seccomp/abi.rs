//! The kernel's doors for calls: names and numbers differ from door to door.
//!
//! A kernel has only those of its own machine. Profiles may list others; no call ever comes through them.

#[cfg_attr(target_arch = "x86_64", path = "abi/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "abi/aarch64.rs")]
mod machine;

use oci_spec::runtime::Arch;

/// What the runtime's own calls come through.
pub(super) use machine::NATIVE;
/// Doors that take the same `audit` value as another, with numbers of their own.
#[cfg(target_arch = "x86_64")]
pub(super) use machine::X32;

/// Calls that are younger than the crate `syscalls`. From here on every ABI uses the same number.
const YOUNG: [(&str, u32); 9] = [
    ("mseal", 462),
    ("setxattrat", 463),
    ("getxattrat", 464),
    ("listxattrat", 465),
    ("removexattrat", 466),
    ("open_tree_attr", 467),
    ("file_getattr", 468),
    ("file_setattr", 469),
    ("listns", 470),
];

/// One door.
#[derive(Debug)]
pub(super) struct Abi {
    /// The OCI's word for it.
    pub name: Arch,
    /// The kernel's `AUDIT_ARCH_*`, which a filter sees.
    pub audit: u32,
    /// The lowest number that can be a call of this ABI.
    pub first: u32,
    /// The highest.
    pub last: u32,
    /// Whether arguments have 32 bits.
    pub short: bool,
    numbers: fn(&str) -> Numbers,
    /// Where one call does many's work: its number, and which first argument stands for the name.
    pub shared: fn(&str) -> Option<(u32, u64)>,
}

/// A name has at most two numbers: x32 takes some calls by their 64-bit number too.
pub(super) type Numbers = [Option<u32>; 2];

impl Abi {
    /// The door that `name` means. `None` where this machine's kernel has none such.
    pub(super) fn named(name: Arch) -> Option<&'static Abi> {
        if name == Arch::ScmpArchNative {
            return Some(NATIVE);
        }
        machine::ALL.into_iter().find(|abi| abi.name == name)
    }

    /// All doors of this machine.
    pub(super) fn all() -> impl Iterator<Item = &'static Abi> {
        machine::ALL.into_iter()
    }

    /// The numbers of a call.
    pub(super) fn numbers(&self, name: &str) -> Numbers {
        (self.numbers)(name)
    }
}

fn young(name: &str) -> Option<u32> {
    YOUNG
        .iter()
        .find_map(|(known, number)| (*known == name).then_some(*number))
}

/// No call of this ABI does the work of many.
fn shares_nothing(_: &str) -> Option<(u32, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_machine_has_no_door_here() {
        assert!(Abi::named(Arch::ScmpArchPpc64le).is_none());
        assert_eq!(
            Abi::named(Arch::ScmpArchNative).map(|abi| abi.audit),
            Some(NATIVE.audit)
        );
    }

    #[test]
    fn young_calls_are_known_and_invented_ones_are_not() {
        for abi in Abi::all() {
            assert_eq!(abi.numbers("mseal")[0], Some(abi.first + 462));
            assert_eq!(abi.numbers("no_such_call"), [None, None]);
        }
    }
}
