//! The audit files: one JSON line per decision, one file per sandbox, written by the warden alone.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nemoclaw_api::audit::Event;

use super::WardenError;
use crate::limits;

/// The directory of audit files.
pub struct AuditLog {
    directory: PathBuf,
    files: HashMap<String, (File, u64)>,
    limit: u64,
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
        })
    }

    /// Where the files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Write one event. What cannot be written goes to the operator's log instead, so that it is not lost in silence.
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
            self.files.remove(sandbox);
            super::log(&format!(
                "cannot write the audit log of `{sandbox}` ({error}): {}",
                line.trim_end()
            ));
        }
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
        let entry = match self.files.entry(sandbox.to_owned()) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .mode(0o600)
                    .custom_flags(libc::O_NOFOLLOW)
                    .open(&path)?;
                let size = file.metadata()?.len();
                new.insert((file, size))
            }
        };
        entry.0.write_all(line)?;
        entry.1 += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::event::blank;

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
