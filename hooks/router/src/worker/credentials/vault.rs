//! The node's provider entries with their secrets, swapped whole when the operator changes them.

use std::collections::{BTreeMap, HashMap};

use nemoclaw_policy::Source;
use nemoclaw_policy::provider::{Provider, Providers};

use crate::secret::Secret;

/// Entries and secrets.
#[derive(Default)]
pub struct Vault {
    providers: Providers,
    /// Indices of entries, by the variables whose placeholders stand for them.
    keys: HashMap<String, usize>,
    secrets: BTreeMap<String, Secret>,
}

impl Vault {
    /// What the text says, with the secrets that could be read.
    ///
    /// # Errors
    /// A fault in the text.
    pub fn new(name: &str, text: &str, secrets: BTreeMap<String, Secret>) -> Result<Vault, String> {
        let providers =
            Providers::parse(&Source::text(name, text)).map_err(|fault| fault.one_line())?;
        let keys = providers
            .entries
            .iter()
            .enumerate()
            .flat_map(|(index, entry)| entry.env.iter().map(move |key| (key.clone(), index)))
            .collect();
        Ok(Vault {
            providers,
            keys,
            secrets,
        })
    }

    /// The entries.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// The entry of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<(&Provider, Option<&Secret>)> {
        let entry = self.providers.named(name)?;
        Some((entry, self.secrets.get(&*entry.name)))
    }

    /// The entry whose placeholder has this key.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<(&Provider, Option<&Secret>)> {
        let entry = self.providers.entries.get(*self.keys.get(key)?)?;
        Some((entry, self.secrets.get(&*entry.name)))
    }
}
