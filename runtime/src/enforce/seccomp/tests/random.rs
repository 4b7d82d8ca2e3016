//! Laws on many profiles and calls made by chance, always the same chance.

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction as Word, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};
use serde_json::{Value, json};

use super::machine::{Call, run};
use crate::enforce::seccomp::abi::{Abi, NATIVE};
use crate::enforce::seccomp::compile;

const NAMES: [&str; 16] = [
    "read",
    "write",
    "ioctl",
    "socket",
    "bind",
    "shmget",
    "clone",
    "personality",
    "execve",
    "mmap",
    "mkdirat",
    "openat",
    "waitpid",
    "statx",
    "clone3",
    "mseal",
];
const ACTIONS: [&str; 8] = [
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_LOG",
    "SCMP_ACT_ALLOW",
];
const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];
/// Values whose halves are small, equal, full or sign-extended.
const VALUES: [u64; 10] = [
    0,
    1,
    2,
    7,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7_0000_0007,
    0xffff_ffff_0000_0000,
    u64::MAX,
];

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("small")).expect("small")
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn value(&mut self) -> u64 {
        self.of(&VALUES)
    }

    fn action(&mut self, rule: &mut Value, action: &str, errno: &str) {
        if matches!(action, "SCMP_ACT_ERRNO" | "SCMP_ACT_TRACE") && self.below(2) == 0 {
            rule[errno] = json!(self.below(4));
        }
    }

    fn rule(&mut self) -> Value {
        let names: Vec<&str> = (0..=self.below(4)).map(|_| self.of(&NAMES)).collect();
        let arguments: Vec<Value> = (0..self.below(4))
            .map(|_| {
                json!({ "index": self.below(6), "value": self.value(), "valueTwo": self.value(), "op": self.of(&OPERATORS) })
            })
            .collect();
        let action = self.of(&ACTIONS);
        let mut rule = json!({ "names": names, "action": action, "args": arguments });
        self.action(&mut rule, action, "errnoRet");
        rule
    }

    fn profile(&mut self) -> LinuxSeccomp {
        let default = loop {
            let action = self.of(&ACTIONS);
            if action != "SCMP_ACT_NOTIFY" {
                break action;
            }
        };
        let all: Vec<String> = Abi::all().map(|abi| abi.name.to_string()).collect();
        let listed: Vec<&String> = all.iter().filter(|_| self.below(2) == 0).collect();
        let rules: Vec<Value> = (0..self.below(12)).map(|_| self.rule()).collect();
        let mut profile = json!({
            "defaultAction": default, "architectures": listed, "syscalls": rules, "listenerPath": "/run/agent"
        });
        self.action(&mut profile, default, "defaultErrnoRet");
        serde_json::from_value(profile).expect("profile")
    }

    /// A call that rules may name, or one at the edge of what an architecture has.
    fn call(&mut self) -> Call {
        let abi = self.of(&Abi::all().collect::<Vec<_>>());
        let name = self.of(&NAMES);
        let number = match self.below(8) {
            0 => u32::try_from(self.next() & 0xffff_ffff).expect("masked"),
            1 => abi.first,
            2 => abi.last,
            3 => u32::MAX,
            4 => (abi.shared)(name).map_or(abi.first, |(number, _)| number),
            _ => abi
                .numbers(name)
                .into_iter()
                .flatten()
                .last()
                .unwrap_or(abi.first),
        };
        let mut arguments = [0; 6].map(|_| self.value());
        if let (0, Some((_, which))) = (self.below(2), (abi.shared)(name)) {
            arguments[0] = which;
        }
        let audit = if self.below(20) == 0 {
            0x8000_0016
        } else {
            abi.audit
        };
        Call {
            number,
            audit,
            arguments,
        }
    }
}

