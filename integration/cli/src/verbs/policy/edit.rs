//! `policy edit`: a private copy in an editor, read strictly before it takes the place of the file.

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nemoclaw_policy::Source;

use super::change::Target;
use super::find;
use crate::fault::Fault;
use crate::node::{Node, require_root};
use crate::printer::{Printer, Tone};

/// Run it.
pub fn run(
    config: Option<&Path>,
    sandbox: &str,
    dry_run: bool,
    no_input: bool,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    require_root("policy edit")?;
    let target = Target::of(&Node::load(config)?, sandbox)?;
    let editor = editor()?;
    let copy = Copy::of(&target.source)?;
    let text = loop {
        open(&editor, &copy.path)?;
        let fault = match copy.text() {
            Ok(edited) => match target.check(&edited) {
                Ok(_) => break edited.text,
                Err(fault) => fault.to_string(),
            },
            Err(error) => error.to_string(),
        };
        let asked = std::io::stdin().is_terminal() && !no_input;
        if asked && again(&fault, printer)? {
            continue;
        }
        let kept = copy.keep();
        return Err(Fault::new(fault)
            .hint(format!(
                "nothing was changed; correct `{}` and run `nemoclaw policy set {} {}`",
                kept.display(),
                target.sandbox(),
                kept.display()
            ))
            .into());
    };
    let done = target.apply(&text, dry_run, printer);
    if done.is_err() {
        printer.note(format_args!("your text is in `{}`", copy.keep().display()));
    }
    done
}

fn editor() -> anyhow::Result<String> {
    let named = |variable| std::env::var(variable).ok().filter(|word| !word.is_empty());
    Ok(named("VISUAL").or_else(|| named("EDITOR")).ok_or_else(|| {
        Fault::new("no editor is named").hint("run it with EDITOR=vi, and `sudo -E` keeps that")
    })?)
}

/// The variable holds a command with its arguments, as a shell reads them.
fn open(editor: &str, path: &Path) -> anyhow::Result<()> {
    let ended = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("sh")
        .arg(path)
        .status()
        .map_err(|error| Fault::new(format!("cannot run the editor `{editor}`")).because(error))?;
    if ended.success() {
        return Ok(());
    }
    Err(Fault::new(format!(
        "the editor `{editor}` failed, and nothing was changed"
    ))
    .into())
}

fn again(fault: &str, printer: Printer) -> anyhow::Result<bool> {
    printer.labelled(Tone::Bad, "error", fault);
    printer.note("edit it again? [Y/n]");
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer)?;
    Ok(read > 0 && !answer.trim_start().to_ascii_lowercase().starts_with('n'))
}

/// A copy in a directory of this user's alone. It goes when it is dropped, unless it is kept.
struct Copy {
    directory: PathBuf,
    path: PathBuf,
    name: String,
    kept: std::cell::Cell<bool>,
}

impl Copy {
    fn of(source: &Source) -> anyhow::Result<Copy> {
        // The call fills in the last six letters.
        let template = format!("nemoclaw-edit-{}", "X".repeat(6));
        let directory = nix::unistd::mkdtemp(&std::env::temp_dir().join(template))?;
        let copy = Copy {
            path: directory.join("policy.yaml"),
            directory,
            name: source.name.clone(),
            kept: std::cell::Cell::new(false),
        };
        std::fs::write(&copy.path, source.text.as_bytes())?;
        Ok(copy)
    }

    /// The text, by the name of the policy that it is to be.
    fn text(&self) -> std::io::Result<Source> {
        Ok(Source {
            name: self.name.clone(),
            ..find::read(&self.path)?
        })
    }

    fn keep(&self) -> &Path {
        self.kept.set(true);
        &self.path
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.kept.get() {
            // A copy that stays is in nobody's way.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
