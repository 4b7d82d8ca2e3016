//! What a vault holds.

use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;

use nemoclaw_policy::Class;
use zeroize::Zeroizing;

use super::key::ValueDigest;
use super::{MAX_BYTES, MAX_ENTRIES, MAX_VALUE, MintError, SessionKey, journal};
use crate::finding::Detector;
use crate::pseudonym::{self, Code, Kind};

/// How many codes are tried for a value. With a full vault one try in 2^23 meets a code in use.
const ATTEMPTS: u8 = 8;

/// A pseudonym and its value.
struct Entry {
    kind: Kind,
    code: Code,
    detector: Detector,
    value: Zeroizing<Box<str>>,
}

/// Where additions are recorded.
enum Journal {
    None,
    Open(Box<dyn Write + Send + Sync>),
    Broken,
}

/// The entries with the ways to them, and the session's label, which is recorded with them.
pub(crate) struct Store {
    key: SessionKey,
    entries: Vec<Entry>,
    by_value: HashMap<ValueDigest, usize>,
    by_code: HashMap<Code, usize>,
    kinds: Vec<Kind>,
    bytes: usize,
    label: Class,
    journal: Journal,
}

/// A pseudonym in a text.
pub(crate) struct Live<'v> {
    /// How long it is.
    pub(crate) length: usize,
    /// What it stands for.
    pub(crate) value: &'v str,
}

impl Store {
    pub(super) fn new(key: SessionKey) -> Store {
        Store {
            key,
            entries: Vec::new(),
            by_value: HashMap::new(),
            by_code: HashMap::new(),
            kinds: Vec::new(),
            bytes: 0,
            label: Class::default(),
            journal: Journal::None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn key(&self) -> &SessionKey {
        &self.key
    }

    pub(super) fn label(&self) -> Class {
        self.label
    }

    /// The label that a record tells of.
    pub(super) fn set_label(&mut self, class: Class) {
        self.label = self.label.max(class);
    }

    /// The kinds of the pseudonyms that it holds.
    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The pseudonym that `text` begins with.
    pub(crate) fn live(&self, text: &[u8]) -> Option<Live<'_>> {
        let shape = pseudonym::shape(text)?;
        let entry = &self.entries[*self.by_code.get(&shape.code)?];
        let length = shape.is(entry.kind)?;
        Some(Live {
            length,
            value: &entry.value,
        })
    }

    /// Where the vault's pseudonyms stand in a text.
    pub(crate) fn own(&self, text: &str) -> Vec<Range<usize>> {
        let mut own = Vec::new();
        if self.entries.is_empty() {
            return own;
        }
        let (bytes, mut from) = (text.as_bytes(), 0);
        while let Some(at) = pseudonym::next(&bytes[from..]) {
            let start = from + at;
            let length = self.live(&bytes[start..]).map(|live| live.length);
            from = start + length.unwrap_or(1);
            own.extend(length.map(|_| start..from));
        }
        own
    }

    pub(super) fn pseudonym(
        &mut self,
        detector: &Detector,
        value: &str,
        taken: &[Code],
    ) -> Result<String, MintError> {
        let digest = self.key.value(detector, value);
        let at = match self.by_value.get(&digest) {
            Some(at) => *at,
            None => self.mint(detector, value, digest, taken)?,
        };
        let mut text = String::new();
        pseudonym::write(self.entries[at].kind, self.entries[at].code, &mut text);
        Ok(text)
    }

    fn mint(
        &mut self,
        detector: &Detector,
        value: &str,
        digest: ValueDigest,
        taken: &[Code],
    ) -> Result<usize, MintError> {
        let named = || detector.name().to_owned();
        if value.len() > MAX_VALUE {
            return Err(MintError::TooLong { detector: named() });
        }
        if self.entries.len() >= MAX_ENTRIES {
            return Err(MintError::TooMany);
        }
        if self.bytes + value.len() > MAX_BYTES {
            return Err(MintError::TooMuch);
        }
        let code = (0..ATTEMPTS)
            .map(|attempt| self.key.code(digest, attempt))
            .find(|code| !self.by_code.contains_key(code) && taken.binary_search(code).is_err())
            .ok_or_else(|| MintError::NoneFree { detector: named() })?;
        self.record(&journal::entry(detector, code, value))?;
        Ok(self.add(detector.clone(), code, value))
    }

    /// Takes an entry in, of a record or just minted; where the value has one already, that one stays.
    pub(super) fn add(&mut self, detector: Detector, code: Code, value: &str) -> usize {
        let digest = self.key.value(&detector, value);
        if let Some(at) = self.by_value.get(&digest) {
            return *at;
        }
        let (at, kind) = (self.entries.len(), Kind::of(&detector));
        self.by_value.insert(digest, at);
        self.by_code.insert(code, at);
        self.bytes += value.len();
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        self.entries.push(Entry {
            kind,
            code,
            detector,
            value: Zeroizing::new(value.into()),
        });
        at
    }

    /// Raises the label once that is recorded; a lower class changes nothing.
    pub(super) fn raise(&mut self, class: Class) -> Result<(), MintError> {
        if class <= self.label {
            return Ok(());
        }
        self.record(&journal::label(class))?;
        self.label = class;
        Ok(())
    }

    pub(super) fn record_in(
        &mut self,
        mut journal: Box<dyn Write + Send + Sync>,
    ) -> io::Result<()> {
        journal.write_all(&journal::head(&self.key))?;
        journal.write_all(&journal::seal(&self.key, &journal::label(self.label)))?;
        for entry in &self.entries {
            let record = journal::entry(&entry.detector, entry.code, &entry.value);
            journal.write_all(&journal::seal(&self.key, &record))?;
        }
        self.append_to(journal);
        Ok(())
    }

    pub(super) fn append_to(&mut self, journal: Box<dyn Write + Send + Sync>) {
        self.journal = Journal::Open(journal);
    }

    /// One that was written in part would hide all that follows it, so after a failure nothing more is written.
    fn record(&mut self, record: &[u8]) -> Result<(), MintError> {
        let journal = match &mut self.journal {
            Journal::None => return Ok(()),
            Journal::Broken => return Err(MintError::JournalBroken),
            Journal::Open(journal) => journal,
        };
        let written = journal.write_all(&journal::seal(&self.key, record));
        written.map_err(|error| {
            self.journal = Journal::Broken;
            MintError::Journal(error)
        })
    }
}
