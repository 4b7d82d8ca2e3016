//! Providers and credentials: looked at when a file changes, and handed to every worker.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::State;
use crate::warden::log;

impl State {
    /// Look at the files, tell the worker what changed, and watch what is named now.
    pub(super) fn look_at_providers(&mut self) {
        self.watch_providers();
        let fault = self.providers.fault();
        let mut changed = self.providers.look();
        if self.providers.directories() != self.providers.watched {
            // Files that are named only now may have changed before they were watched.
            self.watch_providers();
            changed |= self.providers.look();
        }
        if let Some(now) = self
            .providers
            .fault()
            .filter(|now| Some(now) != fault.as_ref())
        {
            log(&now);
        }
        if changed {
            let names = self.providers.names().join(", ");
            log(&format!("the providers in force have credentials: {names}"));
            self.tell_providers();
        }
    }

    /// The same after a change of files.
    pub(super) fn touch_providers(&mut self, touched: Option<&BTreeSet<PathBuf>>) {
        let concerned = touched.is_none_or(|touched| {
            self.providers
                .watched
                .iter()
                .any(|directory| touched.contains(directory))
        });
        if concerned {
            self.look_at_providers();
        }
    }

    pub(super) fn tell_providers(&mut self) {
        let message = self.providers.message();
        self.tell(&message);
    }

    fn watch_providers(&mut self) {
        let wanted = self.providers.directories();
        if wanted == self.providers.watched {
            return;
        }
        if let Err(error) = self.watch.add_all(&wanted) {
            log(&format!(
                "changes of providers are not all followed: {error}"
            ));
        }
        let before = std::mem::replace(&mut self.providers.watched, wanted);
        self.watch.remove(&before);
    }
}
