//! Single laws, and whole profiles as engines write them.

use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

use super::machine::{Call, run};
use crate::enforce::seccomp::abi::NATIVE;
use crate::enforce::seccomp::{Filters, Program, SeccompError, compile};
use crate::sys::seccomp as kernel;

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL_THREAD: u32 = 0;
const KILL_PROCESS: u32 = 0x8000_0000;

fn filters(profile: Value) -> Result<Filters, SeccompError> {
    let profile: LinuxSeccomp = serde_json::from_value(profile).expect("profile");
    compile(Some(&profile), None)
}

fn program(profile: Value) -> Program {
    filters(profile).expect("compiles").programs.remove(0)
}

/// The number of a call on this machine.
fn number(name: &str) -> u32 {
    NATIVE.numbers(name)[0].expect("known")
}

fn native(program: &Program, name: &str, arguments: [u64; 6]) -> u32 {
    let call = Call {
        number: number(name),
        audit: NATIVE.audit,
        arguments,
    };
    run(program, &call).answer
}

fn refusal(profile: Value) -> String {
    filters(profile).expect_err("refused").to_string()
}

#[test]
fn every_action_becomes_the_kernels_number() {
    for (action, errno, expected) in [
        ("SCMP_ACT_KILL", None, KILL_THREAD),
        ("SCMP_ACT_KILL_THREAD", None, KILL_THREAD),
        ("SCMP_ACT_KILL_PROCESS", None, KILL_PROCESS),
        ("SCMP_ACT_TRAP", None, 0x0003_0000),
        ("SCMP_ACT_ERRNO", None, EPERM),
        ("SCMP_ACT_ERRNO", Some(38), ENOSYS),
        ("SCMP_ACT_ERRNO", Some(0), 0x0005_0000),
        ("SCMP_ACT_TRACE", None, 0x7ff0_0001),
        ("SCMP_ACT_TRACE", Some(7), 0x7ff0_0007),
        ("SCMP_ACT_LOG", None, 0x7ffc_0000),
        ("SCMP_ACT_NOTIFY", None, 0x7fc0_0000),
    ] {
        let mut rule = json!({ "names": ["getpid"], "action": action });
        if let Some(errno) = errno {
            rule["errnoRet"] = json!(errno);
        }
        let made = program(json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent", "syscalls": [rule]
        }));
        assert_eq!(native(&made, "getpid", [0; 6]), expected, "{action}");
        assert_eq!(native(&made, "getppid", [0; 6]), ALLOW, "{action}");
    }
}

#[test]
fn an_error_number_beside_an_action_that_takes_none_is_refused() {
    let said = refusal(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_KILL", "errnoRet": 1 }]
    }));
    assert!(
        said.contains("`mkdir`") && said.contains("SCMP_ACT_KILL"),
        "{said}"
    );
    let said = refusal(json!({ "defaultAction": "SCMP_ACT_TRAP", "defaultErrnoRet": 1 }));
    assert!(said.contains("SCMP_ACT_TRAP"), "{said}");
}

#[test]
fn a_listener_that_could_not_be_handed_on_is_refused_with_a_sentence() {
    let notify = |call: &str| json!([{ "names": [call], "action": "SCMP_ACT_NOTIFY" }]);
    for (profile, word) in [
        (
            json!({ "defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/l" }),
            "default action",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/l", "syscalls": notify("sendmsg") }),
            "`sendmsg`",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": notify("mkdir") }),
            "`listenerPath`",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x" }),
            "`listenerMetadata`",
        ),
    ] {
        let said = refusal(profile);
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn only_a_profile_that_notifies_has_a_listener_and_the_flags_that_need_one() {
    let profile = |action: &str| {
        json!({
            "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/l",
            "flags": ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_LOG",
                      "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
            "syscalls": [{ "names": ["mkdir"], "action": action }]
        })
    };
    let always = kernel::FLAG_TSYNC | kernel::FLAG_LOG | kernel::FLAG_SPEC_ALLOW;
    let quiet = filters(profile("SCMP_ACT_ERRNO")).expect("compiles");
    assert_eq!((quiet.listens(), quiet.programs[0].flags), (false, always));
    let listening = filters(profile("SCMP_ACT_NOTIFY")).expect("compiles");
    let more = kernel::FLAG_NEW_LISTENER | kernel::FLAG_TSYNC_ESRCH | kernel::FLAG_WAIT_KILLABLE;
    assert_eq!(
        (listening.listens(), listening.programs[0].flags),
        (true, always | more)
    );
}

#[test]
fn a_rule_that_says_what_comes_anyway_changes_nothing() {
    let made = program(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            { "names": ["mkdir"], "action": "SCMP_ACT_ALLOW" },
            { "names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 }]
    }));
    assert_eq!(native(&made, "mkdir", [0; 6]), ALLOW);
}

#[test]
fn of_two_rules_that_hold_the_stricter_wins_in_either_order() {
    let allow = json!({ "names": ["ioctl"], "action": "SCMP_ACT_ALLOW" });
    let errno = json!({ "names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38,
                        "args": [{ "index": 1, "value": 7, "op": "SCMP_CMP_EQ" }] });
    for rules in [json!([allow, errno]), json!([errno, allow])] {
        let made = program(json!({ "defaultAction": "SCMP_ACT_KILL", "syscalls": rules }));
        assert_eq!(native(&made, "ioctl", [0, 7, 0, 0, 0, 0]), ENOSYS);
        assert_eq!(native(&made, "ioctl", [0, 8, 0, 0, 0, 0]), ALLOW);
    }
}

#[test]
fn two_tests_of_one_argument_make_every_test_of_the_rule_an_alternative() {
    let made = program(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{ "names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [
            { "index": 0, "value": 0, "op": "SCMP_CMP_EQ" }, { "index": 0, "value": 8, "op": "SCMP_CMP_EQ" },
            { "index": 1, "value": 5, "op": "SCMP_CMP_EQ" }] }]
    }));
    let answers = [[0, 0], [8, 0], [3, 5], [3, 0]]
        .map(|[first, second]| native(&made, "personality", [first, second, 0, 0, 0, 0]));
    assert_eq!(answers, [ALLOW, ALLOW, ALLOW, EPERM]);
}

