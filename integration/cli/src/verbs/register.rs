//! `register` and `unregister`: our runtimes in an engine's file and out of it. Nothing is restarted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nemoclaw_policy::resolve::{Request, resolve};

use crate::args::{Named, Register, Registration, Removal, Unregister};
use crate::engines::file::ConfigFile;
use crate::engines::link::{Found, Link};
use crate::engines::{EditError, Engine, Runtime, diff};
use crate::fault::Fault;
use crate::node::{ENVIRONMENT_RUNTIME, Node, binary};
use crate::printer::{Printer, Tone};
use crate::verbs::kubernetes;

/// Run `register`.
pub fn register(
    config: Option<&Path>,
    verb: &Register,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let (engine, args) = match verb {
        Register::Docker(args) => (Engine::Docker, args),
        Register::Containerd(args) => (Engine::Containerd, args),
        Register::Podman(args) => (Engine::Podman, args),
        Register::Crio(args) => (Engine::Crio, args),
        Register::Kubernetes(args) => return kubernetes::register(args, printer),
    };
    let file = open(engine, args.config.as_deref())?;
    let change = addition(engine, &file, &Node::load(config)?, args)?;
    if let Some(obstacle) = engine
        .obstacle(&file.text)
        .map_err(|error| cannot_edit(&file, error))?
    {
        printer.labelled(Tone::Warning, "warning", obstacle);
    }
    change.carry_out(engine, &file, args.dry_run, printer)
}

/// Run `unregister`.
pub fn unregister(verb: &Unregister, printer: Printer) -> anyhow::Result<ExitCode> {
    let (engine, args) = match verb {
        Unregister::Docker(args) => (Engine::Docker, args),
        Unregister::Containerd(args) => (Engine::Containerd, args),
        Unregister::Podman(args) => (Engine::Podman, args),
        Unregister::Crio(args) => (Engine::Crio, args),
        Unregister::Kubernetes(args) => return kubernetes::unregister(args, printer),
    };
    let file = open(engine, args.config.as_deref())?;
    removal(engine, &file, args)?.carry_out(engine, &file, args.dry_run, printer)
}

/// What becomes of the file.
#[derive(Debug, PartialEq, Eq)]
enum Text {
    /// It is written anew; `keep` says whether the old text is kept beside it.
    New { text: String, keep: bool },
    /// It becomes what it was before our first change; without a text, the file goes.
    Before(Option<String>),
}

/// What is to be done.
#[derive(Debug)]
struct Change {
    text: Text,
    make: Vec<Link>,
    remove: Vec<Link>,
}

fn addition(
    engine: Engine,
    file: &ConfigFile,
    node: &Node,
    args: &Registration,
) -> anyhow::Result<Change> {
    let program = binary("nemoclaw-runtime", ENVIRONMENT_RUNTIME)?;
    let ours = engine
        .ours(&file.text)
        .map_err(|error| cannot_edit(file, error))?;
    let mut runtimes: Vec<Runtime> = Vec::new();
    let mut links = Vec::new();
    for named in &args.runtimes {
        if runtimes.iter().any(|runtime| runtime.name == named.name) {
            return Err(Fault::new(format!("`--runtime {}` is given twice", named.name)).into());
        }
        let policy = checked_policy(engine, node, named)?;
        let link = policy
            .as_deref()
            .filter(|_| !engine.passes_arguments())
            .map(|policy| Link::new(&program, policy));
        let kept = ours
            .iter()
            .filter(|have| have.name == named.name && named.policy.is_none())
            .map(|have| &have.program)
            .find(|have| **have != program && Link::at(have).is_some());
        runtimes.push(Runtime {
            name: named.name.clone(),
            program: link.as_ref().map_or_else(
                || kept.unwrap_or(&program).clone(),
                |link| link.path.clone(),
            ),
            policy: policy.filter(|_| engine.passes_arguments()),
        });
        links.extend(link.filter(|link| !links.contains(link)));
    }
    let text = engine
        .register(&file.text, &runtimes)
        .map_err(|error| cannot_edit(file, error))?;
    let mut make = Vec::new();
    for link in links {
        match link.look() {
            Found::It => {}
            Found::Nothing => make.push(link),
            Found::Other => {
                let fault = Fault::new(format!(
                    "`{}` is there, and is no link to `{}`",
                    link.path.display(),
                    link.target.display()
                ));
                return Err(fault
                    .hint(format!("run `mv {0} {0}.old`", link.path.display()))
                    .into());
            }
        }
    }
    Ok(Change {
        text: Text::New {
            text,
            keep: ours.is_empty(),
        },
        make,
        remove: Vec::new(),
    })
}

/// A policy that this node has; a file's path absolute, since an engine calls from anywhere.
fn checked_policy(engine: Engine, node: &Node, named: &Named) -> anyhow::Result<Option<String>> {
    let Some(policy) = &named.policy else {
        return Ok(None);
    };
    let is_file = policy.contains('/');
    if is_file && !engine.passes_arguments() {
        let fault = Fault::new(format!(
            "runtime `{}` cannot have the file `{policy}` as its policy: this engine gives a runtime no arguments",
            named.name
        ));
        return Err(fault
            .hint(format!(
                "put the file into `{}` and give its name",
                node.config.policy_dir.display()
            ))
            .into());
    }
    let policy = if is_file {
        let path = std::fs::canonicalize(policy)
            .map_err(|error| Fault::new(format!("cannot read policy `{policy}`")).because(error))?;
        path.display().to_string()
    } else {
        policy.clone()
    };
    let request = Request {
        handler: Some(policy.clone()),
        ..Request::default()
    };
    resolve(&request, &node.config).map_err(|error| {
        Fault::new(format!(
            "runtime `{}` cannot have the policy `{policy}`",
            named.name
        ))
        .because(error)
    })?;
    Ok(Some(policy))
}

