//! Decisions on their way to the disk. Where they cannot be written, nothing new passes until they can.

use std::time::Instant;

use nemoclaw_api::audit::Event;

use super::State;
use crate::limits;
use crate::link::ToWorker;
use crate::warden::log;

impl State {
    /// Write an event.
    pub(super) fn write(&mut self, sandbox: &str, event: &Event) {
        let before = self.disk.audit.fault().is_some();
        self.disk.audit.write(sandbox, event);
        let Some(fault) = self.disk.audit.fault() else {
            return;
        };
        if !before {
            log(&format!("{fault}; until it can, nothing new passes"));
            self.audit_retry = Some(Instant::now() + limits::AUDIT_RETRY);
            self.tell(&ToWorker::Recording(false));
        }
    }

    /// Whether the audit log can be written again.
    pub(super) fn retry_audit(&mut self) {
        if self.audit_retry.is_none_or(|at| at > Instant::now()) {
            return;
        }
        if self.disk.audit.mend() {
            self.audit_retry = None;
            log("the audit log can be written again");
            self.tell(&ToWorker::Recording(true));
        } else {
            self.audit_retry = Some(Instant::now() + limits::AUDIT_RETRY);
        }
    }
}
