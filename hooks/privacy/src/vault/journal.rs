//! The record of a vault: bytes that the warden keeps in memory for the case that the worker dies.
//!
//! A head with the key, then records: length, body, and a short digest of the body under the key. Reading stops at the
//! first record that is not whole, which is how a torn tail looks, and how zeros behind the end look.

use std::sync::Arc;

use nemoclaw_policy::Class;
use nemoclaw_policy::detector::named;
use zeroize::Zeroizing;

use super::key::LENGTH;
use super::{LoadError, MAX_ENTRIES, SessionKey, Store};
use crate::finding::Detector;
use crate::pseudonym::Code;

/// How a record of pseudonyms begins.
const MAGIC: &[u8; 8] = b"nclvlt1\n";
/// Bytes of a body's digest.
const SEAL: usize = 8;

/// Bytes, overwritten when they go.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// What a body is.
const LABEL: u8 = 1;
const BUILT_IN: u8 = 2;
const OWN: u8 = 3;

pub(super) fn head(key: &SessionKey) -> Bytes {
    let mut head = Zeroizing::new(Vec::with_capacity(MAGIC.len() + LENGTH + SEAL));
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(key.bytes());
    head.extend_from_slice(&key.seal(MAGIC));
    head
}

pub(super) fn label(class: Class) -> Bytes {
    Zeroizing::new(vec![LABEL, class as u8])
}

pub(super) fn entry(detector: &Detector, code: Code, value: &str) -> Bytes {
    let name = detector.name().as_bytes();
    let mut body = Zeroizing::new(Vec::with_capacity(17 + name.len() + value.len()));
    body.push(match detector {
        Detector::BuiltIn(_) => BUILT_IN,
        Detector::Own(_) => OWN,
    });
    body.extend_from_slice(&code.bits().to_be_bytes());
    body.extend_from_slice(&(name.len() as u64).to_be_bytes());
    body.extend_from_slice(name);
    body.extend_from_slice(value.as_bytes());
    body
}

/// A body as it stands in the record.
pub(super) fn seal(key: &SessionKey, body: &[u8]) -> Bytes {
    let mut record = Zeroizing::new(Vec::with_capacity(8 + body.len() + SEAL));
    record.extend_from_slice(&(body.len() as u64).to_be_bytes());
    record.extend_from_slice(body);
    record.extend_from_slice(&key.seal(body));
    record
}

/// The store that a record tells of, and how many of its bytes are whole.
pub(super) fn read(bytes: &[u8]) -> Result<(Store, usize), LoadError> {
    let mut rest = bytes;
    let key = read_head(&mut rest).ok_or(LoadError::Head)?;
    let mut store = Store::new(key);
    let mut whole = bytes.len() - rest.len();
    while let Some(body) = unseal(&mut rest, &store) {
        if store.len() >= MAX_ENTRIES || take_in(body, &mut store).is_none() {
            break;
        }
        whole = bytes.len() - rest.len();
    }
    Ok((store, whole))
}

fn read_head(rest: &mut &[u8]) -> Option<SessionKey> {
    let magic = rest.split_off(..MAGIC.len())?;
    let mut bytes = Zeroizing::new([0; LENGTH]);
    bytes.copy_from_slice(rest.split_off(..LENGTH)?);
    let key = SessionKey::new(bytes);
    let seal = rest.split_off(..SEAL)?;
    (magic == MAGIC && seal == key.seal(magic)).then_some(key)
}

fn unseal<'b>(rest: &mut &'b [u8], store: &Store) -> Option<&'b [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let body = rest.split_off(..length)?;
    let seal = rest.split_off(..SEAL)?;
    (!body.is_empty() && seal == store.key().seal(body)).then_some(body)
}

fn take_in(mut body: &[u8], store: &mut Store) -> Option<()> {
    let kind = *body.split_off_first()?;
    if kind == LABEL {
        let class = Class::ALL.get(usize::from(*body.first()?))?;
        store.set_label(*class);
        return Some(());
    }
    let code = Code::new(number(&mut body)?);
    let length = usize::try_from(number(&mut body)?).ok()?;
    let name = std::str::from_utf8(body.split_off(..length)?).ok()?;
    let value = std::str::from_utf8(body).ok()?;
    let detector = match kind {
        BUILT_IN => Detector::BuiltIn(named(name)?),
        OWN => Detector::Own(Arc::from(name)),
        _ => return None,
    };
    store.add(detector, code, value);
    Some(())
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let bytes = rest.split_off(..8)?;
    bytes.try_into().ok().map(u64::from_be_bytes)
}
