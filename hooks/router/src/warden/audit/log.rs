//! One sandbox's audit files: the one that grows, the older ones, and the signed head that is kept apart.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nemoclaw_api::audit::Event;
use nemoclaw_api::audit::chain::{Head, Link};
use nemoclaw_api::audit::record::{Begin, Entry, Record, Resume, event_line, mark_line};

use super::key::Signer;
use super::tail;
use crate::{clock, limits};

/// Where a sandbox's files lie.
#[derive(Debug, Clone)]
pub struct Place {
    sandbox: String,
    directory: PathBuf,
    head: PathBuf,
}

impl Place {
    /// Those of `sandbox` below the node's `data_dir`.
    #[must_use]
    pub fn new(data_dir: &Path, sandbox: &str) -> Place {
        Place {
            sandbox: sandbox.to_owned(),
            directory: data_dir.join("audit"),
            head: Head::path(data_dir, sandbox),
        }
    }

    fn current(&self) -> PathBuf {
        self.directory.join(format!("{}.jsonl", self.sandbox))
    }

    fn older(&self, number: u32) -> PathBuf {
        self.directory
            .join(format!("{}.jsonl.{number}", self.sandbox))
    }

    /// A new file before it takes its place.
    fn draft(&self) -> PathBuf {
        self.directory.join(format!("{}.jsonl.next", self.sandbox))
    }
}

/// Lines that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unwritten {
    #[source]
    error: io::Error,
    /// The lines.
    pub lines: String,
}

impl From<Unwritten> for io::Error {
    fn from(unwritten: Unwritten) -> io::Error {
        unwritten.error
    }
}

/// A sandbox's log.
pub struct Log {
    place: Place,
    file: File,
    size: u64,
    /// Lines that are not written yet.
    held: String,
    /// The place behind what is written.
    written: Link,
    /// The place behind what is held.
    next: Link,
    removed_through: u64,
    unsigned: u64,
    unsigned_since: Option<Instant>,
    /// Nobody writes any more but late flows: it is to be closed when its last records are signed.
    pub closing: bool,
}

impl Log {
    /// Go on where the files end, or begin.
    ///
    /// # Errors
    /// They cannot be read or written.
    pub fn open(place: Place, signer: &Signer) -> io::Result<Log> {
        let removed_through = tidy(&place)?;
        let (file, size) = open(&place.current())?;
        let found = match tail::last_line(&file, size)? {
            Some(line) => Some(line),
            None => older(&place)?,
        };
        let found = found.and_then(|line| follow(&line));
        let head = read_head(&place.head, signer)?;
        let head = head.map(|head| head.next);
        // What is not signed may be more than what is; what is signed is never less than what was.
        let next = [found, head].into_iter().flatten();
        let next = next.max_by_key(|link| (link.sequence, Some(*link) == head));
        let next = next.unwrap_or(Link::FIRST);
        let mut log = Log {
            place,
            file,
            size,
            held: String::new(),
            written: next,
            next,
            removed_through,
            unsigned: 0,
            unsigned_since: None,
            closing: false,
        };
        if size == 0 {
            log.mark(&Entry::Begin(Begin { removed_through }))?;
        }
        if found != head {
            let last = |link: Option<Link>| link.map_or(0, |link| link.sequence - 1);
            log.mark(&Entry::Resume(Resume {
                found: last(found),
                signed: last(head),
            }))?;
        }
        Ok(log)
    }

