//! Asks the warden which program is behind a connection, where a rule wants to know.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nemoclaw_policy::Policy;
use nemoclaw_policy::decide::Program;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::sandbox::Sandbox;
use crate::limits;
use crate::link::{self, FromWorker, Unknown};

type Answer = Result<Vec<link::Program>, Unknown>;

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

/// Who is behind a connection, as far as a rule wants to know.
#[derive(Debug, Clone, Default)]
pub struct Behind {
    /// The program; `None` where no rule asks for it, or it is not known.
    pub program: Option<Arc<Program>>,
    /// Its process, as the host numbers it.
    pub pid: Option<i32>,
    /// Why it is not known.
    pub unknown: Option<Unknown>,
    /// Scripts and ancestors that count for nothing, since they are not what was first seen.
    pub changed: Vec<String>,
}

impl Behind {
    /// A refusal's reason, and why the program, or a part of it, is not known, if that is so.
    #[must_use]
    pub fn reason(&self, refused: String) -> String {
        match (&self.unknown, self.changed.first()) {
            (Some(unknown), _) => format!("{refused}: {unknown}"),
            (None, Some(path)) => {
                format!("{refused}: {}", Unknown::Changed(path.clone()))
            }
            (None, None) => refused,
        }
    }
}

impl Sandbox {
    /// Who is behind the connection from `client` to `name`, dialled as `local`. Costs nothing where no rule asks.
    pub async fn behind(
        &self,
        policy: &Policy,
        name: &str,
        client: SocketAddr,
        local: SocketAddr,
    ) -> Behind {
        if !policy.needs_program(name, local.port()) {
            return Behind::default();
        }
        let found = timeout(limits::PROGRAM_TIME, self.ask(client, local)).await;
        match found.unwrap_or(Err(Unknown::Late)).and_then(joined) {
            Ok(behind) => behind,
            Err(unknown) => Behind {
                unknown: Some(unknown),
                ..Behind::default()
            },
        }
    }

    async fn ask(&self, client: SocketAddr, local: SocketAddr) -> Answer {
        // Closed never; a crowd waits here, within the same time.
        let _room = self.questions.acquire().await.map_err(|_| Unknown::Busy)?;
        let (question, answer) = self.node.questions.open();
        self.node.sink.send(FromWorker::WhoIs {
            sandbox: self.name.to_string(),
            id: question.id,
            client,
            local,
        });
        answer.await.map_err(|_| Unknown::Late)?
    }
}

/// The one program of all processes that hold a connection: a rule must hold for each, so each must be known by the same
/// paths. A child between fork and exec is.
fn joined(found: Vec<link::Program>) -> Result<Behind, Unknown> {
    let mut holders = found.into_iter();
    let first = holders.next().ok_or(Unknown::NoHolder)?;
    let (pid, changed) = (first.pid, first.changed.clone());
    let program = by_paths(first);
    let known: BTreeSet<&str> = program.paths().collect();
    for other in holders.map(by_paths) {
        if other.paths().collect::<BTreeSet<_>>() != known {
            return Err(Unknown::Several(program.exe.clone(), other.exe));
        }
    }
    Ok(Behind {
        program: Some(Arc::new(program)),
        pid: Some(pid),
        unknown: None,
        changed,
    })
}

/// As the policy sees it.
fn by_paths(found: link::Program) -> Program {
    Program {
        exe: found.exe,
        scripts: found.scripts,
        ancestors: found.ancestors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(exe: &str, ancestors: &[&str]) -> link::Program {
        link::Program {
            pid: 7,
            uid: 0,
            exe: exe.to_owned(),
            sha256: String::new(),
            scripts: Vec::new(),
            module: None,
            ancestors: ancestors.iter().map(|path| (*path).to_owned()).collect(),
            changed: Vec::new(),
        }
    }

    #[test]
    fn processes_that_share_a_connection_count_as_one_only_if_the_same_rules_hold_for_them() {
        let parent = holder("/usr/bin/node", &["/bin/sh"]);
        let forked = holder("/usr/bin/node", &["/usr/bin/node", "/bin/sh"]);
        let one = joined(vec![parent.clone(), forked]);
        assert!(one.is_ok_and(|behind| behind.pid == Some(7)));
        let other = holder("/usr/bin/curl", &["/usr/bin/node", "/bin/sh"]);
        let both = Unknown::Several("/usr/bin/node".into(), "/usr/bin/curl".into());
        assert_eq!(joined(vec![parent.clone(), other]).err(), Some(both));
        let higher = holder("/usr/bin/node", &["/bin/sh", "/usr/bin/npm"]);
        assert!(joined(vec![parent, higher]).is_err());
        assert_eq!(joined(Vec::new()).err(), Some(Unknown::NoHolder));
    }
}
