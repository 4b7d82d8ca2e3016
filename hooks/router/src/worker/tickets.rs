//! Questions to the warden that wait for an answer, each under a number of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who waits, by number; `S` takes the answer.
pub struct Tickets<S> {
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, S>>,
}

impl<S> Default for Tickets<S> {
    fn default() -> Tickets<S> {
        Tickets {
            next: AtomicU64::new(0),
            waiting: Mutex::default(),
        }
    }
}

impl<S> Tickets<S> {
    /// A number for `asker`, who waits as long as the ticket lives.
    pub fn open(&self, asker: S) -> Ticket<'_, S> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.waiting().insert(number, asker);
        Ticket { number, of: self }
    }

    /// Who waits under a number, and waits no more; nobody where the answer came too late.
    pub fn take(&self, number: u64) -> Option<S> {
        self.waiting().remove(&number)
    }

    /// Who waits under a number, and waits on.
    pub fn get(&self, number: u64) -> Option<S>
    where
        S: Clone,
    {
        self.waiting().get(&number).cloned()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, S>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that is forgotten with whoever asked it.
pub struct Ticket<'a, S> {
    /// By which the warden answers.
    pub number: u64,
    of: &'a Tickets<S>,
}

impl<S> Drop for Ticket<'_, S> {
    fn drop(&mut self) {
        self.of.take(self.number);
    }
}
