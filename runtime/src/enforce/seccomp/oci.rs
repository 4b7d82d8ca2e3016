//! The engine's profile, in the OCI's words, understood as libseccomp and runc do.
//!
//! Where several rules of one call hold, the strictest wins, as the kernel chooses among programs. libseccomp differs in
//! one case: there a rule without arguments makes all others of its call void, even stricter ones.

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag,
    LinuxSeccompOperator, LinuxSyscall,
};

use super::SeccompError;
use super::abi::{Abi, NATIVE};
use super::action::Action;
use super::rules::{Entry, Listed, Operator, Part, Rules, Test, Width};
use crate::sys::seccomp as kernel;

/// The call by which a listener is handed on.
const HANDING_ON: &str = "sendmsg";
/// Arguments that a call has.
const ARGUMENTS: usize = 6;

/// What else is loaded with the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing: the profile alone says what each door gets.
    Nothing,
    /// Our allow-list, which lets no call pass through a door that is not native. The profile leaves these to it.
    Agent,
}

/// The rules of an OCI profile.
pub(super) fn rules(profile: &LinuxSeccomp, beside: Beside) -> Result<Rules<'_>, SeccompError> {
    check_listener(profile)?;
    let default = action(
        "default",
        profile.default_action(),
        profile.default_errno_ret(),
    )?;
    let entries = profile.syscalls().iter().flatten().map(entry);
    Ok(Rules {
        default,
        foreign: Action::KILL_THREAD,
        abis: abis(profile, default, beside),
        entries: entries.collect::<Result<_, _>>()?,
    })
}

/// The profile's filter flags as the kernel's bits.
pub(super) fn flags(profile: &LinuxSeccomp) -> u64 {
    let given = profile.flags().iter().flatten();
    let flags = given.fold(0, |all, flag| {
        all | match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => kernel::FLAG_LOG,
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => kernel::FLAG_TSYNC,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => kernel::FLAG_SPEC_ALLOW,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => kernel::FLAG_WAIT_KILLABLE,
        }
    });
    if !notifies(profile) {
        // The kernel refuses it where no listener is.
        flags & !kernel::FLAG_WAIT_KILLABLE
    } else if flags & kernel::FLAG_TSYNC == 0 {
        flags | kernel::FLAG_NEW_LISTENER
    } else {
        flags | kernel::FLAG_NEW_LISTENER | kernel::FLAG_TSYNC_ESRCH
    }
}

fn notifies(profile: &LinuxSeccomp) -> bool {
    let mut entries = profile.syscalls().iter().flatten();
    entries.any(|entry| entry.action() == LinuxSeccompAction::ScmpActNotify)
}

fn check_listener(profile: &LinuxSeccomp) -> Result<(), SeccompError> {
    if profile.default_action() == LinuxSeccompAction::ScmpActNotify {
        return Err(SeccompError::NotifyByDefault);
    }
    let mut entries = profile.syscalls().iter().flatten();
    let hands_on = |name: &String| name == HANDING_ON;
    if entries.any(|entry| {
        entry.action() == LinuxSeccompAction::ScmpActNotify && entry.names().iter().any(hands_on)
    }) {
        return Err(SeccompError::NotifyWhileHandingOn);
    }
    if profile.listener_path().is_none() {
        if notifies(profile) {
            return Err(SeccompError::NoListener);
        }
        if profile.listener_metadata().is_some() {
            return Err(SeccompError::MetadataAlone);
        }
    }
    Ok(())
}

