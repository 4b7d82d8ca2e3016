//! What a sandbox keeps between its calls to models.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use nemoclaw_privacy::{Session, SessionKey, Vault};

use zeroize::Zeroizing;

use super::ledger::Ledger;
use super::memory::Memory;
use crate::worker::event::told;

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// A sandbox's.
pub struct State {
    /// What it has spent.
    pub ledger: Arc<Ledger>,
    /// Its pseudonyms and the label of all that its models have seen.
    pub session: Session,
    /// What models said when they had seen something.
    pub memory: Arc<Memory>,
    routes: Arc<Mutex<HashMap<String, u32>>>,
}

/// The memory of the warden's in which a session is kept, by places: the worker has no call that moves in a file.
struct Journal {
    file: File,
    at: u64,
}

impl Write for Journal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.at)?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(journal: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PIECE));
    let mut piece = Zeroizing::new([0; PIECE]);
    loop {
        let at = bytes.len() as u64;
        match journal.read_at(&mut piece[..], at)? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&piece[..length]),
        }
    }
}

/// A request on a route that takes only so many at once.
pub struct OnRoute {
    routes: Arc<Mutex<HashMap<String, u32>>>,
    route: String,
}

impl State {
    /// What `ledger` and `journal` tell of; both outlive this process.
    ///
    /// # Errors
    /// One of them cannot be read or written.
    pub fn open(ledger: File, journal: File) -> io::Result<State> {
        let ledger = Ledger::open(ledger)?;
        let bytes = read(&journal)?;
        let vault = if bytes.is_empty() {
            let key = SessionKey::random()
                .map_err(|_| io::Error::other("there is no randomness for a session's key"))?;
            let vault = Vault::new(key);
            vault.record_in(Journal {
                file: journal,
                at: 0,
            })?;
            vault
        } else {
            let (vault, whole) =
                Vault::load(&bytes).map_err(|error| io::Error::other(told(&error)))?;
            // What is torn behind is written over, and until then not read.
            vault.append_to(Journal {
                file: journal,
                at: whole as u64,
            });
            vault
        };
        Ok(State {
            ledger: Arc::new(ledger),
            session: Session::new(vault),
            memory: Arc::default(),
            routes: Arc::default(),
        })
    }

    /// Take a place on a route; `None` where it has none left.
    #[must_use]
    pub fn on_route(&self, route: String, most: Option<u32>) -> Option<OnRoute> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = routes.entry(route.clone()).or_default();
        if most.is_some_and(|most| *under_way >= most) {
            return None;
        }
        *under_way += 1;
        Some(OnRoute {
            routes: self.routes.clone(),
            route,
        })
    }
}

impl Drop for OnRoute {
    fn drop(&mut self) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = routes.get_mut(&self.route) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                routes.remove(&self.route);
            }
        }
    }
}
