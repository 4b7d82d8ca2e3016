//! The system-call list: complete, argued, and without contradiction.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use nemoclaw_policy::seccomp::{Action, Condition, Entry, Op, Width, try_agent};
use syscalls::x86_64::Sysno;

fn entries() -> Vec<Entry> {
    try_agent().unwrap().syscalls
}

/// What the list does with a call: `Some(errno)` or allowed.
fn outcome(name: &str, args: [u64; 6]) -> Result<(), String> {
    let holds = |condition: &Condition| {
        let cut = |value: u64| {
            if condition.width == Width::Dword {
                value & 0xffff_ffff
            } else {
                value
            }
        };
        let argument = cut(args[usize::from(condition.index)]);
        match condition.op {
            Op::Eq => argument == condition.value,
            Op::Ne => argument != condition.value,
            Op::Lt => argument < condition.value,
            Op::Le => argument <= condition.value,
            Op::Gt => argument > condition.value,
            Op::Ge => argument >= condition.value,
            Op::MaskedEq => argument & condition.mask.unwrap() == condition.value,
        }
    };
    let entries = entries();
    let matching: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.names.iter().any(|own| own == name) && entry.args.iter().all(holds))
        .collect();
    if let Some(entry) = matching.iter().find(|entry| entry.action == Action::Errno) {
        return Err(entry.errno.clone().unwrap());
    }
    if matching.is_empty() {
        Err(try_agent().unwrap().default_errno)
    } else {
        Ok(())
    }
}

#[test]
fn every_call_of_the_kernel_is_either_listed_or_refused_with_a_reason() {
    let profile = try_agent().unwrap();
    let listed: BTreeSet<&str> = profile
        .syscalls
        .iter()
        .flat_map(|e| e.names.iter().map(String::as_str))
        .collect();
    let refused: Vec<&str> = profile
        .refused
        .iter()
        .flat_map(|e| e.names.iter().map(String::as_str))
        .collect();
    for name in listed.iter().chain(&refused) {
        assert!(
            Sysno::from_str(name).is_ok(),
            "`{name}` is no system call of x86-64"
        );
    }
    for call in Sysno::iter() {
        let name = call.name();
        let places =
            usize::from(listed.contains(name)) + refused.iter().filter(|own| **own == name).count();
        assert_eq!(
            places, 1,
            "`{name}` must stand in exactly one half of the file"
        );
    }
}

#[test]
fn every_entry_has_a_reason_and_a_lawful_form() {
    let profile = try_agent().unwrap();
    assert_eq!(profile.default_errno, "EPERM");
    assert!(profile.refused.iter().all(|refusal| refusal.why.len() > 10));
    for entry in &profile.syscalls {
        assert!(
            entry.why.len() > 10 && !entry.names.is_empty(),
            "{:?}",
            entry.names
        );
        assert_eq!(
            entry.errno.is_some(),
            entry.action == Action::Errno,
            "{:?}",
            entry.names
        );
        for condition in &entry.args {
            assert!(condition.index <= 5);
            assert_eq!(
                condition.mask.is_some(),
                condition.op == Op::MaskedEq,
                "{:?}",
                entry.names
            );
            assert!(
                condition
                    .mask
                    .is_none_or(|mask| condition.value & !mask == 0),
                "{:?} can never hold",
                entry.names
            );
        }
    }
}

#[test]
fn no_call_is_allowed_whole_and_narrowed_or_failed_elsewhere() {
    let entries = entries();
    let mut whole: BTreeMap<&str, usize> = BTreeMap::new();
    let mut partial: BTreeSet<&str> = BTreeSet::new();
    for entry in &entries {
        for name in &entry.names {
            if entry.args.is_empty() {
                *whole.entry(name).or_default() += 1;
            } else {
                partial.insert(name);
            }
        }
    }
    for (name, times) in whole {
        assert_eq!(times, 1, "`{name}` stands twice without arguments");
        assert!(
            !partial.contains(name),
            "`{name}` is allowed whole, so its arguments are never looked at"
        );
    }
}

