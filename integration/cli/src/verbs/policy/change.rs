//! `policy add|remove|set`: another text for a running sandbox, and how long it takes until it holds.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nemoclaw_api::BoxStatus;
use nemoclaw_policy::narrow::diff::Change;
use nemoclaw_policy::narrow::{self, Axis};
use nemoclaw_policy::policy::Authority;
use nemoclaw_policy::{Policy, Source, edit};

use super::diff::text as axis_text;
use super::{find, replace};
use crate::args;
use crate::fault::Fault;
use crate::node::{Node, require_root};
use crate::printer::{Printer, Tone, plain};
use crate::verbs::router;

/// How long the router has; it needs some milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked.
const TICK: Duration = Duration::from_millis(1);

/// Which way a preset goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Into the policy.
    Add,
    /// Out of it.
    Remove,
}

/// `policy add`, `policy remove`.
pub fn include(
    config: Option<&Path>,
    args: &args::Include,
    turn: Turn,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let (verb, change): (_, fn(&Source, &str) -> _) = match turn {
        Turn::Add => ("policy add", edit::include),
        Turn::Remove => ("policy remove", edit::exclude),
    };
    require_root(verb)?;
    let target = Target::of(&Node::load(config)?, &args.sandbox)?;
    let text = change(&target.source, &args.preset).map_err(|error| {
        let fault = Fault::new(error.to_string());
        error.hint().into_iter().fold(fault, Fault::hint)
    })?;
    target.apply(&text, args.dry_run, printer)
}

/// `policy set`.
pub fn set(
    config: Option<&Path>,
    sandbox: &str,
    file: &Path,
    dry_run: bool,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    require_root("policy set")?;
    let target = Target::of(&Node::load(config)?, sandbox)?;
    let source = find::read(file).map_err(|error| {
        Fault::new(format!("cannot read policy `{}`", file.display())).because(error)
    })?;
    target.check(&source)?;
    target.apply(&source.text, dry_run, printer)
}

/// A sandbox whose policy is to change.
pub struct Target {
    node: Node,
    sandbox: String,
    path: PathBuf,
    /// What is on disk now.
    pub source: Source,
    /// What its author may say.
    authority: Authority,
}

impl Target {
    /// The sandbox and the file of the policy that it was started with.
    pub fn of(node: &Node, wanted: &str) -> anyhow::Result<Target> {
        let held = find::sandbox(node, wanted)?;
        let first = held.texts.first().ok_or_else(super::check::nothing)?;
        let Some(path) = first.path.clone() else {
            let fault = Fault::new(format!(
                "the policy `{}` of sandbox `{}` is embedded and cannot be changed",
                first.name, held.name
            ));
            return Err(fault
                .hint(format!(
                    "run `nemoclaw policy show {} > FILE`, and start the sandbox with `--policy FILE`",
                    first.name
                ))
                .into());
        };
        let unread =
            |error| Fault::new(format!("cannot read policy `{}`", path.display())).because(error);
        let source = find::read(&path).map_err(unread)?;
        let of_root = std::fs::metadata(&path).map_err(unread)?.uid() == 0;
        let authority = match of_root && path.starts_with(&node.config.policy_dir) {
            true => Authority::Operator,
            false => Authority::User,
        };
        Ok(Target {
            node: node.clone(),
            sandbox: held.name,
            path,
            source,
            authority,
        })
    }

    /// Read a text as the policy of this sandbox.
    pub fn check(&self, source: &Source) -> Result<Policy, Fault> {
        Ok(find::load_as(source, self.authority)?.0)
    }

    /// Put `text` in force, or say what it would change.
    pub fn apply(&self, text: &str, dry_run: bool, printer: Printer) -> anyhow::Result<ExitCode> {
        let next = self.check(&Source {
            text: text.into(),
            ..self.source.clone()
        })?;
        if *text == *self.source.text {
            printer.note("no change");
            return Ok(ExitCode::SUCCESS);
        }
        let later = self.compare(&next, dry_run, printer)?;
        if dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        let before = self.status()?;
        self.tell_others(printer)?;
        replace::file(&self.path, &self.source.text, text).map_err(|error| {
            Fault::new(format!("cannot replace policy `{}`", self.path.display())).because(error)
        })?;
        let (generation, time) = self.wait(&before, Instant::now())?;
        printer.data(format_args!(
            "sandbox {}: generation {generation} in force after {:.1} ms",
            plain(&self.sandbox),
            time.as_secs_f64() * 1000.0
        ))?;
        if !later.is_empty() {
            printer.labelled(
                Tone::Warning,
                "warning",
                format_args!(
                    "{} hold when the sandbox is started again",
                    later.join(", ")
                ),
            );
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The axes of the change that a running sandbox does not follow.
    fn compare(
        &self,
        next: &Policy,
        show: bool,
        printer: Printer,
    ) -> anyhow::Result<Vec<&'static str>> {
        // A file that nobody can read differs in everything; there is nothing to compare.
        let Ok(now) = self.check(&self.source) else {
            return Ok(Vec::new());
        };
        let mut axes = narrow::diff(&now, next);
        axes.retain(|axis| axis.change() != Change::Same);
        if show {
            for axis in &axes {
                printer.data(axis_text(axis))?;
            }
            if axes.is_empty() {
                printer.note("the two allow the same");
            }
        }
        let walls = |axis: Axis| axis < Axis::Requests || axis == Axis::Inbound;
        let later = axes.iter().filter(|axis| walls(axis.axis));
        Ok(later.map(|axis| axis.axis.key()).collect())
    }

    fn status(&self) -> anyhow::Result<BoxStatus> {
        let boxes = router::boxes(&self.node)?;
        let own = boxes.into_iter().find(|one| one.sandbox == self.sandbox);
        Ok(own.ok_or_else(|| {
            Fault::new(format!(
                "the router does not know sandbox `{}`",
                self.sandbox
            ))
            .hint("run `nemoclaw status`")
        })?)
    }

    /// A file may be that of several sandboxes.
    fn tell_others(&self, printer: Printer) -> anyhow::Result<()> {
        let boxes = router::boxes(&self.node)?;
        let others: Vec<String> = boxes
            .iter()
            .filter(|one| one.sandbox != self.sandbox && one.files.contains(&self.path))
            .map(|one| plain(&one.sandbox))
            .collect();
        if !others.is_empty() {
            printer.note(format_args!(
                "the same file is that of {}, too",
                others.join(", ")
            ));
        }
        Ok(())
    }

    /// Ask until the new text is in force.
    fn wait(&self, before: &BoxStatus, since: Instant) -> anyhow::Result<(u64, Duration)> {
        loop {
            let now = self.status()?;
            let time = since.elapsed();
            if now.generation > before.generation {
                return Ok((now.generation, time));
            }
            let refused = now
                .fault
                .filter(|fault| before.fault.as_ref() != Some(fault));
            if let Some(fault) = refused {
                return Err(Fault::new(format!(
                    "the router refuses the new policy; generation {} stays in force",
                    now.generation
                ))
                .because(fault)
                .hint("the file on disk is the new one: change it again")
                .into());
            }
            if time > PATIENCE {
                return Err(Fault::new(format!(
                    "the router has not taken the new policy after {} s; generation {} is in force",
                    PATIENCE.as_secs(),
                    now.generation
                ))
                .hint("run `nemoclaw policy show` and `nemoclaw router status`")
                .into());
            }
            std::thread::sleep(TICK);
        }
    }

    /// Its name.
    pub fn sandbox(&self) -> &str {
        &self.sandbox
    }
}
