//! Our own allow-list, in the policy crate's words.

use nemoclaw_policy::seccomp::{self, Condition, Op, Profile};

use super::SeccompError;
use super::abi::NATIVE;
use super::action::Action;
use super::rules::{Entry, Listed, Operator, Part, Rules, Test, Width};

/// The rules of the allow-list. Calls through another door end the process.
pub(super) fn rules(profile: &Profile) -> Result<Rules<'_>, SeccompError> {
    let default = Action::errno("default", errno("default", &profile.default_errno)?)?;
    let entries = profile.syscalls.iter().map(entry);
    Ok(Rules {
        default,
        foreign: Action::KILL_PROCESS,
        abis: abis(default),
        entries: entries.collect::<Result<_, _>>()?,
    })
}

/// x32 shares the native door and gets what every call gets that is not listed.
#[cfg(target_arch = "x86_64")]
fn abis(default: Action) -> Vec<Listed> {
    let native = Listed {
        abi: NATIVE,
        part: Part::Rules { newer: None },
    };
    let x32 = Listed {
        abi: &super::abi::X32,
        part: Part::Answer(default),
    };
    vec![native, x32]
}

#[cfg(not(target_arch = "x86_64"))]
fn abis(_: Action) -> Vec<Listed> {
    vec![Listed {
        abi: NATIVE,
        part: Part::Rules { newer: None },
    }]
}

fn entry(given: &seccomp::Entry) -> Result<Entry<'_>, SeccompError> {
    let name = given.names.first().map_or("", String::as_str);
    let tests: Vec<Test> = given
        .args
        .iter()
        .map(|one| test(name, one))
        .collect::<Result<_, _>>()?;
    Ok(Entry {
        names: &given.names,
        action: action(name, given)?,
        alternatives: if tests.is_empty() {
            Vec::new()
        } else {
            vec![tests]
        },
    })
}

fn action(name: &str, entry: &seccomp::Entry) -> Result<Action, SeccompError> {
    match (entry.action, &entry.errno) {
        (seccomp::Action::Allow, _) => Ok(Action::ALLOW),
        (seccomp::Action::Errno, Some(text)) => Action::errno(name, errno(name, text)?),
        (seccomp::Action::Errno, None) => Err(SeccompError::rule(
            name,
            "the action `errno` needs an errno name",
        )),
    }
}

fn test(name: &str, given: &Condition) -> Result<Test, SeccompError> {
    let operator = match given.op {
        Op::Eq => Operator::Eq,
        Op::Ne => Operator::Ne,
        Op::Lt => Operator::Lt,
        Op::Le => Operator::Le,
        Op::Gt => Operator::Gt,
        Op::Ge => Operator::Ge,
        Op::MaskedEq => Operator::Masked(
            given
                .mask
                .ok_or_else(|| SeccompError::rule(name, "`masked_eq` needs a mask"))?,
        ),
    };
    if given.index > 5 {
        return Err(SeccompError::no_argument(name, given.index.into()));
    }
    Ok(Test {
        index: given.index,
        width: match given.width {
            seccomp::Width::Dword => Width::Low,
            seccomp::Width::Qword => Width::Whole,
        },
        operator,
        value: given.value,
    })
}

/// The errno names that a profile may use.
fn errno(call: &str, name: &str) -> Result<u32, SeccompError> {
    let value = match name {
        "EPERM" => libc::EPERM,
        "EACCES" => libc::EACCES,
        "EINVAL" => libc::EINVAL,
        "ENOSYS" => libc::ENOSYS,
        "ENOENT" => libc::ENOENT,
        "EAFNOSUPPORT" => libc::EAFNOSUPPORT,
        "EPROTONOSUPPORT" => libc::EPROTONOSUPPORT,
        "ESOCKTNOSUPPORT" => libc::ESOCKTNOSUPPORT,
        "EOPNOTSUPP" => libc::EOPNOTSUPP,
        "ENOPROTOOPT" => libc::ENOPROTOOPT,
        other => {
            return Err(SeccompError::rule(
                call,
                format!("the errno name `{other}` is not known here"),
            ));
        }
    };
    Ok(value.unsigned_abs())
}