#[test]
fn setuid_and_setgid_bits_are_refused_wherever_a_mode_is_given() {
    const CREAT: u64 = 0o100;
    for (name, args) in [
        ("chmod", [0, 0o4755, 0, 0, 0, 0]),
        ("fchmod", [0, 0o2755, 0, 0, 0, 0]),
        ("fchmodat", [0, 0, 0o4755, 0, 0, 0]),
        ("fchmodat2", [0, 0, 0o6755, 0, 0, 0]),
        ("mkdir", [0, 0o2755, 0, 0, 0, 0]),
        ("mkdirat", [0, 0, 0o2755, 0, 0, 0]),
        ("creat", [0, 0o4755, 0, 0, 0, 0]),
        ("open", [0, CREAT, 0o4755, 0, 0, 0]),
        ("openat", [0, 0, CREAT, 0o4755, 0, 0]),
        ("openat", [0, 0, 0o20_200_000, 0o4755, 0, 0]),
        ("mknod", [0, 0o104_755, 0, 0, 0, 0]),
        ("mknodat", [0, 0, 0o104_755, 0, 0, 0]),
        ("mknod", [0, 0o060_644, 0, 0, 0, 0]),
        ("mknodat", [0, 0, 0o020_644, 0, 0, 0]),
    ] {
        assert_eq!(outcome(name, args), Err("EPERM".into()), "{name} {args:?}");
    }
    for (name, args) in [
        ("chmod", [0, 0o1777, 0, 0, 0, 0]),
        ("open", [0, 0, 0o7777, 0, 0, 0]),
        ("openat", [0, 0, CREAT, 0o644, 0, 0]),
        ("openat", [0, 0, 0, u64::MAX, 0, 0]),
        ("mknod", [0, 0o010_600, 0, 0, 0, 0]),
        ("mknodat", [0, 0, 0o600, 0, 0, 0]),
    ] {
        assert_eq!(outcome(name, args), Ok(()), "{name} {args:?}");
    }
}

#[test]
fn only_the_named_sockets_can_be_made() {
    const CLOEXEC: u64 = 0o2_000_000;
    let socket = |family: u64, kind: u64, protocol: u64| {
        outcome("socket", [family, kind, protocol, 0, 0, 0])
    };
    for (family, kind, protocol) in [
        (1, 1, 0),
        (1, 2 | CLOEXEC, 0),
        (1, 5, 0),
        (2, 1, 6),
        (2, 1 | 0o4000, 0),
        (2, 2, 17),
        (10, 1, 6),
        (10, 2, 0),
        (16, 3 | CLOEXEC, 0),
        (16, 2, 0),
    ] {
        assert_eq!(
            socket(family, kind, protocol),
            Ok(()),
            "{family} {kind} {protocol}"
        );
    }
    for (family, kind, protocol) in [
        (2, 3, 1),
        (2, 2, 1),
        (2, 1, 132),
        (2, 2, 136),
        (2, 1, 262),
        (2, 3, 255),
        (2, 5, 132),
        (10, 3, 58),
        (16, 3, 9),
        (16, 3, 12),
        (17, 3, 0),
        (17, 2, 0),
        (38, 5, 0),
        (40, 1, 0),
        (31, 1, 0),
        (2, 6, 0),
        (2 | 1 << 8, 1, 0),
    ] {
        assert_eq!(
            socket(family, kind, protocol),
            Err("EPERM".into()),
            "{family} {kind} {protocol}"
        );
    }
    assert!(outcome("socketpair", [2, 1, 0, 0, 0, 0]).is_err());
    assert!(outcome("socketpair", [1, 1, 0, 0, 0, 0]).is_ok());
}

#[test]
fn the_ways_out_of_a_box_are_shut() {
    for name in [
        "ptrace",
        "bpf",
        "keyctl",
        "io_uring_setup",
        "mount",
        "unshare",
        "setns",
        "open_by_handle_at",
        "userfaultfd",
        "perf_event_open",
        "pidfd_getfd",
        "process_vm_writev",
        "chroot",
        "clock_settime",
        "memfd_secret",
        "syslog",
    ] {
        assert_eq!(outcome(name, [0; 6]), Err("EPERM".into()), "{name}");
    }
    assert_eq!(outcome("clone3", [0; 6]), Err("ENOSYS".into()));
    assert_eq!(outcome("openat2", [0; 6]), Err("ENOSYS".into()));
    for namespace in [
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        assert!(
            outcome("clone", [namespace | 17, 0, 0, 0, 0, 0]).is_err(),
            "{namespace:x}"
        );
    }
    assert!(outcome("clone", [0x3d_0f00, 0, 0, 0, 0, 0]).is_ok());
    for command in [
        0x5412,
        0x541c,
        0x5423,
        0x1_0000_5412,
        u64::from(u32::MAX) << 32 | 0x541c,
    ] {
        assert!(
            outcome("ioctl", [0, command, 0, 0, 0, 0]).is_err(),
            "{command:x}"
        );
    }
    assert!(outcome("ioctl", [0, 0x5401, 0, 0, 0, 0]).is_ok());
    assert!(outcome("personality", [0x0004_0000, 0, 0, 0, 0, 0]).is_err());
    assert!(outcome("personality", [0xffff_ffff, 0, 0, 0, 0, 0]).is_ok());
}
