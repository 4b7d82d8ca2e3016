//! System-call filters: the engine's profile and our allow-list, compiled once at create and stacked on every process.
//!
//! Each becomes one program; of their answers the kernel takes the strictest. The compiled programs are stored, so exec
//! loads the very bytes that init got.

mod abi;
mod action;
mod agent;
mod assemble;
mod oci;
mod rules;
mod stored;
mod table;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;

use nemoclaw_policy::seccomp::Profile;
use nix::errno::Errno;
use oci_spec::runtime::LinuxSeccomp;
use serde::{Deserialize, Serialize};

use crate::sys::seccomp as kernel;
use crate::sys::seccomp::Instruction;

/// All programs of a box, in the order in which they are loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// The programs.
    pub programs: Vec<Program>,
    /// Names in the profiles that no listed architecture of this machine has.
    pub skipped: usize,
}

/// One compiled program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The instructions.
    #[serde(with = "stored")]
    pub code: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u64,
}

/// Why a profile cannot be turned into filters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeccompError {
    /// Every call would wait.
    #[error(
        "the seccomp profile's default action is SCMP_ACT_NOTIFY, and then no call could be made to hand the listener on: name the calls that it is for"
    )]
    NotifyByDefault,
    /// The listener would wait for itself.
    #[error(
        "the seccomp profile gives `sendmsg` the action SCMP_ACT_NOTIFY, and the listener itself is handed on by that call: give `sendmsg` another action"
    )]
    NotifyWhileHandingOn,
    /// Nobody would answer.
    #[error(
        "the seccomp profile uses SCMP_ACT_NOTIFY and has no `listenerPath`, the socket of the program that answers"
    )]
    NoListener,
    /// Nobody would read it.
    #[error("the seccomp profile has `listenerMetadata` without `listenerPath`")]
    MetadataAlone,
    /// A rule that means nothing.
    #[error("the seccomp profile's rule for `{call}` is not valid: {reason}")]
    Rule {
        /// The system call.
        call: String,
        /// What is wrong.
        reason: String,
    },
    /// Too long for the kernel.
    #[error("the seccomp profile compiles to {0} instructions, and the kernel takes 4096")]
    TooLong(usize),
    /// The kernel refused.
    #[error("the kernel refused the seccomp filter")]
    Load(#[source] Errno),
}

impl SeccompError {
    fn rule(call: &str, reason: impl Into<String>) -> SeccompError {
        SeccompError::Rule {
            call: call.to_owned(),
            reason: reason.into(),
        }
    }

    fn no_argument(call: &str, index: usize) -> SeccompError {
        SeccompError::rule(call, format!("a call has no argument {index}"))
    }
}

/// The architectures of this machine, in the OCI's words: calls of no other can happen.
#[must_use]
pub fn architectures() -> Vec<String> {
    abi::Abi::all().map(|abi| abi.name.to_string()).collect()
}

/// Compile the engine's profile and, where given, our allow-list.
///
/// # Errors
/// A rule is not valid, or the program is too long.
pub fn compile(
    engine: Option<&LinuxSeccomp>,
    agent: Option<&Profile>,
) -> Result<Filters, SeccompError> {
    let mut filters = Filters::default();
    // Ours first: it allows seccomp(2), which an engine's profile need not, and each program is loaded under those before.
    if let Some(profile) = agent {
        filters.add(&agent::rules(profile)?, 0)?;
    }
    if let Some(profile) = engine {
        let beside = if agent.is_some() {
            oci::Beside::Agent
        } else {
            oci::Beside::Nothing
        };
        filters.add(&oci::rules(profile, beside)?, oci::flags(profile))?;
    }
    Ok(filters)
}

impl Filters {
    fn add(&mut self, rules: &rules::Rules<'_>, flags: u64) -> Result<(), SeccompError> {
        let (doors, skipped) = table::doors(rules);
        let code = assemble::program(&doors, rules.foreign)?;
        self.skipped += skipped;
        self.programs.push(Program { code, flags });
        Ok(())
    }

    /// Whether loading gives a listener, to be handed to the program at the profile's `listenerPath`.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.programs
            .iter()
            .any(|program| program.flags & kernel::FLAG_NEW_LISTENER != 0)
    }

    /// Put every program on this process. The answer is the listener, if there is one: calls wait until it answers, and
    /// fail with `ENOSYS` once it is closed.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn load(&self) -> Result<Option<OwnedFd>, SeccompError> {
        let mut listener = None;
        for program in &self.programs {
            let made = kernel::load(&program.code, program.flags).map_err(SeccompError::Load)?;
            listener = listener.or(made);
        }
        Ok(listener)
    }
}
