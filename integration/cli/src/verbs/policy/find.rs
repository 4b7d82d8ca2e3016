//! What a name stands for: a sandbox by its name, else a file or a policy, else a sandbox by its beginning.

use std::path::{Path, PathBuf};

use nemoclaw_policy::handover::{self, Handover, PolicyText};
use nemoclaw_policy::policy::Authority;
use nemoclaw_policy::{Diagnostic, Policy, Source, builtin, narrow};

use crate::direct::names;
use crate::fault::Fault;
use crate::node::Node;

/// What a name stood for.
pub enum Subject {
    /// A sandbox that the router holds.
    Sandbox(Held),
    /// A policy.
    Policy(Source),
}

/// A sandbox and the policies in force for it.
pub struct Held {
    /// Its name.
    pub name: String,
    /// The policies that are met, in order.
    pub texts: Vec<PolicyText>,
}

impl Subject {
    /// What `given` stands for.
    pub fn find(config: Option<&Path>, given: &str) -> anyhow::Result<Subject> {
        if is_file(given) {
            return Ok(Subject::Policy(file(given)?));
        }
        let node = Node::load(config)?;
        let known = sandboxes(&node)?;
        if known.iter().any(|name| name == given) {
            return Ok(Subject::Sandbox(held(&node, given)?));
        }
        if let Some(source) = named(&node, given)? {
            return Ok(Subject::Policy(source));
        }
        if known.iter().any(|name| name.starts_with(given)) {
            let name = names::find(Some(given), &known)?;
            return Ok(Subject::Sandbox(held(&node, name)?));
        }
        let names = builtin::policy_names().join(", ");
        let fault = Fault::new(format!("there is no policy or sandbox `{given}`"))
            .hint(format!("give a file, or one of: {names}"));
        Err(match nix::unistd::geteuid().is_root() {
            true => fault,
            false => fault.hint("only root sees sandboxes: run the command with sudo"),
        }
        .into())
    }

    /// Its policies, in the order in which they are met. At least one.
    pub fn layers(&self) -> anyhow::Result<Vec<Policy>> {
        match self {
            Subject::Policy(source) => Ok(vec![load(source)?]),
            Subject::Sandbox(held) => held.layers(),
        }
    }

    /// The names of its policies, as providers know them.
    pub fn names(&self) -> Vec<String> {
        match self {
            Subject::Policy(source) => vec![title(source).to_owned()],
            Subject::Sandbox(held) => held.texts.iter().map(|text| text.name.clone()).collect(),
        }
    }

    /// How people know it.
    pub fn title(&self) -> String {
        match self {
            Subject::Policy(source) => format!("policy `{}`", title(source)),
            Subject::Sandbox(held) => format!("sandbox `{}`", held.name),
        }
    }
}

impl Held {
    /// Its policies.
    pub fn layers(&self) -> anyhow::Result<Vec<Policy>> {
        self.texts.iter().map(|text| load(&source(text))).collect()
    }
}

/// A source's name without the mark of embedded ones.
pub fn title(source: &Source) -> &str {
    let prefix = nemoclaw_policy::source::BUILTIN_PREFIX;
    source.name.strip_prefix(prefix).unwrap_or(&source.name)
}

/// What all of `layers` allow.
pub fn met(layers: &[Policy]) -> Option<Policy> {
    layers
        .iter()
        .cloned()
        .reduce(|before, next| narrow::meet(&before, &next))
}

/// A policy, or the fault in it.
pub fn load(source: &Source) -> anyhow::Result<Policy> {
    Ok(load_as(source, Authority::Operator)?.0)
}

/// The same with what a person should know about it.
pub fn load_as(source: &Source, authority: Authority) -> Result<(Policy, Vec<Diagnostic>), Fault> {
    Policy::load_as(source, authority).map_err(|fault| Fault::new(fault.to_string()))
}

/// The text as a source whose name says where it stands.
pub fn source(text: &PolicyText) -> Source {
    match &text.path {
        Some(path) => Source {
            name: with_slash(path),
            path: Some(path.clone()),
            text: text.text.as_str().into(),
        },
        None => Source::builtin(&text.name, &text.text),
    }
}

/// A policy by file or name.
pub fn policy(config: Option<&Path>, given: &str) -> anyhow::Result<Source> {
    if is_file(given) {
        return file(given);
    }
    named(&Node::load(config)?, given)?.ok_or_else(|| {
        let names = builtin::policy_names().join(", ");
        Fault::new(format!("there is no policy `{given}`"))
            .hint(format!("give a file, or one of: {names}"))
            .into()
    })
}

/// The sandbox by name or beginning.
pub fn sandbox(node: &Node, given: &str) -> anyhow::Result<Held> {
    let known = sandboxes(node)?;
    held(node, names::find(Some(given), &known)?)
}

/// Sandboxes that the router keeps; none where this user may not look.
pub fn sandboxes(node: &Node) -> anyhow::Result<Vec<String>> {
    let directory = kept(node);
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => {
            return Err(Fault::new(format!("cannot read `{}`", directory.display()))
                .because(error)
                .into());
        }
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join(handover::FILE).exists())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// What is in force for the sandbox of this very name.
pub fn held(node: &Node, name: &str) -> anyhow::Result<Held> {
    let path = kept(node).join(name).join(handover::FILE);
    let unread = || Fault::new(format!("cannot read `{}`", path.display()));
    let text = std::fs::read(&path).map_err(|error| unread().because(error))?;
    let handover: Handover =
        serde_json::from_slice(&text).map_err(|error| unread().because(error))?;
    Ok(Held {
        name: name.to_owned(),
        texts: handover.policies,
    })
}

fn kept(node: &Node) -> PathBuf {
    node.config.state_dir.join("router")
}

fn is_file(given: &str) -> bool {
    let path = Path::new(given);
    let yaml = path
        .extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml");
    given.contains('/') || yaml || path.is_file()
}

fn file(given: &str) -> anyhow::Result<Source> {
    read(Path::new(given)).map_err(|error| {
        Fault::new(format!("cannot read policy `{given}`"))
            .because(error)
            .into()
    })
}

/// A file whose name has a slash, by which messages tell it from a policy's name.
pub fn read(path: &Path) -> std::io::Result<Source> {
    let source = Source::read(path)?;
    Ok(Source {
        name: with_slash(path),
        ..source
    })
}

fn with_slash(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('/') {
        text
    } else {
        format!("./{text}")
    }
}

/// The node's own, then an embedded one.
fn named(node: &Node, name: &str) -> anyhow::Result<Option<Source>> {
    let path = node.config.policy_dir.join(format!("{name}.yaml"));
    match read(&path) {
        Ok(source) => Ok(Some(source)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(builtin::policy(name).map(|text| Source::builtin(name, text)))
        }
        Err(error) => Err(Fault::new(format!("cannot read `{}`", path.display()))
            .because(error)
            .into()),
    }
}
