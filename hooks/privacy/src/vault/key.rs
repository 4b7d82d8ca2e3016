//! The key of a session, and the digests under it.

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::finding::Detector;
use crate::pseudonym::Code;

/// Bytes of a key.
pub(super) const LENGTH: usize = 32;

/// The secret of one session: without it no pseudonym can be computed from a value. It has no `Debug`.
pub struct SessionKey {
    bytes: Zeroizing<[u8; LENGTH]>,
    mac: hmac::Key,
}

/// What a digest is for: two purposes never share one.
#[derive(Clone, Copy)]
enum Purpose {
    Value = 0,
    Code = 1,
    Record = 2,
}

/// A value under the key, with who found it: what the vault looks values up by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ValueDigest([u8; 16]);

impl SessionKey {
    /// A key that nobody has.
    ///
    /// # Errors
    ///
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<SessionKey, ring::error::Unspecified> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        SystemRandom::new().fill(bytes.as_mut())?;
        Ok(SessionKey::new(bytes))
    }

    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; LENGTH]>) -> SessionKey {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, bytes.as_ref());
        SessionKey { bytes, mac }
    }

    pub(super) fn bytes(&self) -> &[u8; LENGTH] {
        &self.bytes
    }

    pub(super) fn value(&self, detector: &Detector, value: &str) -> ValueDigest {
        let (own, name) = match detector {
            Detector::BuiltIn(known) => (0, known.name),
            Detector::Own(name) => (1, &**name),
        };
        let length = (name.len() as u64).to_be_bytes();
        let whole = self.digest(
            Purpose::Value,
            &[&[own], &length, name.as_bytes(), value.as_bytes()],
        );
        ValueDigest(first(&whole))
    }

    pub(super) fn code(&self, of: ValueDigest, attempt: u8) -> Code {
        let whole = self.digest(Purpose::Code, &[&[attempt], &of.0]);
        Code::new(u64::from_be_bytes(first(&whole)))
    }

    pub(super) fn seal(&self, record: &[u8]) -> [u8; 8] {
        first(&self.digest(Purpose::Record, &[record]))
    }

    fn digest(&self, purpose: Purpose, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(&[purpose as u8]);
        for part in parts {
            context.update(part);
        }
        context.sign()
    }
}

/// The first bytes of a digest, which has 32.
fn first<const N: usize>(digest: &hmac::Tag) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest.as_ref()[..N]);
    bytes
}
