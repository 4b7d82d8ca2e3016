//! Which policy a box gets, in the order of the design: handler, node, built-in; then names that may narrow.
//!
//! 1. The handler's policy: `--policy NAME|FILE` or the name in argv[0]; else the node's `default_policy`.
//! 2. The annotation names one of the node's `selectable`. It is met with the first; an entry marked `widens` takes
//!    its place instead. Annotations come from whoever starts the box.
//! 3. The environment names one of `selectable` too, and is always met, marked or not: an image may set it, and an
//!    image never widens.
//! 4. `ceiling.yaml` beside the node's configuration is met with the outcome.
//!
//! A policy of mode `unconfined` needs an entry of its own in `selectable`, whoever asks, the node's default included;
//! a file that is no name can therefore never be one.

use std::path::{Path, PathBuf};

use crate::builtin;
use crate::device::DeviceName;
use crate::handover::PolicyText;
use crate::narrow;
use crate::node::{NodeConfig, is_policy_name};
use crate::policy::{Authority, Mode, Policy};
use crate::source::{Diagnostic, Source};
use crate::trust;

mod error;

pub use error::ResolveError;

/// Who asked for what.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--policy NAME|FILE`, or the name in argv[0] (`nemoclaw-runtime.NAME`).
    pub handler: Option<String>,
    /// The annotation `nemoclaw.dev/policy`.
    pub annotation: Option<String>,
    /// `NEMOCLAW_POLICY` in the process's environment (an image may set it: it never widens).
    pub environment: Option<String>,
    /// The Kubernetes namespace of the box's pod, as its engine says: some names are offered in some namespaces only.
    pub namespace: Option<String>,
    /// Host directories that the box can write (mount sources): a policy file below one of them is refused.
    pub writable_mounts: Vec<PathBuf>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The policy in force.
    pub policy: Policy,
    /// Its texts, for the router.
    pub texts: Vec<PolicyText>,
    /// What to write to the log (a relaxation was chosen, a request was clipped).
    pub remarks: Vec<String>,
}

/// A policy with its text and the name it was chosen by.
struct Loaded {
    policy: Policy,
    text: PolicyText,
}

/// Choose and load. `unconfined` needs an entry in `selectable`, whoever asks.
///
/// # Errors
/// An unknown or unselectable name, a fault in a file, a file that the box or others could write: one sentence each.
pub fn resolve(request: &Request, node: &NodeConfig) -> Result<Resolved, ResolveError> {
    let mut chooser = Chooser {
        node,
        mounts: &request.writable_mounts,
        namespace: request.namespace.as_deref(),
        remarks: Vec::new(),
    };
    let handler = match request
        .handler
        .as_deref()
        .filter(|choice| !choice.is_empty())
    {
        Some(choice) => choice,
        None => &node.default_policy,
    };
    let mut layers = vec![chooser.load(handler)?];
    if let Some(name) = request
        .annotation
        .as_deref()
        .filter(|name| !name.is_empty())
    {
        let (loaded, widens) = chooser.select(name, Asker::Annotation)?;
        if widens {
            chooser.remarks.push(format!(
                "policy `{name}` replaces `{}`: the annotation asked for it and the node's `selectable` lets it widen",
                layers[0].text.name
            ));
            layers.clear();
        }
        layers.push(loaded);
    }
    if let Some(name) = request
        .environment
        .as_deref()
        .filter(|name| !name.is_empty())
    {
        layers.push(chooser.select(name, Asker::Environment)?.0);
    }
    layers.extend(chooser.ceiling()?);
    chooser.meet(layers)
}

/// Who named a policy that must be selectable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asker {
    /// `nemoclaw.dev/policy`.
    Annotation,
    /// `NEMOCLAW_POLICY`.
    Environment,
}

impl std::fmt::Display for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Asker::Annotation => "the annotation `nemoclaw.dev/policy`",
            Asker::Environment => "the environment variable `NEMOCLAW_POLICY`",
        })
    }
}

struct Chooser<'a> {
    node: &'a NodeConfig,
    mounts: &'a [PathBuf],
    namespace: Option<&'a str>,
    remarks: Vec<String>,
}

