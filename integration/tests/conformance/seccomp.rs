//! Seccomp: actions, operators, architectures, flags, and who is under the filter.

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::check::{Outcome, checks};
use crate::runtime::Runtime;
use crate::said::same;

checks![
    errno_is_eperm_when_none_is_named,
    errno_is_the_named_one,
    kill_ends_the_program,
    kill_process_ends_the_program,
    kill_thread_ends_the_program,
    trap_sends_a_signal,
    trace_without_a_tracer_is_enosys,
    log_lets_pass,
    allow_lets_pass,
    the_default_action_is_for_all_others,
    the_default_errno_is_the_named_one,
    the_default_may_kill,
    equal_is_compared,
    not_equal_is_compared,
    less_is_compared,
    less_or_equal_is_compared,
    greater_is_compared,
    greater_or_equal_is_compared,
    masked_equal_is_compared,
    arguments_are_64_bits_wide,
    all_arguments_of_a_rule_must_match,
    one_of_several_rules_of_a_call_is_enough,
    two_conditions_on_one_argument_are_alternatives,
    rules_of_a_call_may_have_different_actions,
    an_unknown_call_is_passed_over,
    many_names_in_one_rule_work,
    a_call_of_an_architecture_that_is_not_listed_does_not_pass,
    a_call_of_a_listed_architecture_is_filtered_by_its_name,
    a_call_of_a_listed_architecture_passes_when_allowed,
    flags_are_accepted,
    an_unknown_flag_is_refused,
    an_unknown_action_is_refused,
    an_unknown_operator_is_refused,
    an_unknown_architecture_is_refused,
    the_filter_is_loaded_without_no_new_privileges,
    the_filter_holds_for_another_user,
    exec_is_under_the_filter,
    exec_is_under_the_filter_whatever_its_privileges,
    a_profile_like_an_engines_works,
];

/// `alarm`, a call with one number that harms nobody.
const ALARM: &str = "/bin/probe call nr=37";
/// `madvise` of nothing: its first argument is as wide as an address.
const MADVISE: &str = "/bin/probe call nr=28";

/// A bundle that runs a script under rules over a default of allowing.
fn ruled<'r>(rt: &'r Runtime, script: &str, rules: Value) -> Bundle<'r> {
    let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules });
    Bundle::script(rt, script)
        .with_probe()
        .set("/linux/seccomp", profile)
}

/// What `alarm` gives under one rule of this action.
fn acted(rt: &Runtime, action: &str, options: &str) -> Result<String, String> {
    let rules = json!([{ "names": ["alarm"], "action": action }]);
    let said = ruled(rt, &format!("{ALARM} {options}"), rules)
        .run()?
        .ok()?;
    Ok(said.out.trim().to_owned())
}

fn errno_is_eperm_when_none_is_named(rt: &Runtime) -> Outcome {
    same("alarm", acted(rt, "SCMP_ACT_ERRNO", "")?, "EPERM")
}

fn errno_is_the_named_one(rt: &Runtime) -> Outcome {
    let rules = json!([
        { "names": ["alarm"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 },
        { "names": ["madvise"], "action": "SCMP_ACT_ERRNO", "errnoRet": 111 }
    ]);
    ruled(rt, &format!("{ALARM}; {MADVISE}"), rules)
        .run()?
        .prints("ENOSYS\nECONNREFUSED")
}

fn kill_ends_the_program(rt: &Runtime) -> Outcome {
    same("alarm", acted(rt, "SCMP_ACT_KILL", "handler=1")?, "killed")
}

fn kill_process_ends_the_program(rt: &Runtime) -> Outcome {
    same(
        "alarm",
        acted(rt, "SCMP_ACT_KILL_PROCESS", "handler=1")?,
        "killed",
    )
}

fn kill_thread_ends_the_program(rt: &Runtime) -> Outcome {
    same(
        "alarm",
        acted(rt, "SCMP_ACT_KILL_THREAD", "handler=1")?,
        "killed",
    )
}

fn trap_sends_a_signal(rt: &Runtime) -> Outcome {
    same("alarm", acted(rt, "SCMP_ACT_TRAP", "handler=1")?, "trapped")
}

fn trace_without_a_tracer_is_enosys(rt: &Runtime) -> Outcome {
    same("alarm", acted(rt, "SCMP_ACT_TRACE", "")?, "ENOSYS")
}

fn log_lets_pass(rt: &Runtime) -> Outcome {
    same("alarm", acted(rt, "SCMP_ACT_LOG", "")?, "0")
}

fn allow_lets_pass(rt: &Runtime) -> Outcome {
    same("alarm", acted(rt, "SCMP_ACT_ALLOW", "")?, "0")
}

/// What the shell and the probe need.
const NEEDED: [&str; 58] = [
    "execve",
    "read",
    "write",
    "openat",
    "open",
    "close",
    "mmap",
    "brk",
    "exit_group",
    "exit",
    "arch_prctl",
    "prctl",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "fstat",
    "stat",
    "lstat",
    "newfstatat",
    "set_tid_address",
    "set_robust_list",
    "rseq",
    "prlimit64",
    "readlinkat",
    "readlink",
    "getrandom",
    "mprotect",
    "ioctl",
    "getpid",
    "getppid",
    "getpgrp",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "getcwd",
    "uname",
    "munmap",
    "fcntl",
    "wait4",
    "clone",
    "fork",
    "vfork",
    "futex",
    "dup2",
    "dup",
    "pipe2",
    "sigaltstack",
    "access",
    "faccessat",
    "poll",
    "lseek",
    "writev",
    "setpgid",
    "sched_yield",
    "chdir",
    "capset",
    "capget",
];

/// A profile that allows little; `alarm` is not in it.
fn allow_list<'r>(rt: &'r Runtime, default: Value) -> Bundle<'r> {
    let mut profile = default;
    profile["architectures"] = json!(["SCMP_ARCH_X86_64"]);
    profile["syscalls"] = json!([
        { "names": NEEDED.to_vec(), "action": "SCMP_ACT_ALLOW" },
        { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }
    ]);
    Bundle::script(rt, ALARM)
        .with_probe()
        .set("/linux/seccomp", profile)
}

