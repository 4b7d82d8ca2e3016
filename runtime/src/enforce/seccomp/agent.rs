//! Our own allow-list, in the policy crate's words.

use nemoclaw_policy::seccomp::{Action, Condition, Entry, Op, Profile, Width};
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::SeccompError;
use super::compile::{CallRule, Rules, number};

/// The rules of the allow-list.
pub(super) fn rules(profile: &Profile) -> Result<Rules, SeccompError> {
    let mut rules = Rules {
        default: SeccompAction::Errno(errno("default", &profile.default_errno)?),
        calls: Vec::new(),
        skipped: 0,
    };
    for entry in &profile.syscalls {
        for name in &entry.names {
            match number(name) {
                Some(number) => rules.calls.push(CallRule {
                    number,
                    action: action(name, entry)?,
                    alternatives: alternatives(name, &entry.args)?,
                }),
                None => rules.skipped += 1,
            }
        }
    }
    Ok(rules)
}

fn action(name: &str, entry: &Entry) -> Result<SeccompAction, SeccompError> {
    match (entry.action, &entry.errno) {
        (Action::Allow, _) => Ok(SeccompAction::Allow),
        (Action::Errno, Some(text)) => Ok(SeccompAction::Errno(errno(name, text)?)),
        (Action::Errno, None) => Err(invalid(name, "the action `errno` needs an errno name")),
    }
}

fn alternatives(name: &str, conditions: &[Condition]) -> Result<Vec<SeccompRule>, SeccompError> {
    if conditions.is_empty() {
        return Ok(Vec::new());
    }
    let conditions = conditions
        .iter()
        .map(|one| condition(name, one))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(vec![
        SeccompRule::new(conditions).map_err(|error| invalid(name, &error.to_string()))?,
    ])
}

fn condition(name: &str, given: &Condition) -> Result<SeccompCondition, SeccompError> {
    let width = match given.width {
        Width::Dword => SeccompCmpArgLen::Dword,
        Width::Qword => SeccompCmpArgLen::Qword,
    };
    let operator = match given.op {
        Op::Eq => SeccompCmpOp::Eq,
        Op::Ne => SeccompCmpOp::Ne,
        Op::Lt => SeccompCmpOp::Lt,
        Op::Le => SeccompCmpOp::Le,
        Op::Gt => SeccompCmpOp::Gt,
        Op::Ge => SeccompCmpOp::Ge,
        Op::MaskedEq => SeccompCmpOp::MaskedEq(
            given
                .mask
                .ok_or_else(|| invalid(name, "`masked_eq` needs a mask"))?,
        ),
    };
    SeccompCondition::new(given.index, width, operator, given.value)
        .map_err(|error| invalid(name, &error.to_string()))
}

fn invalid(call: &str, reason: &str) -> SeccompError {
    SeccompError::Rule {
        call: call.to_owned(),
        reason: reason.to_owned(),
    }
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
            return Err(invalid(
                call,
                &format!("the errno name `{other}` is not known here"),
            ));
        }
    };
    Ok(value.unsigned_abs())
}
