//! A session: a sandbox's life, as the Privacy Router sees it.

use nemoclaw_policy::Class;

use super::{MintError, Vault};

/// The label of all that a sandbox has sent, and its pseudonyms. A clone is the same session.
#[derive(Clone)]
pub struct Session {
    vault: Vault,
}

impl Session {
    /// The session of a vault, which records the label with its entries.
    #[must_use]
    pub fn new(vault: Vault) -> Session {
        Session { vault }
    }

    /// Its pseudonyms.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The highest class that was ever found in what the sandbox sent. It never sinks: what a model was told once is in
    /// every later answer's reach.
    #[must_use]
    pub fn label(&self) -> Class {
        self.vault.read().label()
    }

    /// Raises the label to at least `class`.
    ///
    /// # Errors
    ///
    /// When the session's record cannot be written. The label is raised all the same; a request that this stands in front
    /// of must not be sent, since a crash would forget why.
    pub fn raise(&self, class: Class) -> Result<(), MintError> {
        self.vault.write().raise(class)
    }
}