/// What a profile says of a call, found by reading it from top to bottom.
fn read(profile: &LinuxSeccomp, call: &Call) -> u32 {
    let default = code(profile.default_action(), profile.default_errno_ret());
    let listed = profile.architectures().as_deref().unwrap_or_default();
    let named = |abi: &&Abi| listed.contains(&abi.name);
    let open = |abi: &&'static Abi| named(abi) || abi.name == NATIVE.name;
    if call.number == u32::MAX && Abi::all().filter(open).any(|abi| abi.audit == call.audit) {
        return default;
    }
    let inside =
        |abi: &&Abi| abi.audit == call.audit && (abi.first..=abi.last).contains(&call.number);
    let Some(abi) = Abi::all().filter(open).find(inside) else {
        return 0;
    };
    let rules = || profile.syscalls().iter().flatten();
    let names = || rules().flat_map(LinuxSyscall::names);
    let shared = names()
        .filter_map(|name| (abi.shared)(name))
        .map(|(number, _)| number);
    let numbers = names()
        .flat_map(|name| abi.numbers(name))
        .flatten()
        .chain(shared);
    let strict = !matches!(
        profile.default_action(),
        Word::ScmpActAllow | Word::ScmpActLog | Word::ScmpActTrace
    );
    let holding = rules().flat_map(|rule| rule.names().iter().map(move |name| (rule, name)));
    let holding = holding.filter(|(rule, name)| {
        let arguments = rule.args().as_deref().unwrap_or_default();
        let itself =
            abi.numbers(name).contains(&Some(call.number)) && holds(arguments, call, abi.short);
        let first = call.arguments[0] & 0xffff_ffff;
        itself || arguments.is_empty() && (abi.shared)(name) == Some((call.number, first))
    });
    let answers = holding
        .map(|(rule, _)| code(rule.action(), rule.errno_ret()))
        .filter(|answer| *answer != default);
    // `min_by_key` takes the first of equals, as the profile's order wants.
    match answers.min_by_key(|answer| (answer & 0xffff_0000).cast_signed()) {
        Some(answer) => answer,
        None if strict
            && named(&abi)
            && numbers.max().is_some_and(|newest| call.number > newest) =>
        {
            0x0005_0026
        }
        None => default,
    }
}

fn holds(arguments: &[LinuxSeccompArg], call: &Call, short: bool) -> bool {
    let mut indices: Vec<usize> = arguments.iter().map(LinuxSeccompArg::index).collect();
    indices.sort_unstable();
    let repeated = indices.windows(2).any(|pair| pair[0] == pair[1]);
    let mut each = arguments
        .iter()
        .map(|one| compares(one, call.arguments[one.index()], short));
    if repeated {
        each.any(|holds| holds)
    } else {
        each.all(|holds| holds)
    }
}

fn compares(test: &LinuxSeccompArg, argument: u64, short: bool) -> bool {
    let width = if short { 0xffff_ffff } else { u64::MAX };
    let (argument, value) = (argument & width, test.value() & width);
    match test.op() {
        LinuxSeccompOperator::ScmpCmpNe => argument != value,
        LinuxSeccompOperator::ScmpCmpLt => argument < value,
        LinuxSeccompOperator::ScmpCmpLe => argument <= value,
        LinuxSeccompOperator::ScmpCmpEq => argument == value,
        LinuxSeccompOperator::ScmpCmpGe => argument >= value,
        LinuxSeccompOperator::ScmpCmpGt => argument > value,
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            argument & value == test.value_two().expect("given") & value
        }
    }
}

fn code(action: Word, errno: Option<u32>) -> u32 {
    match action {
        Word::ScmpActKill | Word::ScmpActKillThread => 0,
        Word::ScmpActKillProcess => 0x8000_0000,
        Word::ScmpActTrap => 0x0003_0000,
        Word::ScmpActErrno => 0x0005_0000 | errno.unwrap_or(1),
        Word::ScmpActNotify => 0x7fc0_0000,
        Word::ScmpActTrace => 0x7ff0_0000 | errno.unwrap_or(1),
        Word::ScmpActLog => 0x7ffc_0000,
        Word::ScmpActAllow => 0x7fff_0000,
    }
}

#[test]
fn programs_answer_as_their_profiles_read() {
    let mut chance = Chance(0x1234_5678_9abc_def1);
    let mut answers = std::collections::BTreeSet::new();
    for _ in 0..600 {
        let profile = chance.profile();
        let made = compile(Some(&profile), None).expect("compiles");
        for _ in 0..150 {
            let call = chance.call();
            let answer = run(&made.programs[0], &call).answer;
            let text = || serde_json::to_string(&profile).expect("text");
            assert_eq!(
                format!("{answer:08x}"),
                format!("{:08x}", read(&profile, &call)),
                "{call:x?} {}",
                text()
            );
            answers.insert(answer & 0xffff_0000);
        }
    }
    assert_eq!(answers.len(), 8, "every action was met: {answers:x?}");
}
