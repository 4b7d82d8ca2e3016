//! Asks the warden which program is behind a connection, where a rule wants to know.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::sandbox::Sandbox;
use crate::limits;
use crate::link::{FromWorker, Program, Unknown};

type Answer = Result<Vec<Program>, Unknown>;

/// Questions that wait for the warden's answer.
#[derive(Default)]
pub struct Questions {
    last: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Answer>>>,
}

impl Questions {
    /// Hand an answer to whoever waits for it; one that came too late has nobody.
    pub fn answer(&self, id: u64, found: Answer) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asker) = waiting.remove(&id) {
            // The connection may have ended meanwhile.
            let _ = asker.send(found);
        }
    }

    fn open(&self) -> (Open<'_>, oneshot::Receiver<Answer>) {
        let id = self.last.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(id, asker);
        (Open { id, of: self }, answer)
    }
}

/// A question that is forgotten with whoever asked it.
struct Open<'a> {
    id: u64,
    of: &'a Questions,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let waiting = self.of.waiting.lock();
        waiting
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

impl Sandbox {
    /// The programs of every process that holds the connection from `client` to `local`: at least one, and a rule must
    /// hold for each. Costs nothing where it is not called.
    ///
    /// # Errors
    /// They are not known, or not in time. Then no rule that names programs holds.
    pub async fn program(
        &self,
        client: SocketAddr,
        local: SocketAddr,
    ) -> Result<Arc<[Program]>, Unknown> {
        let ask = async {
            // Closed never; a crowd waits here, within the same time.
            let _room = self.questions.acquire().await.map_err(|_| Unknown::Busy)?;
            let (question, answer) = self.node.questions.open();
            self.node.sink.send(FromWorker::WhoIs {
                sandbox: self.name.to_string(),
                id: question.id,
                client,
                local,
            });
            let found = answer.await.map_err(|_| Unknown::Late)??;
            match found.is_empty() {
                true => Err(Unknown::NoHolder),
                false => Ok(found.into()),
            }
        };
        timeout(limits::PROGRAM_TIME, ask)
            .await
            .unwrap_or(Err(Unknown::Late))
    }
}