    /// Take an event; it is written with the next [`Log::write_out`].
    ///
    /// # Errors
    /// It has no form.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        let line = event_line(event, self.next)?;
        self.hold(&line);
        Ok(())
    }

    fn mark(&mut self, entry: &Entry) -> io::Result<()> {
        let line = mark_line(entry, &self.place.sandbox, &clock::now(), self.next)?;
        self.hold(&line);
        Ok(self.write_out()?)
    }

    fn hold(&mut self, line: &str) {
        self.next = self.next.after(line.as_bytes());
        self.held.push_str(line);
        self.held.push('\n');
        self.unsigned += 1;
        self.unsigned_since.get_or_insert_with(Instant::now);
    }

    /// Bytes that are not written yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Whether a single line is not written yet.
    #[must_use]
    pub fn holds_one(&self) -> bool {
        self.next.sequence == self.written.sequence + 1
    }

    /// Write what was taken.
    ///
    /// # Errors
    /// It cannot be written: all of it, or what is behind the last line that could be.
    pub fn write_out(&mut self) -> Result<(), Unwritten> {
        let mut held = std::mem::take(&mut self.held);
        let (count, done) = write_all(&self.file, held.as_bytes());
        let Err(error) = done else {
            self.size += held.len() as u64;
            self.written = self.next;
            return Ok(());
        };
        let whole = held.as_bytes()[..count]
            .iter()
            .rposition(|byte| *byte == b'\n');
        let lines = held.split_off(whole.map_or(0, |at| at + 1));
        for line in held.lines() {
            self.written = self.written.after(line.as_bytes());
        }
        self.next = self.written;
        self.size += held.len() as u64;
        self.unsigned = self.unsigned.saturating_sub(lines.lines().count() as u64);
        if self.unsigned == 0 {
            self.unsigned_since = None;
        }
        // What is left of a torn line would spoil the next one.
        let error = self.file.set_len(self.size).err().unwrap_or(error);
        Err(Unwritten { error, lines })
    }

    /// Whether the file is as large as one may be.
    #[must_use]
    pub fn full(&self, most: u64) -> bool {
        self.size + self.held.len() as u64 >= most
    }

    /// When the records since the last signature are to be signed.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let since = self.unsigned_since?;
        Some(if self.unsigned >= limits::AUDIT_HEAD_RECORDS {
            since
        } else {
            since + limits::AUDIT_HEAD_TIME
        })
    }

    /// Whether the file is still the one under its name.
    #[must_use]
    pub fn in_place(&self) -> bool {
        let own = self.file.metadata().map(|file| (file.dev(), file.ino()));
        let named = std::fs::symlink_metadata(self.place.current());
        match (own, named) {
            (Ok(own), Ok(named)) => own == (named.dev(), named.ino()),
            _ => false,
        }
    }

    /// Sign what was written since the last time. Whether there was something.
    ///
    /// # Errors
    /// The signature cannot be written.
    pub fn sign(&mut self, signer: &Signer) -> io::Result<bool> {
        if self.unsigned == 0 {
            return Ok(false);
        }
        let sandbox = self.place.sandbox.clone();
        let time = clock::now();
        let signed = signer.signed(&sandbox, &time, self.next);
        let line = mark_line(&Entry::Head(signed), &sandbox, &time, self.next)?;
        self.hold(&line);
        self.write_out()?;
        write_head(&self.place.head, &signer.head(&sandbox, &time, self.next))?;
        self.unsigned = 0;
        self.unsigned_since = None;
        Ok(true)
    }

    /// Begin a new file; `keep` older ones stay.
    ///
    /// # Errors
    /// A file cannot be written, renamed or removed.
    pub fn turn(&mut self, signer: &Signer, keep: u32) -> io::Result<()> {
        self.sign(signer)?;
        let surplus: Vec<PathBuf> = (keep..)
            .map(|number| self.place.older(number))
            .take_while(|path| path.exists())
            .collect();
        for path in &surplus {
            let last = tail::last_line_of(path)?.and_then(|line| follow(&line));
            let last = last.map_or(0, |next| next.sequence - 1);
            self.removed_through = self.removed_through.max(last);
        }
        let draft = self.place.draft();
        remove(&draft)?;
        (self.file, self.size) = open(&draft)?;
        self.mark(&Entry::Begin(Begin {
            removed_through: self.removed_through,
        }))?;
        for path in &surplus {
            remove(path)?;
        }
        for number in (1..keep).rev() {
            rename(&self.place.older(number), &self.place.older(number + 1))?;
        }
        rename(&self.place.current(), &self.place.older(1))?;
        rename(&draft, &self.place.current())
    }
}

