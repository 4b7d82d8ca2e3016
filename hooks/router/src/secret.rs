//! A secret in memory: erased when it is dropped, and with no way to print it.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A credential's text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Take a text over.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Secret {
        Secret(text)
    }

    /// The text, for whoever sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
