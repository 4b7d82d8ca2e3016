//! Hashes of programs, and which was the first under each path.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Stat, fstat};
use sha2::{Digest, Sha256};

use super::handle::FileId;
use crate::limits;

/// A file that changed less than this before it was read may change again without another time of change.
const YOUNG: Duration = Duration::from_millis(100);
/// Bytes that are read at once.
const PIECE: usize = 128 * 1024;

/// SHA-256.
pub type Hash = [u8; 32];

/// How a file is told from itself after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    file: FileId,
    size: i64,
    written: (i64, u64),
    changed: (i64, u64),
}

impl From<&Stat> for State {
    fn from(stat: &Stat) -> State {
        State {
            file: FileId::from(stat),
            size: stat.st_size,
            written: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// Why a file has no hash.
#[derive(Debug)]
pub enum NoHash {
    /// Longer than the limit.
    TooLarge,
    /// It cannot be read, or changes while it is.
    Unreadable(io::Error),
}

/// Why a path does not stand for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPin {
    /// Another hash was first.
    Changed,
    /// No room for one more path.
    Full,
}

/// The hashes of one sandbox's programs.
#[derive(Default)]
pub struct Pins {
    first: HashMap<Vec<u8>, Hash>,
    known: HashMap<State, Hash>,
}

impl Pins {
    /// The hash of `file`, read once as long as it does not change.
    ///
    /// # Errors
    /// It has more than `limit` bytes, or cannot be read.
    pub fn hash(&mut self, file: &File, limit: u64) -> Result<Hash, NoHash> {
        let state = State::from(&fstat(file).map_err(unreadable)?);
        if let Some(known) = self.known.get(&state) {
            return Ok(*known);
        }
        if u64::try_from(state.size).is_ok_and(|size| size > limit) {
            return Err(NoHash::TooLarge);
        }
        let begin = SystemTime::now();
        let hash = read(file, state.size.unsigned_abs()).map_err(NoHash::Unreadable)?;
        if State::from(&fstat(file).map_err(unreadable)?) != state {
            let torn = "it changes while it is read";
            return Err(NoHash::Unreadable(io::Error::other(torn)));
        }
        if old(state.changed, begin) {
            if self.known.len() >= limits::PROGRAM_PINS {
                self.known.clear();
            }
            self.known.insert(state, hash);
        }
        Ok(hash)
    }

    /// Whether `hash` is the first that was seen under `key`; it is when there was none.
    ///
    /// # Errors
    /// It is not, or there is no room for one more path.
    pub fn pin(&mut self, key: Vec<u8>, hash: Hash) -> Result<(), NoPin> {
        match self.first.get(&key) {
            Some(first) if *first == hash => Ok(()),
            Some(_) => Err(NoPin::Changed),
            None if self.first.len() >= limits::PROGRAM_PINS => Err(NoPin::Full),
            None => {
                self.first.insert(key, hash);
                Ok(())
            }
        }
    }

    /// The first hash that was seen under `key`.
    #[must_use]
    pub fn first(&self, key: &[u8]) -> Option<Hash> {
        self.first.get(key).copied()
    }
}

/// A path for people and rules. Bytes that are no UTF-8 become U+FFFD, which no rule names.
#[must_use]
pub fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// A hash in hexadecimal digits.
#[must_use]
pub fn digits(hash: &Hash) -> String {
    hash.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // A string takes whatever is written into it.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unreadable(errno: rustix::io::Errno) -> NoHash {
    NoHash::Unreadable(errno.into())
}

fn read(file: &File, size: u64) -> io::Result<Hash> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    // One byte more than it has, so that one which grows meanwhile does not go on for ever.
    let mut rest = file.take(size.saturating_add(1));
    loop {
        match rest.read(&mut piece)? {
            0 => return Ok(hasher.finalize().into()),
            length => hasher.update(&piece[..length]),
        }
    }
}

fn old((seconds, nanoseconds): (i64, u64), now: SystemTime) -> bool {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let changed = Duration::from_secs(seconds.unsigned_abs()) + Duration::from_nanos(nanoseconds);
    changed + YOUNG < now
}
