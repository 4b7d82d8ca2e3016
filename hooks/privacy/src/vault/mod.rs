//! The vault of a session: which pseudonym stands for which value.
//!
//! It lives in memory only, and what it held is overwritten when it goes. The same value of the same detector has one
//! pseudonym for as long as the session lives (histories are sent again and again, and a model's reasoning must not see
//! two persons in one). Pseudonyms come from a keyed digest, so a provider cannot try values out; and should the vault be
//! lost, the same value gets the same pseudonym again.
//!
//! Values are kept letter by letter: `Ann@x.org` and `ann@x.org` are two, since each must come back as it was.
//!
//! A vault is bounded, because what fills it is the box's own text. Full, it refuses, and the caller withholds the request.

mod error;
mod journal;
mod key;
mod session;
mod store;

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub use error::{LoadError, MintError};
pub use key::SessionKey;
pub use session::Session;
pub(crate) use store::Store;

use crate::finding::{Detector, Finding};
use crate::pseudonym::Code;

/// Values of one session. A mailbox of addresses fits; what does not is a table that should be read another way.
pub const MAX_ENTRIES: usize = 32 * 1024;
/// Bytes of all values of one session.
pub const MAX_BYTES: usize = 4 << 20;
/// Bytes of one value: a passage of a document is longer than any name or number, but a whole document is no value.
pub const MAX_VALUE: usize = 16 << 10;

/// The pseudonyms of a session with their values. A clone is the same vault.
#[derive(Clone)]
pub struct Vault(Arc<RwLock<Store>>);

impl Vault {
    /// An empty one.
    #[must_use]
    pub fn new(key: SessionKey) -> Vault {
        Vault(Arc::new(RwLock::new(Store::new(key))))
    }

    /// The one that a journal tells of, and how many bytes of the journal are whole; what follows them is torn, and
    /// whoever goes on writing cuts it off.
    ///
    /// # Errors
    ///
    /// When not even the journal's head can be read.
    pub fn load(journal: &[u8]) -> Result<(Vault, usize), LoadError> {
        let (store, whole) = journal::read(journal)?;
        Ok((Vault(Arc::new(RwLock::new(store))), whole))
    }

    /// Writes all that the vault holds, its key too, into `journal`, and from now on what is added, each before it is used.
    ///
    /// # Errors
    ///
    /// When `journal` cannot be written.
    pub fn record_in(&self, journal: impl Write + Send + Sync + 'static) -> io::Result<()> {
        self.write().record_in(Box::new(journal))
    }

    /// From now on writes what is added into `journal`, which already holds the rest (see [`Vault::load`]).
    pub fn append_to(&self, journal: impl Write + Send + Sync + 'static) {
        self.write().append_to(Box::new(journal));
    }

    /// How many values it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether it holds none: then nothing in an answer can be a pseudonym.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The findings that are not this vault's own pseudonyms. Answers with pseudonyms come back in later requests, where
    /// a detector takes `xemail4k7q2m5a@pseudonym.invalid` for somebody's address.
    #[must_use]
    pub fn foreign(&self, text: &str, mut findings: Vec<Finding>) -> Vec<Finding> {
        let own = if findings.is_empty() {
            Vec::new()
        } else {
            self.read().own(text)
        };
        if !own.is_empty() {
            findings.retain(|finding| {
                !own.iter()
                    .any(|own| own.start <= finding.start && finding.end <= own.end)
            });
        }
        findings
    }

    /// The pseudonym for a value, minted if there is none yet; it is none of `taken`, which are sorted.
    pub(crate) fn pseudonym(
        &self,
        detector: &Detector,
        value: &str,
        taken: &[Code],
    ) -> Result<String, MintError> {
        self.write().pseudonym(detector, value, taken)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