/// How much could be written, and why not all.
fn write_all(mut file: &File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut count = 0;
    while count < bytes.len() {
        match file.write(&bytes[count..]) {
            Ok(0) => return (count, Err(ErrorKind::WriteZero.into())),
            Ok(written) => count += written,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (count, Err(error)),
        }
    }
    (count, Ok(()))
}

/// What a turn that was interrupted left: the new file takes its place, or is begun anew by the next turn. The last
/// record that was removed, as it says.
fn tidy(place: &Place) -> io::Result<u64> {
    let draft = place.draft();
    if !draft.exists() {
        return Ok(0);
    }
    let begin = tail::last_line_of(&draft)?.and_then(|line| Record::parse(&line).ok());
    let removed_through = match begin.map(|record| record.entry) {
        Some(Entry::Begin(begin)) => begin.removed_through,
        _ => 0,
    };
    if place.current().exists() {
        remove(&draft)?;
    } else {
        rename(&draft, &place.current())?;
    }
    Ok(removed_through)
}

/// The last line of the newest older file.
fn older(place: &Place) -> io::Result<Option<String>> {
    match tail::last_line_of(&place.older(1)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other,
    }
}

/// The place after a line that was read.
fn follow(line: &str) -> Option<Link> {
    let record = Record::parse(line).ok()?;
    Some(record.link.after(line.as_bytes()))
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    let size = tail::heal(&file)?;
    Ok((file, size))
}

/// The head that was kept apart. One that is not ours counts for nothing, and the log shows it.
fn read_head(path: &Path, signer: &Signer) -> io::Result<Option<Head>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let head: Option<Head> = serde_json::from_slice(&text).ok();
    let ours = head.filter(|head| signer.made(head));
    if ours.is_none() {
        crate::warden::log(&format!("`{}` is no head of ours", path.display()));
    }
    Ok(ours)
}

/// Replace it as a whole: a warden that is killed meanwhile leaves the old one.
fn write_head(path: &Path, head: &Head) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&draft)?;
    file.write_all(&serde_json::to_vec(head)?)?;
    std::fs::rename(&draft, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Rename what may not be there.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn of_lines_that_were_written_in_part_the_whole_ones_stay_and_the_chain_goes_on_behind_them() {
        let root = tempfile::tempdir().expect("directory");
        for name in ["audit", "audit-heads"] {
            std::fs::create_dir(root.path().join(name)).expect("directory");
        }
        let signer = Signer::open(root.path()).expect("key");
        let mut log = Log::open(Place::new(root.path(), "box"), &signer).expect("log");
        // A pipe takes what it has room for, and then nothing more.
        let flags = nix::fcntl::OFlag::O_NONBLOCK;
        let (read, write) = nix::unistd::pipe2(flags).expect("pipe");
        log.file = File::from(write);
        let event = crate::worker::event::blank("box", "http", "a.test", 80, 1);
        for _ in 0..500 {
            log.event(&event).expect("a form");
        }
        let lost = log.write_out().expect_err("there is no room for all").lines;
        let mut there = vec![0; 1 << 20];
        let count = File::from(read).read(&mut there).expect("what is there");
        let there = String::from_utf8_lossy(&there[..count]);
        let whole = there.matches('\n').count();
        assert!(whole > 0 && lost.lines().count() == 500 - whole);
        // The file's first line was there before.
        assert_eq!(log.next.sequence, 2 + whole as u64);
        let last = there.lines().nth(whole - 1).expect("a line");
        assert_eq!(Some(log.next), follow(last));
        assert_eq!(log.held(), 0);
    }
}
