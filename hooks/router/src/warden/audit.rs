//! The audit files: one JSON line per decision, one file per sandbox, written by the warden alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nemoclaw_api::audit::Event;

use super::WardenError;
use crate::limits;
use crate::worker::event::blank;

/// The directory of audit files.
pub struct AuditLog {
    directory: PathBuf,
    files: HashMap<String, (File, u64)>,
    limit: u64,
    fault: Option<Fault>,
}

/// A log that could not be written.
struct Fault {
    sandbox: String,
    sentence: String,
}

impl AuditLog {
    /// Use `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(directory: &Path) -> Result<AuditLog, WardenError> {
        let file = |source| WardenError::File {
            path: directory.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(file)?;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
            .map_err(file)?;
        Ok(AuditLog {
            directory: directory.to_owned(),
            files: HashMap::new(),
            limit: limits::AUDIT_FILE,
            fault: None,
        })
    }

    /// Where the files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Write one event. What cannot be written goes to the operator's log instead, so that it is not lost in silence, and
    /// is a [`AuditLog::fault`] from then on.
    pub fn write(&mut self, sandbox: &str, event: &Event) {
        let line = match serde_json::to_string(event) {
            Ok(line) => line + "\n",
            Err(error) => {
                return super::log(&format!(
                    "an audit event of `{sandbox}` has no form: {error}"
                ));
            }
        };
        if let Err(error) = self.append(sandbox, line.as_bytes()) {
            self.failed(sandbox, &error);
            super::log(&format!("not in the audit log: {}", line.trim_end()));
        }
    }

    /// Make sure that a sandbox's decisions can be written.
    ///
    /// # Errors
    /// They cannot, or those of another sandbox could not: one sentence.
    pub fn prepare(&mut self, sandbox: &str) -> Result<(), String> {
        if let Some(fault) = self.fault() {
            return Err(fault.to_owned());
        }
        self.file(sandbox)
            .map(drop)
            .map_err(|error| self.sentence(sandbox, &error))
    }

    /// Why something could not be written.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_ref().map(|fault| fault.sentence.as_str())
    }

    /// Try again where it failed. Whether it can be written now.
    pub fn mend(&mut self) -> bool {
        let Some(Fault { sandbox, sentence }) = self.fault.take() else {
            return true;
        };
        let mut event = blank(&sandbox, "router", "", 0, 0);
        event.reason = Some(format!("the log can be written again; before: {sentence}"));
        let written = serde_json::to_string(&event)
            .map_err(io::Error::from)
            .and_then(|line| self.append(&sandbox, (line + "\n").as_bytes()));
        if let Err(error) = written {
            self.failed(&sandbox, &error);
        }
        self.fault.is_none()
    }

    fn failed(&mut self, sandbox: &str, error: &io::Error) {
        self.files.remove(sandbox);
        let sentence = self.sentence(sandbox, error);
        self.fault.get_or_insert_with(|| Fault {
            sandbox: sandbox.to_owned(),
            sentence,
        });
    }

    fn sentence(&self, sandbox: &str, error: &io::Error) -> String {
        let directory = self.directory.display();
        format!("the audit log of `{sandbox}` cannot be written in `{directory}`: {error}")
    }

    /// Close a sandbox's file; it stays on disk.
    pub fn close(&mut self, sandbox: &str) {
        self.files.remove(sandbox);
    }

    fn append(&mut self, sandbox: &str, line: &[u8]) -> io::Result<()> {
        let path = self.directory.join(format!("{sandbox}.jsonl"));
        if self
            .files
            .get(sandbox)
            .is_some_and(|(_, size)| *size >= self.limit)
        {
            self.files.remove(sandbox);
            std::fs::rename(&path, self.directory.join(format!("{sandbox}.jsonl.1")))?;
        }
        let (file, size) = self.file(sandbox)?;
        if let Err(error) = file.write_all(line) {
            // What is left of a torn line would spoil the next one.
            file.set_len(*size)?;
            return Err(error);
        }
        *size += line.len() as u64;
        Ok(())
    }

    fn file(&mut self, sandbox: &str) -> io::Result<&mut (File, u64)> {
        Ok(match self.files.entry(sandbox.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .custom_flags(libc::O_NOFOLLOW)
                    .open(self.directory.join(format!("{sandbox}.jsonl")))?;
                let size = file.metadata()?.len();
                new.insert((file, size))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_private_and_turns_over_at_its_limit() {
        let root = tempfile::tempdir().expect("directory");
        let mut log = AuditLog::open(&root.path().join("audit")).expect("log");
        log.limit = 300;
        for number in 0..5 {
            log.write("box", &blank("box", "http", "example.com", number, 1));
        }
        let now = root.path().join("audit/box.jsonl");
        let before =
            std::fs::read_to_string(root.path().join("audit/box.jsonl.1")).expect("turned over");
        let lines =
            std::fs::read_to_string(&now).expect("now").lines().count() + before.lines().count();
        assert!(lines >= 3, "a line was lost at the turn");
        assert_eq!(
            std::fs::metadata(&now).expect("file").permissions().mode() & 0o777,
            0o600
        );
    }
}
