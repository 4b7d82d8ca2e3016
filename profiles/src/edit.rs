//! Typed edits of a policy's text: a preset is added to `include`, or taken out of it, or a key of `inference` gets another
//! value, and every other byte stays.
//!
//! The place is found in the tree, the text is edited there, and the outcome is read strictly again: it must be the old
//! policy with exactly the preset's entries more, or less. What cannot be shown to be that is no edit.

mod inference;
mod text;

use std::collections::BTreeSet;

use crate::policy::{NetworkEntry, NetworkLayer};
use crate::source::{Diagnostic, Source};
use crate::yaml::{self, Key, Node, Value};
use crate::{Policy, builtin, suggest};

pub use inference::inference;
use text::Text;

const INCLUDE: &str = "include";

/// Why a text was not edited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The text as it stands is no policy.
    #[error("{0}")]
    Before(Box<Diagnostic>),
    /// It would be none afterwards.
    #[error("the policy would not load any more: {}", .0.one_line())]
    After(Box<Diagnostic>),
    /// No such preset.
    #[error("there is no preset `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are, or the one that was meant.
        hint: String,
    },
    /// It is there.
    #[error("policy `{policy}` includes the preset `{name}` already")]
    Present {
        /// The policy.
        policy: String,
        /// The preset.
        name: String,
    },
    /// It is not there.
    #[error("policy `{policy}` does not include the preset `{name}`")]
    Absent {
        /// The policy.
        policy: String,
        /// The preset.
        name: String,
    },
    /// What is to change stands in a form that is not edited here.
    #[error("the `{key}` of policy `{policy}` stands in a form that only a person should change")]
    Form {
        /// The policy.
        policy: String,
        /// The key.
        key: &'static str,
    },
}

impl EditError {
    /// What helps, where something does.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            EditError::Before(fault) | EditError::After(fault) => fault.hint.clone(),
            EditError::Unknown { hint, .. } => Some(hint.clone()),
            EditError::Form { key: INCLUDE, .. } => {
                Some("write it as `include: [NAME, NAME]`, or with one `- NAME` a line".to_owned())
            }
            EditError::Form { key, .. } => Some(format!(
                "write `{key}:` on a line of its own, and each of its keys on another below"
            )),
            EditError::Present { .. } | EditError::Absent { .. } => None,
        }
    }
}

/// The text with `preset` in `include`.
///
/// # Errors
/// It is there already, is none, clashes with an entry, or the text is in a form that is not edited.
pub fn include(source: &Source, preset: &str) -> Result<String, EditError> {
    let added = entries_of(preset)?;
    let (before, mut text, list) = opened(source)?;
    let found = match &list {
        List::At { items, .. } => items.iter().any(|item| item.name == preset),
        List::After(_) => false,
    };
    if found {
        return Err(EditError::Present {
            policy: before.name,
            name: preset.to_owned(),
        });
    }
    match list {
        List::After(version) => text.insert_line(version.line, &version.indent, preset),
        List::At { node, items, .. } => text.add(node, &items, preset),
    }
    .ok_or_else(|| form(source))?;
    prove(source, text.text, before, |mut entries| {
        entries.extend(added);
        entries
    })
}

/// The text without `preset` in `include`.
///
/// # Errors
/// It is not there, or the text is in a form that is not edited.
pub fn exclude(source: &Source, preset: &str) -> Result<String, EditError> {
    let gone: BTreeSet<_> = entries_of(preset)?
        .into_iter()
        .map(|entry| entry.key)
        .collect();
    let (before, mut text, list) = opened(source)?;
    let place = match &list {
        List::At { items, .. } => items.iter().position(|item| item.name == preset),
        List::After(_) => None,
    };
    let (List::At { key, node, items }, Some(place)) = (list, place) else {
        return Err(EditError::Absent {
            policy: before.name,
            name: preset.to_owned(),
        });
    };
    text.remove(key, node, &items, place)
        .ok_or_else(|| form(source))?;
    prove(source, text.text, before, |entries| {
        let stays = |entry: &NetworkEntry| !gone.contains(&entry.key);
        entries.into_iter().filter(stays).collect()
    })
}

fn form(source: &Source) -> EditError {
    EditError::Form {
        policy: source.name.clone(),
        key: INCLUDE,
    }
}

fn entries_of(preset: &str) -> Result<Vec<NetworkEntry>, EditError> {
    let Some(text) = builtin::preset(preset) else {
        let known = builtin::preset_names();
        let hint = match suggest::nearest(preset, known) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("known presets: {}", known.join(", ")),
        };
        return Err(EditError::Unknown {
            name: preset.to_owned(),
            hint,
        });
    };
    let policy = Policy::load(&Source::builtin(preset, text)).map_err(EditError::After)?;
    let layers = policy.network.into_iter();
    Ok(layers.flat_map(|layer| layer.entries).collect())
}

/// The outcome, if it is the old policy with its entries changed by `wanted` and nothing else.
fn prove(
    source: &Source,
    text: String,
    before: Policy,
    wanted: impl FnOnce(Vec<NetworkEntry>) -> Vec<NetworkEntry>,
) -> Result<String, EditError> {
    let edited = Source {
        text: text.as_str().into(),
        ..source.clone()
    };
    let after = Policy::load(&edited).map_err(EditError::After)?;
    let mut expected = before;
    let layer = expected.network.pop().unwrap_or_default();
    let entries = wanted(layer.entries);
    expected
        .network
        .push(NetworkLayer::new(layer.policy, entries, layer.resolve));
    if after == expected {
        Ok(text)
    } else {
        Err(form(source))
    }
}

/// An item of the list.
struct Item {
    name: String,
    line: u32,
    column: u32,
}

/// Where a line belongs.
struct Version {
    line: u32,
    indent: String,
}

/// What stands under `include`.
enum List {
    /// The list.
    At {
        key: (u32, u32),
        node: (u32, u32),
        items: Vec<Item>,
    },
    /// None; it belongs behind the version.
    After(Version),
}

fn opened(source: &Source) -> Result<(Policy, Text, List), EditError> {
    let policy = Policy::load(source).map_err(EditError::Before)?;
    let tree = yaml::parse(source).map_err(EditError::Before)?;
    let text = Text::new(&source.text).ok_or_else(|| form(source))?;
    let list = list(&tree, &text).ok_or_else(|| form(source))?;
    Ok((policy, text, list))
}

fn list(tree: &Node, text: &Text) -> Option<List> {
    let Value::Map(pairs) = &tree.value else {
        return None;
    };
    let find = |name: &str| pairs.iter().find(|(key, _)| key.text == name);
    if let Some((key, node)) = find(INCLUDE) {
        let Value::List(nodes) = &node.value else {
            return None;
        };
        let item = |node: &Node| match &node.value {
            Value::Text(name) => Some(Item {
                name: name.clone(),
                line: node.line,
                column: node.column,
            }),
            _ => None,
        };
        return Some(List::At {
            key: place(key),
            node: (node.line, node.column),
            items: nodes.iter().map(item).collect::<Option<_>>()?,
        });
    }
    let (key, version) = find("version")?;
    let start = text.offset(key.line, 1)?;
    let indent = &text.text[start..text.offset(key.line, key.column)?];
    indent.trim().is_empty().then(|| {
        List::After(Version {
            line: version.line,
            indent: indent.to_owned(),
        })
    })
}

fn place(key: &Key) -> (u32, u32) {
    (key.line, key.column)
}