fn the_default_action_is_for_all_others(rt: &Runtime) -> Outcome {
    allow_list(rt, json!({ "defaultAction": "SCMP_ACT_ERRNO" }))
        .run()?
        .prints("EPERM")
}

fn the_default_errno_is_the_named_one(rt: &Runtime) -> Outcome {
    allow_list(
        rt,
        json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38 }),
    )
    .run()?
    .prints("ENOSYS")
}

fn the_default_may_kill(rt: &Runtime) -> Outcome {
    allow_list(rt, json!({ "defaultAction": "SCMP_ACT_KILL" }))
        .run()?
        .prints("killed")
}

/// Which of these arguments of `alarm` are refused, by one condition.
fn refused(rt: &Runtime, condition: Value, arguments: &[u64]) -> Result<Vec<u64>, String> {
    let rules = json!([{ "names": ["alarm"], "action": "SCMP_ACT_ERRNO", "args": [condition] }]);
    let script = format!(
        "for a in {}; do {ALARM} a=$a; done",
        arguments
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    );
    let said = ruled(rt, &script, rules).run()?.ok()?;
    let answers = said
        .out
        .lines()
        .zip(arguments)
        .filter(|(line, _)| *line == "EPERM");
    Ok(answers.map(|(_, argument)| *argument).collect())
}

fn compared(rt: &Runtime, operator: &str, expected: &[u64]) -> Outcome {
    let condition = json!({ "index": 0, "value": 10, "op": operator });
    same(
        operator,
        refused(rt, condition, &[0, 9, 10, 11, 1000])?,
        expected,
    )
}

fn equal_is_compared(rt: &Runtime) -> Outcome {
    compared(rt, "SCMP_CMP_EQ", &[10])
}

fn not_equal_is_compared(rt: &Runtime) -> Outcome {
    compared(rt, "SCMP_CMP_NE", &[0, 9, 11, 1000])
}

fn less_is_compared(rt: &Runtime) -> Outcome {
    compared(rt, "SCMP_CMP_LT", &[0, 9])
}

fn less_or_equal_is_compared(rt: &Runtime) -> Outcome {
    compared(rt, "SCMP_CMP_LE", &[0, 9, 10])
}

fn greater_is_compared(rt: &Runtime) -> Outcome {
    compared(rt, "SCMP_CMP_GT", &[11, 1000])
}

fn greater_or_equal_is_compared(rt: &Runtime) -> Outcome {
    compared(rt, "SCMP_CMP_GE", &[10, 11, 1000])
}

fn masked_equal_is_compared(rt: &Runtime) -> Outcome {
    let condition =
        json!({ "index": 0, "value": 0xf0, "valueTwo": 0x30, "op": "SCMP_CMP_MASKED_EQ" });
    same(
        "refused",
        refused(rt, condition, &[0, 0x30, 0x3f, 0x130, 0x40, 0x70])?,
        [0x30, 0x3f, 0x130],
    )
}

fn arguments_are_64_bits_wide(rt: &Runtime) -> Outcome {
    let condition = json!({ "index": 0, "value": 0x1_0000_0000_u64, "op": "SCMP_CMP_EQ" });
    let rules = json!([{ "names": ["madvise"], "action": "SCMP_ACT_ERRNO", "args": [condition] }]);
    let script = format!("for a in 0 0x100000000 0x200000000; do {MADVISE} a=$a; done");
    ruled(rt, &script, rules).run()?.prints("0\nEPERM\n0")
}

