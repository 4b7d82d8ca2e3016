//! Policy files: what happens when one changes on disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nemoclaw_api::audit::{POLICY, ROUTER};

use super::State;
use crate::link::ToWorker;
use crate::warden::boxes::{Held, OnDisk};
use crate::warden::log;
use crate::warden::settings::{RESOLV_CONF, host_resolvers};
use crate::warden::watch::directories;
use crate::worker::event::{blank, denied, told};

impl State {
    /// Write what happened to a sandbox's policy.
    pub(super) fn note(&mut self, sandbox: &str, what: Result<String, String>) {
        let Some(held) = self.boxes.get(sandbox) else {
            return;
        };
        let mut event = blank(sandbox, POLICY, "", 0, held.generation);
        match what {
            Ok(text) => event.reason = Some(text),
            Err(fault) => event = denied(event, fault, None),
        }
        let reason = event.reason.as_deref().unwrap_or_default();
        log(&format!("sandbox {sandbox}: {reason}"));
        self.write(sandbox, &event);
    }

    /// Write what happened to the sandbox as a whole: with a phase, that it began or ended.
    pub(super) fn happened(&mut self, sandbox: &str, phase: Option<&str>, what: &str) {
        let generation = self.boxes.get(sandbox).map_or(0, |held| held.generation);
        let mut event = blank(sandbox, ROUTER, "", 0, generation);
        event.phase = phase.map(str::to_owned);
        event.reason = Some(what.to_owned());
        log(&format!("sandbox {sandbox}: {what}"));
        self.write(sandbox, &event);
    }

    pub(super) fn watch_files(&mut self, sandbox: &str) {
        let Some(held) = self.boxes.get_mut(sandbox) else {
            return;
        };
        let files: Vec<PathBuf> = held.files().map(Path::to_owned).collect();
        let mut fault = None;
        for file in &files {
            match self.watch.add(file) {
                Ok(()) => held.watched.extend(directories(file)),
                Err(error) => {
                    fault = Some(format!(
                        "policy `{}` is not watched: {error}",
                        file.display()
                    ))
                }
            }
        }
        if let Some(fault) = fault {
            held.fault = Some(fault.clone());
            self.note(sandbox, Err(fault));
        }
        // It may have changed since the runtime read it.
        self.look(sandbox);
    }

    pub(super) fn files(&mut self, touched: Option<&BTreeSet<PathBuf>>) {
        let concerned = |held: &Held| touched.is_none_or(|touched| held.concerned(touched));
        let names: Vec<String> = self
            .boxes
            .iter()
            .filter(|(_, held)| concerned(held))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            self.look(&name);
        }
        self.touch_providers(touched);
        let resolv_conf = Path::new(RESOLV_CONF);
        let touches = |touched: &BTreeSet<PathBuf>| {
            directories(resolv_conf)
                .iter()
                .any(|path| touched.contains(path))
        };
        if self.follow_resolv_conf && touched.is_none_or(touches) {
            let now = host_resolvers(resolv_conf);
            if now != self.settings.resolvers {
                self.settings.resolvers.clone_from(&now);
                self.tell(&ToWorker::Resolvers(now));
            }
        }
    }

    fn look(&mut self, sandbox: &str) {
        let Some(held) = self.boxes.get_mut(sandbox) else {
            return;
        };
        if held.waiting.is_some() {
            return;
        }
        match held.look(sandbox) {
            OnDisk::Pending => {}
            OnDisk::Same => {
                if held.fault.take().is_some() {
                    self.note(
                        sandbox,
                        Ok("the policy in force is the policy on disk again".into()),
                    );
                }
            }
            OnDisk::New(message) => self.tell(&message),
            OnDisk::Faulty(error) => {
                let fault = told(&error);
                if held.fault.as_ref() != Some(&fault) {
                    held.fault = Some(fault.clone());
                    self.note(sandbox, Err(fault));
                }
            }
        }
    }
}
