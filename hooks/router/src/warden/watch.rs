//! Which directories are watched, and when a change in them is quiet enough to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Instant;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use super::{Happening, Post};
use crate::limits;

/// Watches the directories of files, since editors replace files instead of writing them.
pub struct Watch {
    watcher: RecommendedWatcher,
    directories: BTreeMap<PathBuf, usize>,
}

/// Changed paths; `None` when the kernel lost count.
type Changed = Option<Vec<PathBuf>>;

impl Watch {
    /// Report changes to `post`.
    ///
    /// # Errors
    /// The kernel has no watch for us.
    pub fn new(post: Post) -> Result<Watch, notify::Error> {
        let (sender, changes) = sync_channel::<Changed>(limits::CHANGES);
        let overrun = Arc::new(AtomicBool::new(false));
        let full = overrun.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(changed) = relevant(event)
                && sender.try_send(changed).is_err()
            {
                // Whoever changes files faster than they are looked at gets all of them looked at once.
                full.store(true, Ordering::Release);
            }
        })?;
        std::thread::Builder::new()
            .name("settle".into())
            .spawn(move || settle(&changes, &overrun, &post))
            .map_err(notify::Error::io)?;
        Ok(Watch {
            watcher,
            directories: BTreeMap::new(),
        })
    }

    /// Watch the directories of `file`: where its name stands, and where it lies if that is a link.
    ///
    /// # Errors
    /// A directory cannot be watched.
    pub fn add(&mut self, file: &Path) -> Result<(), notify::Error> {
        self.add_all(&directories(file))
    }

    /// Watch directories; those that can be watched are, even if one cannot.
    ///
    /// # Errors
    /// The last directory that cannot be watched.
    pub fn add_all(&mut self, directories: &BTreeSet<PathBuf>) -> Result<(), notify::Error> {
        let mut fault = None;
        for directory in directories {
            let users = self.directories.entry(directory.clone()).or_default();
            *users += 1;
            if *users == 1
                && let Err(error) = self.watcher.watch(directory, RecursiveMode::NonRecursive)
            {
                self.directories.remove(directory);
                fault = Some(error);
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// Forget what [`Watch::add`] began with these directories.
    pub fn remove(&mut self, watched: &BTreeSet<PathBuf>) {
        for directory in watched {
            let Some(users) = self.directories.get_mut(directory) else {
                continue;
            };
            *users -= 1;
            if *users == 0 {
                self.directories.remove(directory);
                // The directory may be gone already, and its watch with it.
                let _ = self.watcher.unwatch(directory);
            }
        }
    }
}

/// The directories in which a change may concern `file`.
#[must_use]
pub fn directories(file: &Path) -> BTreeSet<PathBuf> {
    let lies = file.canonicalize().ok();
    [Some(file), lies.as_deref()]
        .into_iter()
        .flatten()
        .filter_map(Path::parent)
        .map(Path::to_owned)
        .collect()
}

/// Reading a file is no change; our own reading would never end otherwise.
fn relevant(event: notify::Result<notify::Event>) -> Option<Changed> {
    let Ok(event) = event else { return Some(None) };
    if event.need_rescan() {
        return Some(None);
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
        EventKind::Access(_) => return None,
        _ => {}
    }
    Some(Some(event.paths))
}

fn settle(changes: &Receiver<Changed>, overrun: &AtomicBool, post: &Post) {
    while let Ok(first) = changes.recv() {
        let end = Instant::now() + limits::SETTLE_MOST;
        let mut all = vec![first];
        loop {
            let patience = limits::SETTLE.min(end.saturating_duration_since(Instant::now()));
            match changes.recv_timeout(patience) {
                Ok(more) if Instant::now() < end => all.push(more),
                Ok(more) => {
                    all.push(more);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        let lost = overrun.swap(false, Ordering::AcqRel) || all.iter().any(Option::is_none);
        let touched = all.into_iter().flatten().flatten().flat_map(|path| {
            let parent = path.parent().map(Path::to_owned);
            [Some(path), parent].into_iter().flatten()
        });
        let touched = (!lost).then(|| touched.collect());
        if post.send(Happening::Files(touched)).is_err() {
            return;
        }
    }
}
