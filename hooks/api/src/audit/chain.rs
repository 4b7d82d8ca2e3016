//! How records of the audit log hang together: each names the hash of the line before it, and now and then the key of
//! the warden signs how far the chain has come.

use std::fmt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// The word before a public key in its file.
const KEY_WORD: &str = "ed25519";
/// What a signature of ours begins with, so that it can mean nothing else.
const DOMAIN: &str = "nemoclaw audit head v1";

/// A SHA-256 sum, hexadecimal in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first record follows.
    pub const NONE: Hash = Hash([0; 32]);

    /// The sum of a line without its line feed.
    #[must_use]
    pub fn of(line: &[u8]) -> Hash {
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, line).as_ref());
        Hash(sum)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        unhex(&text)
            .map(Hash)
            .ok_or_else(|| serde::de::Error::custom("a hash is 64 lower-case hexadecimal digits"))
    }
}

/// The place that the next record takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number, from 1.
    pub sequence: u64,
    /// The hash of the record before it.
    pub previous: Hash,
}

impl Link {
    /// The place of the first record.
    pub const FIRST: Link = Link {
        sequence: 1,
        previous: Hash::NONE,
    };

    /// The place after a record that stands here as `line`.
    #[must_use]
    pub fn after(self, line: &[u8]) -> Link {
        Link {
            sequence: self.sequence + 1,
            previous: Hash::of(line),
        }
    }

    /// What is signed to vouch for every record before this place.
    #[must_use]
    pub fn signed_text(&self, sandbox: &str, time: &str) -> String {
        let Link { sequence, previous } = self;
        format!("{DOMAIN}\n{sandbox}\n{time}\n{sequence}\n{previous}\n")
    }
}

/// The latest signed place, kept beside the log so that a log which was cut is told from one that ends there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The sandbox.
    pub sandbox: String,
    /// When it was signed.
    pub time: String,
    /// The place of the record that comes next.
    pub next: Link,
    /// Signature of [`Link::signed_text`], hexadecimal.
    pub signature: String,
}

impl Head {
    /// Where the head of `sandbox` lies below the node's `data_dir`.
    #[must_use]
    pub fn path(data_dir: &Path, sandbox: &str) -> PathBuf {
        data_dir.join("audit-heads").join(format!("{sandbox}.json"))
    }
}

/// Public keys that may have signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<[u8; 32]>);

/// A text that holds no public keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is no public key: expected `ed25519` and 64 hexadecimal digits")]
pub struct NoKey(pub usize);

impl Keys {
    /// Where the router keeps its public keys below the node's `data_dir`.
    #[must_use]
    pub fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("audit.pub")
    }

    /// Read a file of [`Keys::line`]s.
    ///
    /// # Errors
    /// A line is something else.
    pub fn parse(text: &str) -> Result<Keys, NoKey> {
        let key = |(index, line): (usize, &str)| {
            let (word, number) = line.split_once(' ').ok_or(NoKey(index + 1))?;
            let key = unhex(number.trim()).filter(|_| word == KEY_WORD);
            key.ok_or(NoKey(index + 1))
        };
        text.lines()
            .enumerate()
            .map(key)
            .collect::<Result<_, _>>()
            .map(Keys)
    }

    /// One key as it stands in the file.
    #[must_use]
    pub fn line(key: &[u8]) -> String {
        format!("{KEY_WORD} {}\n", hex(key))
    }

    /// Whether one of them signed `text`.
    #[must_use]
    pub fn verify(&self, text: &str, signature: &str) -> bool {
        let Some(signature) = unhex::<64>(signature) else {
            return false;
        };
        let signed = |key: &[u8; 32]| {
            let key = UnparsedPublicKey::new(&ED25519, key);
            key.verify(text.as_bytes(), &signature).is_ok()
        };
        self.0.iter().any(signed)
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The bytes of lower-case hexadecimal: one text for one value, so that no digit can change unseen.
fn unhex<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != LENGTH * 2 {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    #[test]
    fn a_signature_holds_for_its_text_and_key_alone() {
        let pair = |seed: u8| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("key");
        let (own, other) = (pair(1), pair(2));
        let text = Link::FIRST.signed_text("a", "t");
        let signature = hex(own.sign(text.as_bytes()).as_ref());
        let lines = |pairs: &[&Ed25519KeyPair]| {
            let lines = pairs
                .iter()
                .map(|pair| Keys::line(pair.public_key().as_ref()));
            Keys::parse(&lines.collect::<String>()).expect("keys")
        };
        assert!(lines(&[&other, &own]).verify(&text, &signature));
        assert!(!lines(&[&other]).verify(&text, &signature));
        assert!(!lines(&[&own]).verify(&Link::FIRST.signed_text("b", "t"), &signature));
        assert!(!lines(&[&own]).verify(&text, &signature.to_uppercase()));
        assert_eq!(Keys::parse("ed25519 00\n"), Err(NoKey(1)));
    }
}
