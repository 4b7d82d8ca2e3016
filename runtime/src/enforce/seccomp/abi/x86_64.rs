//! x86-64 with its two other doors: i386, and x32, which is the 64-bit door with a bit set in the number.

use std::str::FromStr;

use oci_spec::runtime::Arch;

use super::{Abi, Numbers, shares_nothing, young};

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;
/// x32 calls carry this bit in their number.
const X32_BIT: u32 = 0x4000_0000;
/// A tracer that skips a call leaves this number, which belongs to no ABI.
const SKIPPED: u32 = u32::MAX;
/// Calls that x32 has under other numbers, in the order of these, the first being 512.
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];
const X32_OWN_FIRST: u32 = 512;
const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;
/// What `socketcall` does, in the order of its first argument, the first being 1.
const BY_SOCKETCALL: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];
/// What `ipc` does by its first argument.
const BY_IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

static X86_64: Abi = Abi {
    name: Arch::ScmpArchX86_64,
    audit: AUDIT_X86_64,
    first: 0,
    last: X32_BIT - 1,
    short: false,
    numbers: |name| [long(name), None],
    shared: shares_nothing,
};

static I386: Abi = Abi {
    name: Arch::ScmpArchX86,
    audit: AUDIT_I386,
    first: 0,
    last: SKIPPED - 1,
    short: true,
    numbers: |name| [short(name), None],
    shared,
};

/// x32: the bit in the number is all that tells it from the 64-bit ABI.
pub(in super::super) static X32: Abi = Abi {
    name: Arch::ScmpArchX32,
    audit: AUDIT_X86_64,
    first: X32_BIT,
    last: SKIPPED - 1,
    short: true,
    numbers: x32,
    shared: shares_nothing,
};

/// The ABI of this program.
pub(in super::super) static NATIVE: &Abi = &X86_64;
/// All.
pub(super) static ALL: [&Abi; 3] = [&X86_64, &I386, &X32];

fn long(name: &str) -> Option<u32> {
    let known = syscalls::x86_64::Sysno::from_str(name).ok();
    known
        .map(|call| call.id().cast_unsigned())
        .or_else(|| (name == "uretprobe").then_some(335))
        .or_else(|| young(name))
}

fn short(name: &str) -> Option<u32> {
    let known = syscalls::x86::Sysno::from_str(name).ok();
    known
        .map(|call| call.id().cast_unsigned())
        .or_else(|| young(name))
}

/// Kernels before 5.7 also took the 64-bit numbers of calls that x32 has its own for.
fn x32(name: &str) -> Numbers {
    let own = (X32_OWN_FIRST..)
        .zip(X32_OWN)
        .find_map(|(number, known)| (known == name).then_some(number));
    [long(name), own].map(|number| number.map(|number| number | X32_BIT))
}

fn shared(name: &str) -> Option<(u32, u64)> {
    let by_ipc = BY_IPC.iter().find(|(known, _)| *known == name);
    let by_socketcall = (1..).zip(BY_SOCKETCALL).find(|(_, known)| *known == name);
    match (by_ipc, by_socketcall) {
        (Some((_, which)), _) => Some((IPC, *which)),
        (None, Some((which, _))) => Some((SOCKETCALL, which)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_door_has_its_own_numbers() {
        assert_eq!(X86_64.numbers("getpid"), [Some(39), None]);
        assert_eq!(I386.numbers("getpid"), [Some(20), None]);
        assert_eq!(X32.numbers("getpid"), [Some(X32_BIT | 39), None]);
        assert_eq!(
            X32.numbers("ioctl"),
            [Some(X32_BIT | 16), Some(X32_BIT | 514)]
        );
        assert_eq!(
            X32.numbers("pwritev2"),
            [Some(X32_BIT | 328), Some(X32_BIT | 547)]
        );
        assert_eq!(X86_64.numbers("socketcall"), [None, None]);
    }

    #[test]
    fn old_i386_programs_reach_sockets_and_memory_through_two_calls() {
        assert_eq!((I386.shared)("socket"), Some((102, 1)));
        assert_eq!((I386.shared)("sendmmsg"), Some((102, 20)));
        assert_eq!((I386.shared)("shmctl"), Some((117, 24)));
        assert_eq!((I386.shared)("read"), None);
    }
}
