//! Putting the fence up, and taking it down again when a later step fails.

use std::fs;
use std::path::PathBuf;

use nix::errno::Errno;

use super::Plan;
use super::walls::NAME;
use crate::error::HookError;
use crate::namespace::Namespace;
use crate::netlink::nft::{self, Family};
use crate::netlink::route::Change;
use crate::netlink::{Message, Socket};

/// The sandbox that the namespace is guarded for already.
///
/// # Errors
/// nf_tables does not answer.
pub fn guarded_for(nft: &mut Socket) -> Result<Option<String>, HookError> {
    match nft.ask(&nft::question(Family::Inet, NAME)) {
        Err(Errno::ENOENT) => Ok(None),
        Err(source) => Err(HookError::Step {
            what: "ask for its nf_tables",
            source,
        }),
        Ok(answers) => Ok(Some(
            answers
                .first()
                .map_or_else(String::new, |answer| nft::note(answer)),
        )),
    }
}

/// A fence that is taken down when dropped, unless it is kept.
pub struct Guard<'a> {
    namespace: &'a Namespace,
    route: &'a mut Socket,
    nft: &'a mut Socket,
    tables: Vec<Message>,
    switches: Vec<(PathBuf, String)>,
    changes: Vec<Change>,
    report: fn(&str),
}

impl<'a> Guard<'a> {
    /// A guard for a fence not yet up. `report` is told what could not be undone.
    pub fn new(
        namespace: &'a Namespace,
        route: &'a mut Socket,
        nft: &'a mut Socket,
        report: fn(&str),
    ) -> Guard<'a> {
        Guard {
            namespace,
            route,
            nft,
            tables: Vec::new(),
            switches: Vec::new(),
            changes: Vec::new(),
            report,
        }
    }

    /// Put the fence up.
    ///
    /// # Errors
    /// A step fails; what was done is undone when the guard is dropped.
    pub fn raise(&mut self, plan: &Plan) -> Result<(), HookError> {
        self.raise_tables(plan)?;
        if !plan.switches.is_empty() {
            self.namespace.inside(|| {
                plan.switches
                    .iter()
                    .try_for_each(|name| switch_on(name, &mut self.switches))
            })?;
        }
        let messages: Vec<Message> = plan.changes.iter().map(|change| change.message()).collect();
        let (done, failure) = self.route.send(&messages);
        self.changes
            .extend(done.iter().map(|&index| plan.changes[index]));
        match failure {
            None => Ok(()),
            Some(failure) => {
                let change = failure.index.map(|index| plan.changes[index]);
                Err(HookError::Change {
                    change,
                    source: failure.errno,
                })
            }
        }
    }

    /// Take down what an earlier run for the same sandbox left: anything of it may be missing.
    ///
    /// # Errors
    /// The tables cannot be deleted.
    pub fn clear(&mut self, leftovers: &Plan) -> Result<(), HookError> {
        for table in &leftovers.tables {
            let batch = [nft::begin(), table.deletion(), nft::end()];
            match self.nft.send(&batch).1 {
                Some(failure) if failure.errno != Errno::ENOENT => {
                    return Err(HookError::Step {
                        what: "delete its former nf_tables",
                        source: failure.errno,
                    });
                }
                _ => {}
            }
        }
        // The kernel's own rule comes back first; each of the others may be gone, which is what is wanted.
        let undo: Vec<Message> = leftovers
            .changes
            .iter()
            .rev()
            .map(|change| change.undo().message())
            .collect();
        let _missing = self.route.send(&undo);
        Ok(())
    }

    /// Keep the fence for good.
    pub fn keep(mut self) {
        self.tables.clear();
        self.switches.clear();
        self.changes.clear();
    }

    fn raise_tables(&mut self, plan: &Plan) -> Result<(), HookError> {
        let mut batch = vec![nft::begin()];
        batch.extend(plan.tables.iter().flat_map(nft::Table::messages));
        batch.push(nft::end());
        match self.nft.send(&batch).1 {
            None => self.tables = plan.tables.iter().map(nft::Table::deletion).collect(),
            Some(failure) if failure.errno == Errno::EOPNOTSUPP => {
                return Err(HookError::NoFilter(failure.errno));
            }
            Some(failure) => {
                return Err(HookError::Step {
                    what: "set its nf_tables",
                    source: failure.errno,
                });
            }
        }
        Ok(())
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let undo: Vec<Message> = self
            .changes
            .iter()
            .rev()
            .map(|change| change.undo().message())
            .collect();
        if let (false, Some(failure)) = (undo.is_empty(), self.route.send(&undo).1) {
            (self.report)(&format!(
                "a route or rule stays behind in the namespace: {}",
                failure.errno
            ));
        }
        let switches = std::mem::take(&mut self.switches);
        let restore = || {
            switches
                .iter()
                .rev()
                .try_for_each(|(path, old)| write_switch(path, old))
        };
        if let (false, Err(error)) = (switches.is_empty(), self.namespace.inside(restore)) {
            (self.report)(&format!("a setting stays behind in the namespace: {error}"));
        }
        if self.tables.is_empty() {
            return;
        }
        let mut batch = vec![nft::begin()];
        batch.append(&mut self.tables);
        batch.push(nft::end());
        if let Some(failure) = self.nft.send(&batch).1 {
            (self.report)(&format!(
                "nf_tables stay behind in the namespace: {}",
                failure.errno
            ));
        }
    }
}

fn switch_on(name: &str, done: &mut Vec<(PathBuf, String)>) -> Result<(), HookError> {
    let path = PathBuf::from("/proc/sys/net/ipv4").join(name);
    let old = fs::read_to_string(&path).map_err(|source| HookError::Switch {
        path: path.clone(),
        source,
    })?;
    if old.trim() != "1" {
        write_switch(&path, "1")?;
        done.push((path, old));
    }
    Ok(())
}

fn write_switch(path: &PathBuf, value: &str) -> Result<(), HookError> {
    fs::write(path, value).map_err(|source| HookError::Switch {
        path: path.clone(),
        source,
    })
}