/// The native door always, and those that are listed and that this machine has.
fn abis(profile: &LinuxSeccomp, default: Action, beside: Beside) -> Vec<Listed> {
    let listed = profile.architectures().as_deref().unwrap_or_default();
    // A call that is newer than the profile is unknown and not forbidden, so that programs try an older one: as runc
    // does it, for the architectures that the profile lists.
    let newer = (!default.permits()).then_some(Action::UNKNOWN);
    let mut abis = vec![Listed {
        abi: NATIVE,
        part: Part::Rules { newer: None },
    }];
    for abi in listed.iter().filter_map(|name| Abi::named(*name)) {
        let part = match beside {
            Beside::Agent if abi.name != NATIVE.name => Part::Answer(Action::ALLOW),
            _ => Part::Rules { newer },
        };
        match abis.iter_mut().find(|known| known.abi.name == abi.name) {
            Some(known) => known.part = part,
            None => abis.push(Listed { abi, part }),
        }
    }
    abis
}

fn entry(given: &LinuxSyscall) -> Result<Entry<'_>, SeccompError> {
    let Some(name) = given.names().first() else {
        return Err(SeccompError::rule("", "it names no call"));
    };
    Ok(Entry {
        names: given.names(),
        action: action(name, given.action(), given.errno_ret())?,
        alternatives: alternatives(name, given)?,
    })
}

fn action(
    call: &str,
    action: LinuxSeccompAction,
    errno: Option<u32>,
) -> Result<Action, SeccompError> {
    let value = errno.unwrap_or(libc::EPERM.unsigned_abs());
    let plain = match action {
        LinuxSeccompAction::ScmpActErrno => return Action::errno(call, value),
        LinuxSeccompAction::ScmpActTrace => return Action::trace(call, value),
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            Action::KILL_THREAD
        }
        LinuxSeccompAction::ScmpActKillProcess => Action::KILL_PROCESS,
        LinuxSeccompAction::ScmpActTrap => Action::TRAP,
        LinuxSeccompAction::ScmpActNotify => Action::NOTIFY,
        LinuxSeccompAction::ScmpActLog => Action::LOG,
        LinuxSeccompAction::ScmpActAllow => Action::ALLOW,
    };
    match errno {
        None => Ok(plain),
        Some(_) => Err(SeccompError::rule(
            call,
            format!("the action {action} takes no error number"),
        )),
    }
}

/// All tests of a rule must hold, but two on one argument make each test of the rule an alternative, as runc has it.
fn alternatives(call: &str, entry: &LinuxSyscall) -> Result<Vec<Vec<Test>>, SeccompError> {
    let arguments: &[LinuxSeccompArg] = entry.args().as_deref().unwrap_or_default();
    if arguments.is_empty() {
        return Ok(Vec::new());
    }
    let tests: Vec<Test> = arguments
        .iter()
        .map(|argument| test(call, argument))
        .collect::<Result<_, _>>()?;
    let mut seen = [false; ARGUMENTS];
    let repeated = tests
        .iter()
        .any(|test| std::mem::replace(&mut seen[usize::from(test.index)], true));
    Ok(if repeated {
        tests.into_iter().map(|one| vec![one]).collect()
    } else {
        vec![tests]
    })
}

fn test(call: &str, argument: &LinuxSeccompArg) -> Result<Test, SeccompError> {
    let index = u8::try_from(argument.index())
        .ok()
        .filter(|index| usize::from(*index) < ARGUMENTS)
        .ok_or_else(|| SeccompError::no_argument(call, argument.index()))?;
    let value = argument.value();
    let (operator, value) = match argument.op() {
        LinuxSeccompOperator::ScmpCmpNe => (Operator::Ne, value),
        LinuxSeccompOperator::ScmpCmpLt => (Operator::Lt, value),
        LinuxSeccompOperator::ScmpCmpLe => (Operator::Le, value),
        LinuxSeccompOperator::ScmpCmpEq => (Operator::Eq, value),
        LinuxSeccompOperator::ScmpCmpGe => (Operator::Ge, value),
        LinuxSeccompOperator::ScmpCmpGt => (Operator::Gt, value),
        // Bits outside the mask mean nothing.
        LinuxSeccompOperator::ScmpCmpMaskedEq => (
            Operator::Masked(value),
            argument.value_two().unwrap_or(0) & value,
        ),
    };
    Ok(Test {
        index,
        width: Width::Whole,
        operator,
        value,
    })
}