impl Chooser<'_> {
    /// The operator's own choice: a name, or a file.
    fn load(&mut self, choice: &str) -> Result<Loaded, ResolveError> {
        let is_file = choice.contains('/') || choice.ends_with(".yaml") || choice.ends_with(".yml");
        let loaded = if is_file {
            self.file(Path::new(choice))?
        } else {
            self.named(choice)?
        };
        let offered = self.node.selectable(choice, self.namespace);
        if loaded.policy.mode == Mode::Unconfined && offered.is_none() {
            return Err(ResolveError::Unconfined {
                name: choice.to_owned(),
                config: self.config(),
            });
        }
        Ok(loaded)
    }

    /// A name that the annotation or the environment gave.
    fn select(&mut self, name: &str, asker: Asker) -> Result<(Loaded, bool), ResolveError> {
        let Some(entry) = self.node.selectable(name, self.namespace) else {
            let known = self
                .node
                .selectable_in(self.namespace)
                .iter()
                .map(|entry| entry.name.as_str())
                .collect::<Vec<_>>()
                .join(", ");
            return Err(ResolveError::NotSelectable {
                name: name.to_owned(),
                asker,
                known,
                config: self.config(),
            });
        };
        let loaded = self.named(name)?;
        if entry.widens && asker == Asker::Environment {
            self.remarks.push(format!(
                "policy `{name}` only narrows here: {asker} may come from the image"
            ));
        }
        Ok((loaded, entry.widens && asker == Asker::Annotation))
    }

    /// A file of the node's `policy_dir`, else an embedded policy.
    fn named(&mut self, name: &str) -> Result<Loaded, ResolveError> {
        if !is_policy_name(name) {
            return Err(ResolveError::BadName {
                name: name.to_owned(),
            });
        }
        let path = self.node.policy_dir.join(format!("{name}.yaml"));
        if path.exists() {
            let trusted = trust::read(&path, self.mounts).map_err(ResolveError::Untrusted)?;
            let authority = if trusted.of_root {
                Authority::Operator
            } else {
                Authority::User
            };
            return self.checked(name, trusted.source, authority);
        }
        match builtin::policy(name) {
            Some(text) => self.checked(name, Source::builtin(name, text), Authority::Operator),
            None => Err(ResolveError::UnknownName {
                name: name.to_owned(),
                known: self.known_names().join(", "),
                directory: self.node.policy_dir.clone(),
            }),
        }
    }

    fn file(&mut self, path: &Path) -> Result<Loaded, ResolveError> {
        let trusted = trust::read(path, self.mounts).map_err(ResolveError::Untrusted)?;
        let name = trusted.source.name.clone();
        self.checked(&name, trusted.source, Authority::User)
    }

    fn ceiling(&mut self) -> Result<Option<Loaded>, ResolveError> {
        let path = self.node.ceiling_path();
        if !path.exists() {
            return Ok(None);
        }
        let trusted = trust::read(&path, self.mounts).map_err(ResolveError::Untrusted)?;
        let authority = if trusted.of_root {
            Authority::Operator
        } else {
            Authority::User
        };
        self.checked("ceiling", trusted.source, authority).map(Some)
    }

    fn checked(
        &mut self,
        name: &str,
        source: Source,
        authority: Authority,
    ) -> Result<Loaded, ResolveError> {
        let (mut policy, warnings) =
            Policy::load_as(&source, authority).map_err(ResolveError::Fault)?;
        policy.name = name.to_owned();
        self.remarks
            .extend(warnings.iter().map(Diagnostic::one_line));
        let text = PolicyText {
            name: name.to_owned(),
            path: source.path,
            text: source.text.to_string(),
        };
        Ok(Loaded { policy, text })
    }

    fn known_names(&self) -> Vec<String> {
        let mut names: Vec<String> = builtin::policy_names()
            .iter()
            .map(|name| (*name).to_owned())
            .collect();
        let files = std::fs::read_dir(&self.node.policy_dir)
            .into_iter()
            .flatten()
            .flatten();
        names.extend(files.filter_map(|file| {
            file.file_name()
                .to_str()?
                .strip_suffix(".yaml")
                .map(str::to_owned)
        }));
        names.sort();
        names.dedup();
        names
    }

    fn config(&self) -> PathBuf {
        self.node
            .path
            .clone()
            .unwrap_or_else(|| crate::node::DEFAULT_PATH.into())
    }

    fn meet(mut self, layers: Vec<Loaded>) -> Result<Resolved, ResolveError> {
        let mut texts: Vec<PolicyText> = Vec::with_capacity(layers.len());
        let mut met: Option<Policy> = None;
        let unconfined = |loaded: &&Loaded| loaded.policy.mode == Mode::Unconfined;
        let neutral: Vec<String> = layers
            .iter()
            .filter(unconfined)
            .map(|loaded| loaded.text.name.clone())
            .collect();
        let asked: Vec<(String, DeviceName)> = layers
            .iter()
            .map(|loaded| &loaded.policy)
            .flat_map(|policy| {
                let named = |device: &DeviceName| (policy.name.clone(), device.clone());
                policy.devices.requested().iter().map(named)
            })
            .collect();
        for Loaded { policy, text } in layers {
            let next = match met.take() {
                None => policy,
                Some(so_far) => {
                    if let Some(key) = narrow::identity_conflict(&so_far, &policy) {
                        return Err(ResolveError::Conflict {
                            key,
                            first: so_far.name,
                            second: policy.name,
                        });
                    }
                    match text.path.as_deref() == Some(&*self.node.ceiling_path()) {
                        true => self.remark_ceiling(&so_far, &policy),
                        false => self.remark_clipped(&so_far, &policy),
                    }
                    narrow::meet(&so_far, &policy)
                }
            };
            met = Some(next);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let policy = met.ok_or(ResolveError::Nothing)?;
        remarks_on_devices(&asked, &policy, &mut self.remarks);
        if policy.mode != Mode::Unconfined {
            // Met with another, an unconfined policy says nothing; the router need not know of it.
            texts.retain(|text| !neutral.contains(&text.name));
        }
        match policy.mode {
            Mode::Unconfined => self.remarks.push(format!(
                "policy `{}`: this container is no sandbox",
                policy.name
            )),
            Mode::Relaxed => self
                .remarks
                .push(format!("policy `{}` relaxes the sandbox", policy.name)),
            Mode::Confined | Mode::Offline => {}
        }
        if policy.landlock.best_effort && policy.mode != Mode::Unconfined {
            self.remarks.push(format!(
                "policy `{}` accepts a kernel without all of Landlock",
                policy.name
            ));
        }
        Ok(Resolved {
            policy,
            texts,
            remarks: self.remarks,
        })
    }

    fn remark_ceiling(&mut self, so_far: &Policy, ceiling: &Policy) {
        if let Err(taken) = narrow::is_within(so_far, ceiling) {
            self.remarks.push(format!(
                "the node's ceiling takes from policy `{}`: {}",
                so_far.name,
                taken_words(&taken)
            ));
        }
    }

    fn remark_clipped(&mut self, so_far: &Policy, next: &Policy) {
        if next.mode > so_far.mode {
            self.remarks.push(format!(
                "policy `{}` is {}, but is met with `{}` and so cannot widen it",
                next.name,
                next.mode.word(),
                so_far.name
            ));
        }
    }
}

/// What the ceiling takes away, shortly: one part of each key, and how many there are.
fn taken_words(taken: &[narrow::Widening]) -> String {
    const SHOWN: usize = 6;
    let mut words: Vec<String> = Vec::new();
    let mut keys: Vec<narrow::Axis> = Vec::new();
    for one in taken {
        if keys.contains(&one.axis) {
            continue;
        }
        keys.push(one.axis);
        words.push(format!("{} ({}, has {})", one.axis, one.asked, one.has));
    }
    let more = words.len().saturating_sub(SHOWN);
    words.truncate(SHOWN);
    match more {
        0 => words.join("; "),
        more => format!("{}; and {more} keys more", words.join("; ")),
    }
}

/// A device that one policy gives and another does not list is not given; whoever misses it should read why.
fn remarks_on_devices(asked: &[(String, DeviceName)], met: &Policy, remarks: &mut Vec<String>) {
    let lost = |device: &DeviceName| !met.devices.requested().contains(device);
    remarks.extend(asked.iter().filter(|(_, device)| lost(device)).map(
        |(policy, device)| {
            format!(
                "policy `{policy}` gives the device `{device}`, but not each of `{}` lists it under `devices`: it is not given",
                met.name
            )
        },
    ));
}