fn all_arguments_of_a_rule_must_match(rt: &Runtime) -> Outcome {
    let args = json!([
        { "index": 0, "value": 4096, "op": "SCMP_CMP_EQ" }, { "index": 2, "value": 3, "op": "SCMP_CMP_EQ" }
    ]);
    let rules = json!([{ "names": ["madvise"], "action": "SCMP_ACT_ERRNO", "args": args }]);
    let script = format!("{MADVISE} a=4096 c=3; {MADVISE} a=4096 c=2; {MADVISE} a=8192 c=3");
    ruled(rt, &script, rules).run()?.prints("EPERM\n0\n0")
}

fn one_of_several_rules_of_a_call_is_enough(rt: &Runtime) -> Outcome {
    let rule = |value: u64| json!({ "names": ["alarm"], "action": "SCMP_ACT_ERRNO", "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] });
    let script = format!("for a in 1 2 3; do {ALARM} a=$a; done");
    ruled(rt, &script, json!([rule(1), rule(3)]))
        .run()?
        .prints("EPERM\n0\nEPERM")
}

fn two_conditions_on_one_argument_are_alternatives(rt: &Runtime) -> Outcome {
    let args = json!([{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }, { "index": 0, "value": 3, "op": "SCMP_CMP_EQ" }]);
    let rules = json!([{ "names": ["alarm"], "action": "SCMP_ACT_ERRNO", "args": args }]);
    ruled(rt, &format!("for a in 1 2 3; do {ALARM} a=$a; done"), rules)
        .run()?
        .prints("EPERM\n0\nEPERM")
}

fn rules_of_a_call_may_have_different_actions(rt: &Runtime) -> Outcome {
    let rule = |value: u64, errno: u32| json!({ "names": ["alarm"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] });
    let killing = json!({ "names": ["alarm"], "action": "SCMP_ACT_KILL_PROCESS", "args": [{ "index": 0, "value": 9, "op": "SCMP_CMP_EQ" }] });
    let script = format!("for a in 1 2 3 9; do {ALARM} a=$a; done");
    ruled(rt, &script, json!([rule(1, 38), rule(2, 11), killing]))
        .run()?
        .prints("ENOSYS\nEAGAIN\n0\nkilled")
}

fn an_unknown_call_is_passed_over(rt: &Runtime) -> Outcome {
    let rules = json!([{ "names": ["no_such_call", "alarm"], "action": "SCMP_ACT_ERRNO" }]);
    ruled(rt, ALARM, rules).run()?.prints("EPERM")
}

fn many_names_in_one_rule_work(rt: &Runtime) -> Outcome {
    let names = [
        "alarm",
        "madvise",
        "acct",
        "swapon",
        "reboot",
        "bpf",
        "kexec_load",
        "ptrace",
        "add_key",
        "keyctl",
    ];
    let rules = json!([{ "names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": 5 }]);
    ruled(
        rt,
        &format!("{ALARM}; {MADVISE}; /bin/probe call nr=250"),
        rules,
    )
    .run()?
    .prints("EIO\nEIO\nEIO")
}

/// `alarm` through the door of 32-bit programs.
const OLD_DOOR: &str = "/bin/probe call nr=27 door=i386";

fn a_call_of_an_architecture_that_is_not_listed_does_not_pass(rt: &Runtime) -> Outcome {
    let rules = json!([{ "names": ["madvise"], "action": "SCMP_ACT_ERRNO" }]);
    ruled(rt, OLD_DOOR, rules).run()?.prints("killed")
}

fn with_i386<'r>(rt: &'r Runtime, script: &str, names: &[&str]) -> Bundle<'r> {
    let rules = json!([{ "names": names, "action": "SCMP_ACT_ERRNO" }]);
    ruled(rt, script, rules).set(
        "/linux/seccomp/architectures",
        json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
    )
}

fn a_call_of_a_listed_architecture_is_filtered_by_its_name(rt: &Runtime) -> Outcome {
    with_i386(rt, &format!("{ALARM}; {OLD_DOOR}"), &["alarm"])
        .run()?
        .prints("EPERM\nEPERM")
}

fn a_call_of_a_listed_architecture_passes_when_allowed(rt: &Runtime) -> Outcome {
    with_i386(rt, &format!("{ALARM}; {OLD_DOOR}"), &["madvise"])
        .run()?
        .prints("0\n0")
}

