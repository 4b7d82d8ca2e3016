//! The audit files: a chain of lines per sandbox, written and signed by the warden alone.

mod key;
mod log;
mod repeats;
mod tail;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use nemoclaw_api::audit::chain::Head;
use nemoclaw_api::audit::{Event, ROUTER};
use nemoclaw_policy::node::AuditConfig;

use super::WardenError;
use super::metrics::AuditNumbers;
use crate::limits;
use crate::worker::event::blank;
use key::Signer;
use log::{Log, Place};
use repeats::Repeats;

/// All audit files.
pub struct AuditLog {
    data_dir: PathBuf,
    directory: PathBuf,
    config: AuditConfig,
    signer: Signer,
    logs: BTreeMap<String, Log>,
    repeats: HashMap<String, Repeats>,
    /// The sandboxes whose logs hold lines that are not written yet.
    holding: Vec<String>,
    fault: Option<Fault>,
    numbers: AuditNumbers,
}

/// Whether a sandbox was closed before one of its events came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lateness {
    /// It is served.
    InTime,
    /// It was closed.
    Late,
}

/// A log that could not be written.
struct Fault {
    sandbox: String,
    sentence: String,
}

impl AuditLog {
    /// Use the directories and the key below `data_dir`, which are made if they are missing.
    ///
    /// # Errors
    /// They cannot be made, or the key is not the warden's alone.
    pub fn open(data_dir: &Path, config: AuditConfig) -> Result<AuditLog, WardenError> {
        let directory = data_dir.join("audit");
        let heads = Head::path(data_dir, "any");
        for path in [Some(directory.as_path()), heads.parent()]
            .into_iter()
            .flatten()
        {
            private(path).map_err(|source| WardenError::File {
                path: path.to_owned(),
                source,
            })?;
        }
        Ok(AuditLog {
            data_dir: data_dir.to_owned(),
            directory,
            config,
            signer: Signer::open(data_dir)?,
            logs: BTreeMap::new(),
            repeats: HashMap::new(),
            holding: Vec::new(),
            fault: None,
            numbers: AuditNumbers::default(),
        })
    }

    /// Where the files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Write one event, or count it where it repeats a refusal. What cannot be written goes to the operator's log
    /// instead, so that it is not lost in silence, and is a [`AuditLog::fault`] from then on.
    pub fn write(&mut self, sandbox: &str, event: &Event) {
        self.take(sandbox, event);
        self.write_out();
    }

