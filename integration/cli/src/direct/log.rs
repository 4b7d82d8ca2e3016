//! The log of a detached sandbox: one JSON line per piece of output, bounded by rotation.
//!
//! Pieces are not lines: their texts joined give the output exactly (bytes that are no UTF-8 are replaced).

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file grows to this many bytes, then it becomes the older one; so a sandbox fills twice this at most.
const LARGEST: u64 = 10 * 1024 * 1024;
/// The current file.
pub const CURRENT: &str = "log";
/// The older file.
pub const OLDER: &str = "log.1";

/// Where a piece came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The terminal, which joins both.
    Terminal,
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// RFC 3339, UTC.
    pub time: String,
    /// Where it came from.
    pub stream: Stream,
    /// What was printed.
    pub text: String,
}

/// The writer.
#[derive(Debug)]
pub struct Log {
    directory: PathBuf,
    file: File,
    size: u64,
    largest: u64,
    /// The beginning of a character whose rest has not come yet.
    rests: Vec<(Stream, Vec<u8>)>,
}

impl Log {
    /// Open or go on.
    pub fn open(directory: &Path) -> anyhow::Result<Self> {
        Self::bounded(directory, LARGEST)
    }

    fn bounded(directory: &Path, largest: u64) -> anyhow::Result<Self> {
        let file = open(&directory.join(CURRENT))?;
        let size = file.metadata()?.len();
        Ok(Self {
            directory: directory.to_owned(),
            file,
            size,
            largest,
            rests: Vec::new(),
        })
    }

    /// Write what was printed.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) -> anyhow::Result<()> {
        let mut whole = self.take_rest(stream);
        whole.extend_from_slice(bytes);
        let end = complete(&whole);
        if end < whole.len() {
            self.rests.push((stream, whole.split_off(end)));
        }
        self.piece(stream, &whole)
    }

    /// Write beginnings of characters that were left.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        for (stream, rest) in std::mem::take(&mut self.rests) {
            self.piece(stream, &rest)?;
        }
        Ok(())
    }

    fn take_rest(&mut self, stream: Stream) -> Vec<u8> {
        let place = self.rests.iter().position(|(one, _)| *one == stream);
        place
            .map(|place| self.rests.swap_remove(place).1)
            .unwrap_or_default()
    }

    fn piece(&mut self, stream: Stream, bytes: &[u8]) -> anyhow::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let time = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
            .to_string();
        let piece = Piece {
            time,
            stream,
            text: String::from_utf8_lossy(bytes).into_owned(),
        };
        let mut line = serde_json::to_vec(&piece)?;
        line.push(b'\n');
        let length = u64::try_from(line.len())?;
        if self.size > 0 && self.size + length > self.largest {
            std::fs::rename(self.directory.join(CURRENT), self.directory.join(OLDER))?;
            self.file = open(&self.directory.join(CURRENT))?;
            self.size = 0;
        }
        self.file.write_all(&line)?;
        self.size += length;
        Ok(())
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// How many bytes can be read as text now: all but the beginning of a character at the end.
fn complete(bytes: &[u8]) -> usize {
    let start = bytes.len().saturating_sub(3);
    (start..bytes.len())
        .find(|&at| {
            let error = std::str::from_utf8(&bytes[at..]).err();
            error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(directory: &Path, file: &str) -> String {
        let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str::<Piece>(line).unwrap().text)
            .collect()
    }

    #[test]
    fn pieces_join_to_the_output_even_when_a_character_is_cut() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::open(directory.path()).unwrap();
        let output = "grün €\n".as_bytes();
        for byte in output {
            log.write(Stream::Stdout, &[*byte]).unwrap();
        }
        log.write(Stream::Stderr, b"\xff").unwrap();
        log.write(Stream::Stderr, b"\xe2").unwrap();
        log.finish().unwrap();
        assert_eq!(texts(directory.path(), CURRENT), "grün €\n\u{fffd}\u{fffd}");
    }

    #[test]
    fn the_log_never_outgrows_its_two_files() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::bounded(directory.path(), 1000).unwrap();
        for number in 0..200 {
            log.write(Stream::Stdout, format!("line {number}\n").as_bytes())
                .unwrap();
        }
        for file in [CURRENT, OLDER] {
            let size = std::fs::metadata(directory.path().join(file))
                .unwrap()
                .len();
            assert!(size <= 1000, "{file}: {size}");
        }
        assert!(texts(directory.path(), CURRENT).ends_with("line 199\n"));
    }
}
