//! The program behind a connection. Attribution, not a boundary: a program can be made to act for another.

use crate::policy::NetworkEntry;

/// A program, as the warden found it. Paths are those inside the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// Its executable.
    pub exe: String,
    /// The script that it interprets, as named and as resolved.
    pub scripts: Vec<String>,
    /// Executables and scripts of its ancestors inside the sandbox, the nearest first.
    pub ancestors: Vec<String>,
}

impl Program {
    /// Every path by which a rule may know it.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.exe)
            .chain(&self.scripts)
            .chain(&self.ancestors)
            .map(String::as_str)
    }
}

impl NetworkEntry {
    /// Whether it is for `program`.
    pub(crate) fn is_for(&self, program: Option<&Program>) -> bool {
        if self.binaries.is_empty() {
            return true;
        }
        program.is_some_and(|program| {
            program
                .paths()
                .any(|path| self.binaries.iter().any(|glob| glob.matches(path)))
        })
    }
}
