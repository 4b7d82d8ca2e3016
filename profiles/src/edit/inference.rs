//! A key below `inference` gets another value.

use super::EditError;
use super::text::Text;
use crate::Policy;
use crate::policy::{Inference, ModelBudgets};
use crate::source::Source;
use crate::yaml::{self, Key, Node, Value};

const INFERENCE: &str = "inference";

/// The text with `key: value` below `inference`, whatever stood there; what `value` has behind its first line stands
/// below the key, as deep as it says.
///
/// # Errors
/// The text is no policy or would be none, it is in a form that is not edited, or more would change than the key.
pub fn inference(source: &Source, key: &'static str, value: &str) -> Result<String, EditError> {
    let form = || EditError::Form {
        policy: source.name.clone(),
        key: INFERENCE,
    };
    let before = Policy::load(source).map_err(EditError::Before)?;
    let tree = yaml::parse(source).map_err(EditError::Before)?;
    let mut text = Text::new(&source.text).ok_or_else(form)?;
    put(&mut text, &tree, key, value).ok_or_else(form)?;
    let edited = Source {
        text: text.text.as_str().into(),
        ..source.clone()
    };
    let after = Policy::load(&edited).map_err(EditError::After)?;
    if only(before, &after, key) {
        Ok(text.text)
    } else {
        Err(form())
    }
}

fn put(text: &mut Text, tree: &Node, key: &str, value: &str) -> Option<()> {
    let Value::Map(pairs) = &tree.value else {
        return None;
    };
    let find = |name: &str| pairs.iter().find(|(key, _)| key.text == name);
    let Some((own, node)) = find(INFERENCE) else {
        let (version, node) = find("version")?;
        let indent = indent(text, version)?;
        let block = format!("{indent}{INFERENCE}:\n{}", block(key, value, &indent));
        return text.line_after(node.line, &block);
    };
    let outer = indent(text, own)?;
    let Value::Map(children) = &node.value else {
        return None;
    };
    if let Some((child, _)) = children.iter().find(|(child, _)| child.text == key) {
        let depth = indent(text, child)?;
        let shorter = depth.get(..depth.len().checked_sub(STEP.len())?)?;
        let end = end_of(text, child)?;
        return text.replace_lines(child.line, end, &block(key, value, shorter));
    }
    let Some((first, _)) = children.first() else {
        let start = text.offset(node.line, node.column)?;
        if !text.text[start..].starts_with("{}") {
            return None;
        }
        text.text.replace_range(start..start + 2, "");
        return text.line_after(own.line, &block(key, value, &outer));
    };
    // As deep as those that are there.
    let depth = indent(text, first)?;
    let shorter = depth.get(..depth.len().checked_sub(STEP.len())?)?;
    text.line_after(own.line, &block(key, value, shorter))
}

/// How much deeper a key stands.
const STEP: &str = "  ";

/// The key and its value, one step deeper than `indent`.
fn block(key: &str, value: &str, indent: &str) -> String {
    let mut lines = value.lines();
    let mut block = format!("{indent}{STEP}{key}: {}", lines.next().unwrap_or_default());
    block.truncate(block.trim_end().len());
    for line in lines {
        block.push_str(&format!("\n{indent}{STEP}{line}"));
    }
    block
}

/// The blanks before a key that begins its line.
fn indent(text: &Text, key: &Key) -> Option<String> {
    let start = text.offset(key.line, 1)?;
    let before = &text.text[start..text.offset(key.line, key.column)?];
    before.chars().all(|c| c == ' ').then(|| before.to_owned())
}

/// The last line of a key's value: of those below it that stand deeper, or are items at its own depth.
fn end_of(text: &Text, key: &Key) -> Option<u32> {
    let depth = usize::try_from(key.column).ok()?.checked_sub(1)?;
    let mut end = key.line;
    for (number, line) in (1..)
        .zip(text.text.lines())
        .skip(usize::try_from(key.line).ok()?)
    {
        let bare = line.trim_start();
        let stands = line.len() - bare.len();
        if bare.is_empty() {
            continue;
        }
        let item = stands == depth && (bare == "-" || bare.starts_with("- "));
        if stands <= depth && !item {
            break;
        }
        // A comment may be that of what follows.
        if !bare.starts_with('#') {
            end = number;
        }
    }
    Some(end)
}

/// Whether nothing but the key is another.
fn only(mut before: Policy, after: &Policy, key: &str) -> bool {
    let ([own], [new]) = (before.models.as_mut_slice(), after.models.as_slice()) else {
        return false;
    };
    let mut expected = own.inference.take().unwrap_or(Inference {
        hosts: Vec::new(),
        providers: None,
        residency: None,
        routes: Vec::new(),
        budgets: ModelBudgets::default(),
    });
    let Some(now) = &new.inference else {
        return false;
    };
    match key {
        "hosts" => expected.hosts.clone_from(&now.hosts),
        "providers" => expected.providers.clone_from(&now.providers),
        "residency" => expected.residency.clone_from(&now.residency),
        "routes" => expected.routes.clone_from(&now.routes),
        "budgets" => expected.budgets = now.budgets,
        _ => return false,
    }
    own.inference = Some(expected);
    before == *after
}
