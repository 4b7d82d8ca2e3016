//! The system-call allow-list as data: `seccomp/agent.json`, with a reason per entry.

use serde::Deserialize;

/// The file's whole content.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What a call outside every entry gets, an errno name: `EPERM`.
    pub default_errno: String,
    /// The entries, in file order.
    pub syscalls: Vec<Entry>,
    /// Calls that stand in no entry, with the reason. It changes nothing: they get `default_errno` as every call that
    /// the file does not know. It is there so that no call is left out by oversight, which a test holds.
    #[serde(default)]
    pub refused: Vec<Refusal>,
}

/// Some calls that are left out, and why.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Kernel names on x86-64.
    pub names: Vec<String>,
    /// Why they are not needed, or not harmless.
    pub why: String,
}

/// Some calls, what happens to them, and why.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Kernel names on x86-64.
    pub names: Vec<String>,
    /// What happens.
    pub action: Action,
    /// For `errno`: the errno's name.
    #[serde(default)]
    pub errno: Option<String>,
    /// All must hold for the entry to match; several entries of one call are alternatives.
    #[serde(default)]
    pub args: Vec<Condition>,
    /// Why it stands here.
    pub why: String,
}

/// `allow` or `errno`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The call is made.
    Allow,
    /// The call fails with the entry's errno; this beats every `allow`.
    Errno,
}

/// A test of one argument.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Argument, 0..=5.
    pub index: u8,
    /// How many bits are compared.
    pub width: Width,
    /// Comparison.
    pub op: Op,
    /// Right-hand side.
    pub value: u64,
    /// For `masked_eq`: the mask put on the argument first.
    #[serde(default)]
    pub mask: Option<u64>,
}

/// 32 or 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// Low 32 bits.
    Dword,
    /// All 64 bits.
    Qword,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// `argument & mask == value`.
    MaskedEq,
}

/// The shipped agent profile.
///
/// # Errors
/// Only if the file that was compiled in is broken, which a test of this crate rules out.
pub fn try_agent() -> Result<Profile, serde_json::Error> {
    serde_json::from_str(include_str!("../seccomp/agent.json"))
}

/// The shipped agent profile. Were the compiled-in file ever broken, the profile would allow nothing at all.
pub fn agent() -> Profile {
    try_agent().unwrap_or_else(|_| Profile {
        default_errno: "EPERM".into(),
        syscalls: Vec::new(),
        refused: Vec::new(),
    })
}
