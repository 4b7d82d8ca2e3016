//! Typed edits of a policy's text: a preset is added to `include`, or taken out of it, and every other byte stays.
//!
//! The place is found in the tree, the text is edited there, and the outcome is read strictly again: it must be the old
//! policy with exactly the preset's entries more, or less. What cannot be shown to be that is no edit.

use std::collections::BTreeSet;

use crate::policy::{NetworkEntry, NetworkLayer};
use crate::source::{Diagnostic, Source};
use crate::yaml::{self, Key, Node, Value};
use crate::{Policy, builtin, suggest};

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
    /// The list stands in a form that is not edited here.
    #[error("the `include` of policy `{policy}` stands in a form that only a person should change")]
    Form {
        /// The policy.
        policy: String,
    },
}

impl EditError {
    /// What helps, where something does.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            EditError::Before(fault) | EditError::After(fault) => fault.hint.clone(),
            EditError::Unknown { hint, .. } => Some(hint.clone()),
            EditError::Form { .. } => {
                Some("write it as `include: [NAME, NAME]`, or with one `- NAME` a line".to_owned())
            }
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

/// A text whose lines end in a line feed, with or without a carriage return before it.
struct Text {
    text: String,
}

impl Text {
    /// `None` where a carriage return stands alone: to YAML it ends a line, to people it does not.
    fn new(text: &str) -> Option<Text> {
        let alone = text.replace("\r\n", "\n").contains('\r');
        (!alone).then(|| Text {
            text: text.to_owned(),
        })
    }

    /// Where a line begins and ends, its end included.
    fn line(&self, line: u32) -> Option<(usize, usize)> {
        let mut start = 0;
        for (number, text) in (1..).zip(self.text.split_inclusive('\n')) {
            if number == line {
                return Some((start, start + text.len()));
            }
            start += text.len();
        }
        None
    }

    /// The byte at a line and column.
    fn offset(&self, line: u32, column: u32) -> Option<usize> {
        let (start, end) = self.line(line)?;
        let wanted = usize::try_from(column).ok()?.checked_sub(1)?;
        let text = &self.text[start..end];
        let mut offsets = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        Some(start + offsets.nth(wanted)?)
    }

    /// How lines end here.
    fn ending(&self) -> &'static str {
        match self.text.split_inclusive('\n').next() {
            Some(first) if first.ends_with("\r\n") => "\r\n",
            _ => "\n",
        }
    }

    /// A whole line after `line`.
    fn line_after(&mut self, line: u32, text: &str) -> Option<()> {
        let (start, end) = self.line(line)?;
        let ending = self.ending();
        let added = if self.text[start..end].ends_with('\n') {
            format!("{text}{ending}")
        } else {
            format!("{ending}{text}")
        };
        self.text.insert_str(end, &added);
        Some(())
    }

    fn insert_line(&mut self, line: u32, indent: &str, preset: &str) -> Option<()> {
        self.line_after(line, &format!("{indent}{INCLUDE}: [{preset}]"))
    }

    /// Add to the list at `node`.
    fn add(&mut self, node: (u32, u32), items: &[Item], preset: &str) -> Option<()> {
        let start = self.offset(node.0, node.1)?;
        let flow = self.text[start..].starts_with('[');
        match (flow, items.last()) {
            (true, None) => self.text.insert_str(start + 1, preset),
            (true, Some(last)) => {
                let (_, end) = self.span(last)?;
                self.text.insert_str(end, &format!(", {preset}"));
            }
            (false, None) => return None,
            (false, Some(last)) => {
                let mark = self.mark(last)?.to_owned();
                self.line_after(last.line, &format!("{mark}{preset}"))?;
            }
        }
        Some(())
    }

    /// Take the item at `place` out of the list at `node`, whose key stands at `key`.
    fn remove(
        &mut self,
        key: (u32, u32),
        node: (u32, u32),
        items: &[Item],
        place: usize,
    ) -> Option<()> {
        let item = items.get(place)?;
        let start = self.offset(node.0, node.1)?;
        if self.text[start..].starts_with('[') {
            return self.remove_in_flow(items, place);
        }
        self.mark(item)?;
        let (_, item_end) = self.span(item)?;
        let (line, end) = self.line(item.line)?;
        let rest = &self.text[item_end..end];
        if rest.trim().is_empty() {
            // The last line without an end: that of the line before goes with it.
            let before = match self.text[line..end].ends_with('\n') {
                true => line,
                false => self.text[..line].trim_end_matches(['\r', '\n']).len(),
            };
            self.text.replace_range(before..end, "");
        } else {
            // A comment stays, at the place of the item.
            let indent = self.text[line..item_end].find('-')?;
            let gap = rest.len() - rest.trim_start().len();
            self.text.replace_range(line + indent..item_end + gap, "");
        }
        if items.len() == 1 {
            let colon = self.offset(key.0, key.1)? + INCLUDE.len();
            if !self.text[colon..].starts_with(':') {
                return None;
            }
            self.text.insert_str(colon + 1, " []");
        }
        Some(())
    }

    fn remove_in_flow(&mut self, items: &[Item], place: usize) -> Option<()> {
        let item = items.get(place)?;
        let (start, end) = self.span(item)?;
        if let Some(before) = place.checked_sub(1).and_then(|before| items.get(before))
            && before.line == item.line
        {
            let (_, before) = self.span(before)?;
            self.text.replace_range(before..end, "");
            return Some(());
        }
        if let Some(next) = items.get(place + 1).filter(|next| next.line == item.line) {
            let (next, _) = self.span(next)?;
            self.text.replace_range(start..next, "");
            return Some(());
        }
        let rest = &self.text[end..];
        let comma = rest.trim_start();
        let end = match comma.strip_prefix(',') {
            Some(after) => self.text.len() - after.len(),
            None => end,
        };
        self.text.replace_range(start..end, "");
        // A line that held nothing else goes too.
        let (line, line_end) = self.line(item.line)?;
        if self.text[line..line_end].trim().is_empty() {
            self.text.replace_range(line..line_end, "");
        }
        Some(())
    }

    /// What stands before an item on its line: blanks and one dash.
    fn mark(&self, item: &Item) -> Option<&str> {
        let (line, _) = self.line(item.line)?;
        let mark = &self.text[line..self.offset(item.line, item.column)?];
        (mark.trim() == "-").then_some(mark)
    }

    /// An item's bytes, quotes included.
    fn span(&self, item: &Item) -> Option<(usize, usize)> {
        let start = self.offset(item.line, item.column)?;
        let rest = &self.text[start..];
        let quote = rest.chars().next().filter(|first| "'\"".contains(*first));
        let written = match quote {
            Some(quote) => format!("{quote}{}{quote}", item.name),
            None => item.name.clone(),
        };
        rest.starts_with(&written)
            .then(|| (start, start + written.len()))
    }
}
