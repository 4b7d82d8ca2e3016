//! System-call filters: the engine's profile and our allow-list, compiled once at create and stacked on every process.
//!
//! One BPF program can only give one answer besides its default, so a profile becomes several programs; the kernel takes
//! the strictest answer of all. The compiled programs are stored, so exec loads the very bytes that init got.

mod agent;
mod compile;
mod oci;

use oci_spec::runtime::LinuxSeccomp;
use nemoclaw_policy::seccomp::Profile;
use nix::errno::Errno;
use seccompiler::sock_filter;
use serde::{Deserialize, Serialize};

/// All programs of a box, in the order in which they are loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// The programs.
    pub programs: Vec<Program>,
    /// Names in the profiles that this kernel's architecture does not have.
    pub skipped: usize,
}

/// One compiled program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The instructions as hexadecimal: code, jt, jf, k of each in turn, big end first.
    pub code: String,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u64,
}

/// Why a profile cannot be turned into filters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeccompError {
    /// Notify actions.
    #[error(
        "the seccomp profile asks for SCMP_ACT_NOTIFY, which is not supported yet (issue 2): remove that action from the profile"
    )]
    Notify,
    /// A rule that means nothing.
    #[error("the seccomp profile's rule for `{call}` is not valid: {reason}")]
    Rule {
        /// The system call.
        call: String,
        /// What is wrong.
        reason: String,
    },
    /// The compiler refused.
    #[error("cannot compile the seccomp profile")]
    Compile(#[source] seccompiler::BackendError),
    /// Too long for the kernel.
    #[error("the seccomp profile compiles to {0} instructions, and the kernel takes 4096")]
    TooLong(usize),
    /// Stored bytes are damaged.
    #[error("the stored seccomp filter is damaged")]
    Damaged,
    /// The kernel refused.
    #[error("the kernel refused the seccomp filter")]
    Load(#[source] Errno),
}

/// Compile the engine's profile and, where given, our allow-list.
///
/// # Errors
/// A rule is not valid, or asks for what is not supported.
pub fn compile(
    engine: Option<&LinuxSeccomp>,
    agent: Option<&Profile>,
) -> Result<Filters, SeccompError> {
    let mut filters = Filters::default();
    if engine.is_none() && agent.is_none() {
        return Ok(filters);
    }
    filters
        .programs
        .push(Program::new(&compile::foreign_calls_guard(), 0));
    // Ours first: it allows seccomp(2), which an engine's profile need not, and each program is loaded under those before.
    if let Some(profile) = agent {
        let rules = agent::rules(profile)?;
        filters.skipped += rules.skipped;
        filters.programs.extend(
            compile::programs(rules)?
                .iter()
                .map(|code| Program::new(code, 0)),
        );
    }
    if let Some(profile) = engine {
        let rules = oci::rules(profile)?;
        filters.skipped += rules.skipped;
        let flags = oci::flags(profile);
        filters.programs.extend(
            compile::programs(rules)?
                .iter()
                .map(|code| Program::new(code, flags)),
        );
    }
    Ok(filters)
}

impl Filters {
    /// Put every program on this process.
    ///
    /// # Errors
    /// Stored bytes are damaged, or the kernel refuses.
    pub fn load(&self) -> Result<Option<std::os::fd::OwnedFd>, SeccompError> {
        let decoded = self
            .programs
            .iter()
            .map(|program| program.decode().map(|code| (code, program.flags)));
        // All are decoded before the first is loaded: afterwards every call is filtered.
        for (code, flags) in decoded.collect::<Result<Vec<_>, _>>()? {
            crate::sys::seccomp::load(&code, flags).map_err(SeccompError::Load)?;
        }
        Ok(None)
    }

    /// Whether a program notifies a listener.
    #[must_use]
    pub fn listens(&self) -> bool {
        false
    }
}

impl Program {
    fn new(code: &[sock_filter], flags: u64) -> Program {
        let code = code
            .iter()
            .map(|i| format!("{:04x}{:02x}{:02x}{:08x}", i.code, i.jt, i.jf, i.k))
            .collect();
        Program { code, flags }
    }

    fn decode(&self) -> Result<Vec<sock_filter>, SeccompError> {
        let bytes = self.code.as_bytes();
        if bytes.is_empty() || !bytes.len().is_multiple_of(16) {
            return Err(SeccompError::Damaged);
        }
        bytes
            .chunks_exact(16)
            .map(instruction)
            .collect::<Option<Vec<_>>>()
            .ok_or(SeccompError::Damaged)
    }
}

fn instruction(hex: &[u8]) -> Option<sock_filter> {
    let word = u64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
    let [code_high, code_low, jt, jf, k @ ..] = word.to_be_bytes();
    Some(sock_filter {
        code: u16::from_be_bytes([code_high, code_low]),
        jt,
        jf,
        k: u32::from_be_bytes(k),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_programs_decode_to_what_was_compiled() {
        let code = compile::foreign_calls_guard();
        assert_eq!(Program::new(&code, 0).decode().expect("valid"), code);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        for code in ["", "00", "zz00000000000000"] {
            let program = Program {
                code: code.to_owned(),
                flags: 0,
            };
            assert!(matches!(program.decode(), Err(SeccompError::Damaged)));
        }
    }

    #[test]
    fn no_profile_means_no_filter() {
        assert_eq!(
            compile(None, None).expect("nothing to do"),
            Filters::default()
        );
    }
}