#[test]
fn an_argument_that_no_call_has_is_refused() {
    let said = refusal(json!({
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_KILL",
            "args": [{ "index": 6, "value": 0, "op": "SCMP_CMP_EQ" }] }]
    }));
    assert!(said.contains("no argument 6"), "{said}");
}

#[test]
fn names_of_no_listed_architecture_are_counted_and_those_of_one_are_used() {
    let rules =
        json!([{ "names": ["read", "no_such_call", "waitpid"], "action": "SCMP_ACT_ALLOW" }]);
    let alone = json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules });
    assert_eq!(filters(alone).expect("compiles").skipped, 2);
    if cfg!(target_arch = "x86_64") {
        let both = json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules, "architectures": ["SCMP_ARCH_X86"] });
        assert_eq!(filters(both).expect("compiles").skipped, 1);
    }
}

#[test]
fn a_call_newer_than_a_strict_profile_is_unknown_and_not_forbidden() {
    let profile = |default: &str, listed: &[&str]| {
        program(json!({
            "defaultAction": default, "architectures": listed,
            "syscalls": [{ "names": ["read", "statx"], "action": "SCMP_ACT_ALLOW" }]
        }))
    };
    let strict = profile("SCMP_ACT_ERRNO", &["SCMP_ARCH_NATIVE"]);
    assert_eq!(native(&strict, "clone3", [0; 6]), ENOSYS);
    assert_eq!(native(&strict, "mkdirat", [0; 6]), EPERM);
    let unlisted = profile("SCMP_ACT_ERRNO", &[]);
    assert_eq!(native(&unlisted, "clone3", [0; 6]), EPERM);
    let logging = profile("SCMP_ACT_LOG", &["SCMP_ARCH_NATIVE"]);
    assert_eq!(native(&logging, "clone3", [0; 6]), 0x7ffc_0000);
}

#[test]
fn stored_programs_are_read_as_they_were_written_and_damage_is_told() {
    let made = filters(
        json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ALLOW" }] }),
    );
    let made = made.expect("compiles");
    let mut text = serde_json::to_value(&made).expect("text");
    assert_eq!(
        serde_json::from_value::<Filters>(text.clone()).expect("read"),
        made
    );
    for damaged in ["", "00", "zz00000000000000", "000000000000000000"] {
        text["programs"][0]["code"] = json!(damaged);
        let said = serde_json::from_value::<Filters>(text.clone()).expect_err("damaged");
        assert!(said.to_string().contains("damaged"), "{said}");
    }
}

#[test]
fn no_profile_means_no_filter() {
    assert_eq!(
        compile(None, None).expect("nothing to do"),
        Filters::default()
    );
}