    /// The same for events that came together, each with its sandbox: what one sandbox said is one call to the kernel. Those
    /// of a sandbox that was closed are late: its file is closed again when this is signed.
    pub fn write_together<'e>(&mut self, events: impl Iterator<Item = (&'e Event, Lateness)>) {
        for (event, lateness) in events {
            self.take(&event.sandbox, event);
            if lateness == Lateness::Late
                && let Some(log) = self.logs.get_mut(&event.sandbox)
            {
                log.closing = true;
            }
        }
        self.write_out();
    }

    fn take(&mut self, sandbox: &str, event: &Event) {
        let now = Instant::now();
        if !self.repeats.contains_key(sandbox) {
            self.repeats.insert(sandbox.to_owned(), Repeats::new(now));
        }
        let repeats = self.repeats.get_mut(sandbox);
        if repeats.is_none_or(|repeats| repeats.admit(event, now)) {
            self.put(sandbox, event);
        } else {
            self.numbers.counted += 1;
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
        match self.log(sandbox) {
            Ok(log) => {
                log.closing = false;
                Ok(())
            }
            Err(error) => Err(self.sentence(sandbox, &error)),
        }
    }

    /// Why something could not be written.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_ref().map(|fault| fault.sentence.as_str())
    }

    /// What was written so far.
    #[must_use]
    pub fn numbers(&self) -> AuditNumbers {
        AuditNumbers {
            faulty: self.fault.is_some(),
            ..self.numbers
        }
    }

    /// Try again where it failed. Whether it can be written now.
    pub fn mend(&mut self) -> bool {
        let Some(Fault { sandbox, sentence }) = self.fault.take() else {
            return true;
        };
        let mut event = blank(&sandbox, ROUTER, "", 0, 0);
        event.reason = Some(format!("the log can be written again; before: {sentence}"));
        if let Err(error) = self.append(&sandbox, &event) {
            self.failed(&sandbox, &error);
        }
        self.write_out();
        self.fault.is_none()
    }

    /// When [`AuditLog::work`] has something to do; never while nothing can be written.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        if self.fault.is_some() {
            return None;
        }
        let signatures = self.logs.values().filter_map(Log::due);
        let counts = self.repeats.values().filter_map(Repeats::due);
        signatures.chain(counts).min()
    }

    /// Sign and write what is due by `now`.
    pub fn work(&mut self, now: Instant) {
        let late = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        let counted = self
            .repeats
            .iter()
            .filter(|(_, repeats)| late(repeats.due()));
        for sandbox in counted.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.put_counted(&sandbox);
        }
        self.write_out();
        let unsigned = self.logs.iter().filter(|(_, log)| late(log.due()));
        for sandbox in unsigned.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            if self.logs.get(&sandbox).is_some_and(|log| log.closing) {
                self.close(&sandbox);
            } else {
                self.sign(&sandbox);
            }
        }
    }

    /// Sign all there is, so that no record is without a signature.
    pub fn seal(&mut self) {
        for sandbox in self.logs.keys().cloned().collect::<Vec<_>>() {
            self.sign(&sandbox);
        }
    }

    /// Sign and close a sandbox's file; it stays on disk.
    pub fn close(&mut self, sandbox: &str) {
        self.put_counted(sandbox);
        self.write_out();
        self.repeats.remove(sandbox);
        self.sign(sandbox);
        self.logs.remove(sandbox);
    }

    /// The same for all.
    pub fn close_all(&mut self) {
        for sandbox in self.logs.keys().cloned().collect::<Vec<_>>() {
            self.close(&sandbox);
        }
    }

    fn put_counted(&mut self, sandbox: &str) {
        let lines = self.repeats.get_mut(sandbox).map(Repeats::take);
        for event in lines.into_iter().flatten() {
            self.put(sandbox, &event);
        }
    }

    fn put(&mut self, sandbox: &str, event: &Event) {
        if let Err(error) = self.append(sandbox, event) {
            self.failed(sandbox, &error);
            match serde_json::to_string(event) {
                Ok(line) => super::log(&format!("not in the audit log: {line}")),
                Err(error) => super::log(&format!("an event of `{sandbox}` has no form: {error}")),
            }
        }
    }

    fn append(&mut self, sandbox: &str, event: &Event) -> io::Result<()> {
        let AuditConfig { max_bytes, keep } = self.config;
        if self.log(sandbox)?.full(u64::from(max_bytes)) {
            self.write_out();
            // Half a turn is finished by the next opening.
            let Some(mut log) = self.logs.remove(sandbox) else {
                return Ok(());
            };
            log.turn(&self.signer, keep)?;
            self.numbers.turns += 1;
            self.logs.insert(sandbox.to_owned(), log);
        }
        let log = self.log(sandbox)?;
        log.event(event)?;
        let (first, much) = (log.holds_one(), log.held() >= limits::AUDIT_HELD);
        self.numbers.records += 1;
        if first {
            self.holding.push(sandbox.to_owned());
        }
        if much {
            self.write_out();
        }
        Ok(())
    }

    /// Write what was taken. Lines that cannot be written go to the operator's log.
    fn write_out(&mut self) {
        for sandbox in std::mem::take(&mut self.holding) {
            let Some(Err(unwritten)) = self.logs.get_mut(&sandbox).map(Log::write_out) else {
                continue;
            };
            for line in unwritten.lines.lines() {
                self.numbers.records = self.numbers.records.saturating_sub(1);
                super::log(&format!("not in the audit log: {line}"));
            }
            self.failed(&sandbox, &unwritten.into());
        }
    }

    fn sign(&mut self, sandbox: &str) {
        let Some(log) = self.logs.get_mut(sandbox) else {
            return;
        };
        if !log.in_place() {
            super::log(&format!(
                "the audit file of `{sandbox}` was moved or removed under the router"
            ));
            self.logs.remove(sandbox);
            if let Err(error) = self.log(sandbox) {
                self.failed(sandbox, &error);
            }
            return;
        }
        match log.sign(&self.signer) {
            Ok(signed) => self.numbers.signatures += u64::from(signed),
            Err(error) => self.failed(sandbox, &error),
        }
    }

    fn failed(&mut self, sandbox: &str, error: &io::Error) {
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

    fn log(&mut self, sandbox: &str) -> io::Result<&mut Log> {
        use std::collections::btree_map::Entry;
        Ok(match self.logs.entry(sandbox.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let place = Place::new(&self.data_dir, sandbox);
                new.insert(Log::open(place, &self.signer)?)
            }
        })
    }
}

/// A directory for root alone.
fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}