fn removal(engine: Engine, file: &ConfigFile, args: &Removal) -> anyhow::Result<Change> {
    let fault = |error| cannot_edit(file, error);
    let ours = engine.ours(&file.text).map_err(fault)?;
    let (leaving, staying): (Vec<&Runtime>, Vec<&Runtime>) = ours
        .iter()
        .partition(|have| args.runtimes.is_empty() || args.runtimes.contains(&have.name));
    let names: Vec<String> = leaving.iter().map(|have| have.name.clone()).collect();
    let text = engine.unregister(&file.text, &names).map_err(fault)?;
    let before = file.before();
    // Where our change is the only one since, the file's first text comes back to the byte.
    let only_ours = !leaving.is_empty()
        && staying.is_empty()
        && engine
            .register(before.as_deref().unwrap_or_default(), &ours)
            .is_ok_and(|again| again == file.text);
    let needed = |link: &Link| {
        staying.iter().any(|have| have.program == link.path) || link.is_needed_elsewhere(&file.path)
    };
    let mut remove: Vec<Link> = Vec::new();
    for link in leaving.iter().filter_map(|have| Link::at(&have.program)) {
        if !needed(&link) && !remove.contains(&link) {
            remove.push(link);
        }
    }
    Ok(Change {
        text: if only_ours {
            Text::Before(before)
        } else {
            Text::New { text, keep: false }
        },
        make: Vec::new(),
        remove,
    })
}

impl Change {
    fn carry_out(
        &self,
        engine: Engine,
        file: &ConfigFile,
        dry_run: bool,
        printer: Printer,
    ) -> anyhow::Result<ExitCode> {
        let new = match &self.text {
            Text::New { text, .. } => text,
            Text::Before(text) => text.as_deref().unwrap_or_default(),
        };
        if file.text == *new && self.make.is_empty() && self.remove.is_empty() {
            printer.note(format_args!("`{}` needs no change", file.path.display()));
            return Ok(ExitCode::SUCCESS);
        }
        if dry_run {
            return self.show(file, new, printer);
        }
        self.make_links()?;
        let kept = self.write(file).map_err(|error| {
            // Nothing half-made: the links that were just made go again.
            for link in &self.make {
                let _ = link.remove();
            }
            denied(format!("cannot write `{}`", file.path.display()), error)
        })?;
        for link in &self.make {
            printer.labelled(Tone::Good, "linked", link.path.display());
        }
        if file.text != *new {
            let word = match self.text {
                Text::Before(None) => "removed",
                _ => "written",
            };
            printer.labelled(Tone::Good, word, file.path.display());
        }
        if let Some(kept) = kept {
            printer.note(format_args!("the old file is `{}`", kept.display()));
        }
        for link in &self.remove {
            link.remove().map_err(|error| {
                denied(format!("cannot remove `{}`", link.path.display()), error)
            })?;
            printer.labelled(Tone::Good, "removed", link.path.display());
        }
        if let Some(command) = engine.takes_notice_by().filter(|_| file.text != *new) {
            let hint = format!("run `{command}`, and the engine takes notice");
            printer.labelled(Tone::Hint, "hint", hint);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn show(&self, file: &ConfigFile, new: &str, printer: Printer) -> anyhow::Result<ExitCode> {
        if file.text != *new {
            let difference = diff::lines(&file.text, new);
            printer.data(format_args!("--- {}\n{difference}", file.path.display()))?;
        }
        for (sign, link) in self
            .make
            .iter()
            .map(|link| ('+', link))
            .chain(self.remove.iter().map(|link| ('-', link)))
        {
            printer.data(format_args!(
                "{sign} link {} -> {}",
                link.path.display(),
                link.target.display()
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn make_links(&self) -> anyhow::Result<()> {
        for (at, link) in self.make.iter().enumerate() {
            if let Err(error) = link.make() {
                for made in &self.make[..at] {
                    let _ = made.remove();
                }
                return Err(denied(
                    format!("cannot make the link `{}`", link.path.display()),
                    error,
                )
                .into());
            }
        }
        Ok(())
    }

    fn write(&self, file: &ConfigFile) -> std::io::Result<Option<PathBuf>> {
        match &self.text {
            Text::New { text, .. } if *text == file.text => Ok(None),
            Text::New { text, keep } => file.replace(text, *keep),
            Text::Before(before) => file.restore(before.as_deref()).map(|()| None),
        }
    }
}

fn open(engine: Engine, given: Option<&Path>) -> anyhow::Result<ConfigFile> {
    let path = given.unwrap_or_else(|| engine.usual_file());
    ConfigFile::read(path)
        .map_err(|error| denied(format!("cannot read `{}`", path.display()), error).into())
}

fn cannot_edit(file: &ConfigFile, error: EditError) -> Fault {
    let hint = match &error {
        EditError::IsDefault { key, .. } => Some(format!("choose another `{key}` first")),
        EditError::Foreign { .. } => Some("choose another name with `--runtime NAME`".to_owned()),
        _ => None,
    };
    let (path, place) = (file.path.display(), error.place());
    let fault = match place {
        Some(place) => Fault::new(format!("cannot edit `{path}:{place}`")),
        None => Fault::new(format!("cannot edit `{path}`")),
    };
    let fault = fault.because(error);
    match hint {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn denied(what: String, error: std::io::Error) -> Fault {
    let is_denied = error.kind() == ErrorKind::PermissionDenied;
    let fault = Fault::new(what).because(error);
    if is_denied {
        fault.hint("run the same command with `sudo`")
    } else {
        fault
    }
}
