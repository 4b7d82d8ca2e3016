//! arm64 with the door for 32-bit programs.

use std::str::FromStr;

use oci_spec::runtime::Arch;

use super::{Abi, shares_nothing, young};

const AUDIT_AARCH64: u32 = 0xc000_00b7;
const AUDIT_ARM: u32 = 0x4000_0028;
/// A tracer that skips a call leaves this number, which belongs to no ABI.
const SKIPPED: u32 = u32::MAX;
/// Calls that only 32-bit ARM has, outside its table.
const ARM_OWN: [(&str, u32); 6] = [
    ("breakpoint", 0xf_0001),
    ("cacheflush", 0xf_0002),
    ("usr26", 0xf_0003),
    ("usr32", 0xf_0004),
    ("set_tls", 0xf_0005),
    ("get_tls", 0xf_0006),
];

static AARCH64: Abi = Abi {
    name: Arch::ScmpArchAarch64,
    audit: AUDIT_AARCH64,
    first: 0,
    last: SKIPPED - 1,
    short: false,
    numbers: |name| [long(name), None],
    shared: shares_nothing,
};

static ARM: Abi = Abi {
    name: Arch::ScmpArchArm,
    audit: AUDIT_ARM,
    first: 0,
    last: SKIPPED - 1,
    short: true,
    numbers: |name| [short(name), None],
    shared: shares_nothing,
};

/// The ABI of this program.
pub(in super::super) static NATIVE: &Abi = &AARCH64;
/// All.
pub(super) static ALL: [&Abi; 2] = [&AARCH64, &ARM];

fn long(name: &str) -> Option<u32> {
    let known = syscalls::aarch64::Sysno::from_str(name).ok();
    known
        .map(|call| call.id().cast_unsigned())
        .or_else(|| young(name))
}

fn short(name: &str) -> Option<u32> {
    let known = syscalls::arm::Sysno::from_str(name).ok();
    let own = || {
        ARM_OWN
            .iter()
            .find_map(|(own, number)| (*own == name).then_some(*number))
    };
    known
        .map(|call| call.id().cast_unsigned())
        .or_else(own)
        .or_else(|| young(name))
}
