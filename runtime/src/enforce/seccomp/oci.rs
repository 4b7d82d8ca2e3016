//! The engine's profile, in the OCI's words.

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag,
    LinuxSeccompOperator, LinuxSyscall,
};
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::SeccompError;
use super::compile::{CallRule, Rules, number};
use crate::sys::seccomp as kernel;

/// The rules of an OCI profile.
pub(super) fn rules(profile: &LinuxSeccomp) -> Result<Rules, SeccompError> {
    let mut rules = Rules {
        default: action(profile.default_action(), profile.default_errno_ret())?,
        calls: Vec::new(),
        skipped: 0,
    };
    for entry in profile.syscalls().iter().flatten() {
        let action = action(entry.action(), entry.errno_ret())?;
        for name in entry.names() {
            match number(name) {
                Some(number) => {
                    let alternatives = alternatives(name, entry)?;
                    rules.calls.push(CallRule {
                        number,
                        action: action.clone(),
                        alternatives,
                    });
                }
                None => rules.skipped += 1,
            }
        }
    }
    Ok(rules)
}

/// The profile's filter flags as the kernel's bits.
pub(super) fn flags(profile: &LinuxSeccomp) -> u64 {
    let bit = |flag: &LinuxSeccompFilterFlag| match flag {
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => kernel::FLAG_LOG,
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => kernel::FLAG_TSYNC,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => kernel::FLAG_SPEC_ALLOW,
        // Only has a meaning beside a listener, which `action` refuses; the kernel refuses it alone.
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 0,
    };
    profile
        .flags()
        .iter()
        .flatten()
        .map(bit)
        .fold(0, |all, bit| all | bit)
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<SeccompAction, SeccompError> {
    let value = errno.unwrap_or(libc::EPERM.unsigned_abs());
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            SeccompAction::KillThread
        }
        LinuxSeccompAction::ScmpActKillProcess => SeccompAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => SeccompAction::Trap,
        LinuxSeccompAction::ScmpActErrno => SeccompAction::Errno(value),
        LinuxSeccompAction::ScmpActTrace => SeccompAction::Trace(value),
        LinuxSeccompAction::ScmpActAllow => SeccompAction::Allow,
        LinuxSeccompAction::ScmpActLog => SeccompAction::Log,
        LinuxSeccompAction::ScmpActNotify => return Err(SeccompError::Notify),
    })
}

/// All conditions of a rule must hold, but two on one argument are alternatives, as libseccomp has it.
fn alternatives(call: &str, entry: &LinuxSyscall) -> Result<Vec<SeccompRule>, SeccompError> {
    let invalid = |reason: String| SeccompError::Rule {
        call: call.to_owned(),
        reason,
    };
    let arguments: &[LinuxSeccompArg] = entry.args().as_deref().unwrap_or_default();
    if arguments.is_empty() {
        return Ok(Vec::new());
    }
    let mut seen = 0_u8;
    let mut repeated = false;
    let mut conditions = Vec::new();
    for argument in arguments {
        let index = u8::try_from(argument.index())
            .ok()
            .filter(|index| *index < 6);
        let index =
            index.ok_or_else(|| invalid(format!("a call has no argument {}", argument.index())))?;
        repeated |= seen & (1 << index) != 0;
        seen |= 1 << index;
        let (operator, value) = comparison(argument);
        let condition = SeccompCondition::new(index, SeccompCmpArgLen::Qword, operator, value);
        conditions.push(condition.map_err(|error| invalid(error.to_string()))?);
    }
    let groups: Vec<Vec<SeccompCondition>> = if repeated {
        conditions.into_iter().map(|one| vec![one]).collect()
    } else {
        vec![conditions]
    };
    groups
        .into_iter()
        .map(|group| SeccompRule::new(group).map_err(|error| invalid(error.to_string())))
        .collect()
}

fn comparison(argument: &LinuxSeccompArg) -> (SeccompCmpOp, u64) {
    let value = argument.value();
    match argument.op() {
        LinuxSeccompOperator::ScmpCmpNe => (SeccompCmpOp::Ne, value),
        LinuxSeccompOperator::ScmpCmpLt => (SeccompCmpOp::Lt, value),
        LinuxSeccompOperator::ScmpCmpLe => (SeccompCmpOp::Le, value),
        LinuxSeccompOperator::ScmpCmpEq => (SeccompCmpOp::Eq, value),
        LinuxSeccompOperator::ScmpCmpGe => (SeccompCmpOp::Ge, value),
        LinuxSeccompOperator::ScmpCmpGt => (SeccompCmpOp::Gt, value),
        LinuxSeccompOperator::ScmpCmpMaskedEq => (
            SeccompCmpOp::MaskedEq(value),
            argument.value_two().unwrap_or(0),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::seccomp::compile;

    fn profile(json: &str) -> LinuxSeccomp {
        serde_json::from_str(json).expect("profile")
    }

    #[test]
    fn a_name_this_architecture_lacks_is_skipped_and_counted() {
        let profile = profile(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","socketcall"],"action":"SCMP_ACT_ALLOW"}]}"#,
        );
        let rules = rules(&profile).expect("valid");
        assert_eq!((rules.calls.len(), rules.skipped), (1, 1));
    }

    #[test]
    fn a_listener_is_refused_with_a_sentence() {
        let profile = profile(
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}"#,
        );
        assert!(matches!(rules(&profile), Err(SeccompError::Notify)));
    }

    #[test]
    fn each_action_beside_allow_becomes_a_program_of_its_own() {
        let profile = profile(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
                {"names":["read"],"action":"SCMP_ACT_ALLOW"},
                {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38},
                {"names":["ptrace"],"action":"SCMP_ACT_KILL_PROCESS"}]}"#,
        );
        assert_eq!(
            compile::programs(rules(&profile).expect("valid"))
                .expect("compiles")
                .len(),
            3
        );
    }

    #[test]
    fn a_program_that_refuses_to_load_more_comes_last() {
        let profile = profile(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
                {"names":["read"],"action":"SCMP_ACT_ALLOW"},{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}"#,
        );
        let programs = compile::programs(rules(&profile).expect("valid")).expect("compiles");
        assert!(
            programs[0].iter().any(|step| step.k == 0x0005_0026),
            "ENOSYS first"
        );
        assert!(
            programs[1].iter().any(|step| step.k == 0x0005_0001),
            "EPERM last"
        );
    }

    #[test]
    fn two_conditions_on_one_argument_are_alternatives() {
        let profile = profile(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[
                {"index":0,"value":0,"op":"SCMP_CMP_EQ"},{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}]}"#,
        );
        assert_eq!(
            rules(&profile).expect("valid").calls[0].alternatives.len(),
            2
        );
    }
}
