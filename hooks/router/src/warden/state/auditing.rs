//! Decisions on their way to the disk. Where they cannot be written, nothing new passes until they can.

use std::time::Instant;

use nemoclaw_api::audit::Event;

use super::State;
use crate::limits;
use crate::link::ToWorker;
use crate::warden::audit::{AuditLog, Lateness};
use crate::warden::log;

impl State {
    /// Write an event.
    pub(super) fn write(&mut self, sandbox: &str, event: &Event) {
        self.audited(|audit| audit.write(sandbox, event));
    }

    /// Write what the worker decided.
    pub(super) fn record(&mut self, events: &[Event]) {
        let mut known = Vec::with_capacity(events.len());
        for event in events {
            if let Some(held) = self.boxes.get_mut(&event.sandbox) {
                held.count(event);
                known.push((event, Lateness::InTime));
            } else if self.departed.contains(&event.sandbox) {
                known.push((event, Lateness::Late));
            }
        }
        self.audited(|audit| audit.write_together(known.into_iter()));
    }

    /// Sign and close a sandbox's log.
    pub(super) fn close_log(&mut self, sandbox: &str) {
        self.audited(|audit| audit.close(sandbox));
    }

    /// Sign all logs.
    pub(super) fn seal(&mut self) {
        self.audited(AuditLog::seal);
    }

    /// Sign and count what is due.
    pub(super) fn work_on_logs(&mut self) {
        let now = Instant::now();
        if self.disk.audit.due().is_some_and(|due| due <= now) {
            self.audited(|audit| audit.work(now));
        }
    }

    /// Do something with the audit log; where that fails, nothing new passes from now on.
    fn audited(&mut self, what: impl FnOnce(&mut AuditLog)) {
        let before = self.disk.audit.fault().is_some();
        what(&mut self.disk.audit);
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
