//! The lines of several files as one row, with a look at the line that comes next.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Place, VerifyError};
use crate::audit::chain::{Hash, Link};
use crate::audit::record::Record;

/// The longest line that is read; the router writes none that long.
const LONGEST: u64 = 1024 * 1024;

/// A line.
pub struct Seen {
    /// Where it stands.
    pub place: Place,
    /// What it says; `None` where that is no record.
    pub record: Option<Record>,
    /// Its hash.
    pub hash: Hash,
    /// It has no end.
    pub torn: bool,
}

impl Seen {
    /// Where it says that it stands.
    pub fn link(&self) -> Option<Link> {
        self.record.as_ref().map(|record| record.link)
    }
}

/// The row.
pub struct Lines<'a> {
    files: std::slice::Iter<'a, PathBuf>,
    open: Option<(&'a Path, BufReader<File>, u64)>,
    peeked: Option<Seen>,
}

impl<'a> Lines<'a> {
    /// Of `files`, in their order.
    pub fn new(files: &'a [PathBuf]) -> Lines<'a> {
        Lines {
            files: files.iter(),
            open: None,
            peeked: None,
        }
    }

    /// The next line.
    pub fn next(&mut self) -> Result<Option<Seen>, VerifyError> {
        match self.peeked.take() {
            Some(seen) => Ok(Some(seen)),
            None => self.read(),
        }
    }

    /// A look at the line that [`Lines::next`] will give.
    pub fn peek(&mut self) -> Result<Option<&Seen>, VerifyError> {
        if self.peeked.is_none() {
            self.peeked = self.read()?;
        }
        Ok(self.peeked.as_ref())
    }

    fn read(&mut self) -> Result<Option<Seen>, VerifyError> {
        loop {
            let Some((path, reader, number)) = &mut self.open else {
                let Some(path) = self.files.next() else {
                    return Ok(None);
                };
                let file = File::open(path).map_err(|source| failed(path, source))?;
                self.open = Some((path, BufReader::new(file), 0));
                continue;
            };
            let mut bytes = Vec::new();
            reader
                .take(LONGEST)
                .read_until(b'\n', &mut bytes)
                .map_err(|source| failed(path, source))?;
            if bytes.is_empty() {
                self.open = None;
                continue;
            }
            *number += 1;
            let place = Place {
                file: path.to_path_buf(),
                line: *number,
            };
            // A line without an end was cut, or is being written.
            let whole = bytes.strip_suffix(b"\n");
            let text = whole.and_then(|line| std::str::from_utf8(line).ok());
            return Ok(Some(Seen {
                place,
                record: text.and_then(|text| Record::parse(text).ok()),
                hash: Hash::of(whole.unwrap_or(&bytes)),
                torn: whole.is_none(),
            }));
        }
    }
}

fn failed(path: &Path, source: std::io::Error) -> VerifyError {
    VerifyError::Read {
        path: path.to_path_buf(),
        source,
    }
}
