//! Asks the warden which program is behind a connection, where a rule wants to know.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use nemoclaw_api::audit::{self, Event};
use nemoclaw_policy::Policy;
use nemoclaw_policy::decide::Program;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::event::short_path;
use super::sandbox::Sandbox;
use super::tickets::Tickets;
use crate::limits;
use crate::link::{self, FromWorker, Unknown};

/// The finding of a program that is not what was first seen under its path.
const CHANGED: &str = "changed_program";

/// What the warden says.
pub type Answer = Result<Vec<link::Program>, Unknown>;

/// Questions that wait for the warden's answer.
pub type Questions = Tickets<oneshot::Sender<Answer>>;

/// Who is behind a connection, as far as a rule wants to know.
#[derive(Debug, Clone, Default)]
pub struct Behind {
    /// The program; `None` where no rule asks for it, or it is not known.
    pub program: Option<Arc<Program>>,
    seen: Option<Arc<link::Program>>,
    unknown: Option<Unknown>,
}

impl Behind {
    /// A refusal's reason, and why the program, or a part of it, is not known, if that is so.
    #[must_use]
    pub fn reason(&self, refused: String) -> String {
        let changed = self.seen.as_ref().and_then(|seen| seen.changed.first());
        let why = match (&self.unknown, changed) {
            (Some(unknown), _) => unknown.clone(),
            (None, Some(path)) => Unknown::Changed(path.clone()),
            (None, None) => return refused,
        };
        format!("{refused}: {}", plain(&why.to_string()))
    }

    /// Write it down.
    pub fn mark(&self, event: &mut Event) {
        if let Some(seen) = &self.seen {
            event.pid = Some(seen.pid);
            event.program = Some(Box::new(audit::Program {
                path: short_path(&seen.exe),
                script: seen.scripts.first().map(|path| short_path(path)),
                sha256: Some(seen.sha256.clone()),
            }));
        }
        let refused = matches!(self.unknown, Some(Unknown::Changed(_)));
        if refused
            || self
                .seen
                .as_ref()
                .is_some_and(|seen| !seen.changed.is_empty())
        {
            event.finding = Some(CHANGED.to_owned());
        }
    }
}

/// A text without what a terminal would obey: a program chooses its own name.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
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
        let (asker, answer) = oneshot::channel();
        let question = self.node.questions.open(asker);
        self.node.sink.send(FromWorker::WhoIs {
            sandbox: self.name.to_string(),
            id: question.number,
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
    let program = by_paths(&first);
    let known: BTreeSet<&str> = program.paths().collect();
    for other in holders.map(|other| by_paths(&other)) {
        if other.paths().collect::<BTreeSet<_>>() != known {
            return Err(Unknown::Several(program.exe.clone(), other.exe));
        }
    }
    Ok(Behind {
        program: Some(Arc::new(program)),
        seen: Some(Arc::new(first)),
        unknown: None,
    })
}

/// As the policy sees it.
fn by_paths(found: &link::Program) -> Program {
    Program {
        exe: found.exe.clone(),
        scripts: found.scripts.clone(),
        ancestors: found.ancestors.clone(),
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
        assert!(one.is_ok_and(|behind| behind.seen.is_some_and(|seen| seen.pid == 7)));
        let other = holder("/usr/bin/curl", &["/usr/bin/node", "/bin/sh"]);
        let both = Unknown::Several("/usr/bin/node".into(), "/usr/bin/curl".into());
        assert_eq!(joined(vec![parent.clone(), other]).err(), Some(both));
        let higher = holder("/usr/bin/node", &["/bin/sh", "/usr/bin/npm"]);
        assert!(joined(vec![parent, higher]).is_err());
        assert_eq!(joined(Vec::new()).err(), Some(Unknown::NoHolder));
    }

    #[test]
    fn what_changed_is_a_finding_and_a_name_rules_no_terminal() {
        let mut changed = holder("/tmp/a\u{9b}31m", &[]);
        changed.changed = vec!["/sandbox/job\u{1b}[2J".to_owned()];
        let behind = joined(vec![changed]).expect("known");
        let mut event = Event::default();
        behind.mark(&mut event);
        assert_eq!(event.finding.as_deref(), Some(CHANGED));
        assert_eq!(event.program.expect("written").path, "/tmp/a%C2%9B31m");
        let reason = behind.reason("refused".to_owned());
        let expected = "refused: `/sandbox/job\u{fffd}[2J` is not the program that was first seen under this path";
        assert_eq!(reason, expected);
        assert_eq!(Behind::default().reason("no".to_owned()), "no");
    }
}