#[test]
fn a_program_longer_than_the_kernel_takes_is_refused() {
    let rule = |value: u32| {
        json!({ "names": ["personality"], "action": "SCMP_ACT_ERRNO",
                "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] })
    };
    let profile = |rules: u32| json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": (0..rules).map(rule).collect::<Vec<_>>() });
    assert!(matches!(
        filters(profile(900)),
        Err(SeccompError::TooLong(4500..))
    ));
    let longest = program(profile(800));
    assert!((4000..=4096).contains(&longest.code.len()));
    assert_eq!(native(&longest, "personality", [799, 0, 0, 0, 0, 0]), EPERM);
    assert_eq!(native(&longest, "personality", [800, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(native(&longest, "getpid", [0; 6]), ALLOW);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    const I386: u32 = 0x4000_0003;
    const X32: u32 = 0x4000_0000;

    fn docker() -> LinuxSeccomp {
        let text = include_str!("../../../../tests/samples/docker20-seccomp.json");
        serde_json::from_str(text).expect("profile")
    }

    fn answer(program: &Program, audit: u32, number: u32, first: u64) -> u32 {
        let arguments = [first, 0, 0, 0, 0, 0];
        run(
            program,
            &Call {
                number,
                audit,
                arguments,
            },
        )
        .answer
    }

    #[test]
    fn dockers_profile_is_short_and_answers_in_few_steps_without_a_look_at_arguments() {
        let made = compile(Some(&docker()), None).expect("compiles");
        let [program] = made.programs.as_slice() else {
            panic!("one program")
        };
        assert!(program.code.len() < 600, "{}", program.code.len());
        for name in ["read", "openat", "futex", "execve", "mmap"] {
            let call = Call {
                number: number(name),
                audit: NATIVE.audit,
                arguments: [0; 6],
            };
            let outcome = run(program, &call);
            assert!(outcome.answer == ALLOW && !outcome.looked, "{name}");
            assert!(outcome.steps < 16, "{name}: {}", outcome.steps);
        }
        assert_eq!(native(program, "clone3", [0; 6]), ENOSYS);
        assert_eq!(native(program, "mount", [0; 6]), EPERM);
        assert_eq!(native(program, "clone", [0x11, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(
            native(program, "clone", [0x1000_0000, 0, 0, 0, 0, 0]),
            EPERM
        );
    }

    #[test]
    fn dockers_profile_lets_i386_and_x32_programs_run() {
        let made = compile(Some(&docker()), None).expect("compiles");
        let program = &made.programs[0];
        assert_eq!(answer(program, I386, 3, 0), ALLOW, "read");
        assert_eq!(answer(program, I386, 102, 1), ALLOW, "socketcall");
        assert_eq!(answer(program, I386, 21, 0), EPERM, "mount");
        assert_eq!(answer(program, NATIVE.audit, X32 | 520, 0), ALLOW, "execve");
        assert_eq!(answer(program, NATIVE.audit, X32 | 165, 0), EPERM, "mount");
        assert_eq!(answer(program, 0xc000_00b7, 0, 0), KILL_THREAD, "arm64");
    }

    #[test]
    fn doors_that_are_not_listed_end_the_thread() {
        let made = program(json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_PPC64LE"]
        }));
        assert_eq!(answer(&made, I386, 3, 0), KILL_THREAD);
        assert_eq!(answer(&made, NATIVE.audit, X32, 0), KILL_THREAD);
        assert_eq!(answer(&made, NATIVE.audit, X32 - 1, 0), ALLOW);
        assert_eq!(
            answer(&made, NATIVE.audit, u32::MAX, 0),
            ALLOW,
            "a call that a tracer skips"
        );
        let x32 = program(
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X32"] }),
        );
        assert_eq!(answer(&x32, NATIVE.audit, X32, 0), ALLOW);
        assert_eq!(
            answer(&x32, NATIVE.audit, 0, 0),
            ALLOW,
            "the native door is always open"
        );
        assert_eq!(answer(&x32, I386, 0, 0), KILL_THREAD);
    }

    #[test]
    fn beside_our_own_list_foreign_doors_are_left_to_it() {
        let agent = nemoclaw_policy::seccomp::agent();
        let made = compile(Some(&docker()), Some(&agent)).expect("compiles");
        let [ours, engine] = made.programs.as_slice() else {
            panic!("two programs")
        };
        let alone = compile(Some(&docker()), None).expect("compiles");
        assert!(engine.code.len() * 2 < alone.programs[0].code.len());
        assert_eq!(answer(ours, I386, 3, 0), KILL_PROCESS);
        assert_eq!(answer(ours, NATIVE.audit, X32 | 39, 0), EPERM);
        assert_eq!(answer(engine, I386, 3, 0), ALLOW);
        assert_eq!(answer(engine, NATIVE.audit, X32 | 39, 0), ALLOW);
        for name in ["read", "mount", "clone3"] {
            let arguments = [0; 6];
            assert_eq!(
                native(engine, name, arguments),
                native(&alone.programs[0], name, arguments)
            );
        }
    }

    #[test]
    fn a_32_bit_door_compares_32_bits() {
        let made = program(json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64"],
            "syscalls": [{ "names": ["personality"], "action": "SCMP_ACT_ERRNO",
                           "args": [{ "index": 0, "value": u64::MAX, "op": "SCMP_CMP_EQ" }] }]
        }));
        assert_eq!(answer(&made, I386, 136, 0xffff_ffff), EPERM);
        assert_eq!(
            native(&made, "personality", [0xffff_ffff, 0, 0, 0, 0, 0]),
            ALLOW
        );
        assert_eq!(
            native(&made, "personality", [u64::MAX, 0, 0, 0, 0, 0]),
            EPERM
        );
    }

    #[test]
    fn a_call_forbidden_by_name_is_forbidden_through_the_one_that_does_its_work() {
        let made = program(json!({
            "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
            "syscalls": [{ "names": ["bind", "shmget"], "action": "SCMP_ACT_ERRNO" }]
        }));
        assert_eq!(answer(&made, I386, 361, 0), EPERM, "bind itself");
        assert_eq!(answer(&made, I386, 102, 2), EPERM, "bind by socketcall");
        assert_eq!(answer(&made, I386, 102, 3), ALLOW, "connect by socketcall");
        assert_eq!(answer(&made, I386, 117, 23), EPERM, "shmget by ipc");
        assert_eq!(answer(&made, I386, 117, 24), ALLOW, "shmctl by ipc");
    }
}