fn flags_are_accepted(rt: &Runtime) -> Outcome {
    for flags in [
        &["SECCOMP_FILTER_FLAG_LOG"][..],
        &["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        &["SECCOMP_FILTER_FLAG_TSYNC"],
        &[],
    ] {
        let rules = json!([{ "names": ["alarm"], "action": "SCMP_ACT_ERRNO" }]);
        ruled(rt, ALARM, rules)
            .set("/linux/seccomp/flags", json!(flags))
            .run()?
            .prints("EPERM")
            .map_err(|fault| format!("{flags:?}: {fault}"))?;
    }
    Ok(())
}

/// Create is refused with this change of a good profile.
fn is_refused(rt: &Runtime, pointer: &str, value: &str) -> Outcome {
    let args = json!([{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }]);
    let rules = json!([{ "names": ["alarm"], "action": "SCMP_ACT_ERRNO", "args": args }]);
    let bundle =
        ruled(rt, "true", rules).set("/linux/seccomp/flags", json!(["SECCOMP_FILTER_FLAG_LOG"]));
    bundle
        .set(pointer, json!(value))
        .create()?
        .fails()
        .map(drop)
}

fn an_unknown_flag_is_refused(rt: &Runtime) -> Outcome {
    is_refused(rt, "/linux/seccomp/flags/0", "SECCOMP_FILTER_FLAG_NONSENSE")
}

fn an_unknown_action_is_refused(rt: &Runtime) -> Outcome {
    is_refused(rt, "/linux/seccomp/syscalls/0/action", "SCMP_ACT_NONSENSE")?;
    is_refused(rt, "/linux/seccomp/defaultAction", "SCMP_ACT_NONSENSE")
}

fn an_unknown_operator_is_refused(rt: &Runtime) -> Outcome {
    is_refused(
        rt,
        "/linux/seccomp/syscalls/0/args/0/op",
        "SCMP_CMP_NONSENSE",
    )
}

fn an_unknown_architecture_is_refused(rt: &Runtime) -> Outcome {
    is_refused(rt, "/linux/seccomp/architectures/0", "SCMP_ARCH_NONSENSE")
}

fn eperm() -> Value {
    json!([{ "names": ["alarm"], "action": "SCMP_ACT_ERRNO" }])
}

fn the_filter_is_loaded_without_no_new_privileges(rt: &Runtime) -> Outcome {
    let script = format!("{ALARM}; grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status");
    ruled(rt, &script, eperm())
        .set("/process/noNewPrivileges", json!(false))
        .run()?
        .prints("EPERM\nNoNewPrivs:\t0\nSeccomp:\t2")
}

fn the_filter_holds_for_another_user(rt: &Runtime) -> Outcome {
    for privileges in [true, false] {
        let bundle = ruled(rt, ALARM, eperm()).set("/process/user", json!({ "uid": 7, "gid": 8 }));
        bundle
            .set("/process/noNewPrivileges", json!(privileges))
            .run()?
            .prints("EPERM")?;
    }
    Ok(())
}

fn exec_is_under_the_filter(rt: &Runtime) -> Outcome {
    let bundle = ruled(rt, "sleep 100", eperm());
    bundle.up()?;
    bundle
        .exec(&["/bin/probe", "call", "nr=37"])?
        .prints("EPERM")
}

fn exec_is_under_the_filter_whatever_its_privileges(rt: &Runtime) -> Outcome {
    let bundle = ruled(rt, "sleep 100", eperm());
    bundle.up()?;
    for privileges in [true, false] {
        let process = json!({ "args": ["/bin/probe", "call", "nr=37"], "cwd": "/", "user": { "uid": 7, "gid": 7 }, "noNewPrivileges": privileges });
        bundle.exec_process(&process)?.prints("EPERM")?;
    }
    Ok(())
}

fn a_profile_like_an_engines_works(rt: &Runtime) -> Outcome {
    let names: Vec<&str> = NEEDED.into_iter().filter(|name| *name != "clone").collect();
    let personality = |value: u64| json!({ "names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0, "value": value, "op": "SCMP_CMP_EQ" }] });
    let clone = json!([{ "index": 0, "value": 0x7e02_0000_u64, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }]);
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            { "names": names, "action": "SCMP_ACT_ALLOW", "args": [], "comment": "", "includes": {}, "excludes": {} },
            personality(0), personality(8), personality(0xffff_ffff),
            { "names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": clone },
            { "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }
        ]
    });
    let script =
        "for a in 0 8 0xffffffff 3; do /bin/probe call nr=135 a=$a; done; /bin/probe call nr=435";
    let bundle = Bundle::script(rt, script)
        .with_probe()
        .set("/linux/seccomp", profile);
    bundle.run()?.prints("0\n0\n0\nEPERM\nENOSYS")
}
