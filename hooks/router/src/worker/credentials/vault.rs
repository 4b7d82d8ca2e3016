//! The node's provider entries with their secrets, swapped whole when the operator changes them.

use std::collections::{BTreeMap, HashMap};

use nemoclaw_policy::Source;
use nemoclaw_policy::provider::{Provider, Providers};

use crate::secret::Secret;

/// Entries and secrets.
#[derive(Default)]
pub struct Vault {
    entries: Vec<(Provider, Option<Secret>)>,
    keys: HashMap<String, usize>,
}

impl Vault {
    /// What the text says, with the secrets that could be read.
    ///
    /// # Errors
    /// A fault in the text.
    pub fn new(
        name: &str,
        text: &str,
        mut secrets: BTreeMap<String, Secret>,
    ) -> Result<Vault, String> {
        let providers =
            Providers::parse(&Source::text(name, text)).map_err(|fault| fault.one_line())?;
        let mut vault = Vault::default();
        for (index, entry) in providers.entries.into_iter().enumerate() {
            let keys = entry.env.iter().map(|key| (key.clone(), index));
            vault.keys.extend(keys);
            let secret = secrets.remove(&*entry.name);
            vault.entries.push((entry, secret));
        }
        Ok(vault)
    }

    /// The entry whose placeholder has this key.
    #[must_use]
    pub fn of_key(&self, key: &str) -> Option<(&Provider, Option<&Secret>)> {
        let (entry, secret) = self.entries.get(*self.keys.get(key)?)?;
        Some((entry, secret.as_ref()))
    }
}
