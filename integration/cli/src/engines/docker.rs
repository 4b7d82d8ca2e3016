//! Docker's `daemon.json`: `runtimes.NAME` with a path and arguments.

use serde_json::{Value, json};

use super::error::EditError;
use super::{Runtime, json as edits, text_of};

const RUNTIMES: &str = "runtimes";
const DEFAULT: &str = "default-runtime";
const POLICY: &str = "--policy";

/// All runtimes of the file.
pub fn runtimes(text: &str) -> Result<Vec<Runtime>, EditError> {
    let root = edits::read(text)?;
    let Some(table) = root.get(RUNTIMES) else {
        return Ok(Vec::new());
    };
    let table = table
        .as_object()
        .ok_or_else(|| shape(text, &[RUNTIMES], "object"))?;
    let read = |(name, entry): (&String, &Value)| {
        if !entry.is_object() {
            return Err(shape(text, &[RUNTIMES, name], "object"));
        }
        let arguments = arguments(text, name, entry)?;
        let mut after = arguments.iter().skip_while(|word| *word != POLICY).skip(1);
        Ok(Runtime {
            name: name.clone(),
            program: entry["path"].as_str().unwrap_or_default().into(),
            policy: after.next().cloned(),
        })
    };
    table.iter().map(read).collect()
}

/// Add or correct runtimes; arguments that a person added stay.
pub fn register(text: &str, wanted: &[Runtime]) -> Result<String, EditError> {
    let mut text = text.to_owned();
    for runtime in wanted {
        let there = runtimes(&text)?;
        let there = there.iter().find(|have| have.name == runtime.name);
        let path = text_of(&runtime.program)?;
        let at = [RUNTIMES, runtime.name.as_str()];
        match there {
            None => {
                let mut entry = json!({ "path": path });
                if let Some(policy) = &runtime.policy {
                    entry["runtimeArgs"] = json!([POLICY, policy]);
                }
                text = edits::set(&text, &at, &entry);
            }
            Some(have) => {
                if have.program != runtime.program {
                    text = edits::set(&text, &[at[0], at[1], "path"], &json!(path));
                }
                if let Some(policy) = &runtime.policy
                    && have.policy.as_ref() != Some(policy)
                {
                    let root = edits::read(&text)?;
                    let old = arguments(&text, &runtime.name, &root[RUNTIMES][&runtime.name])?;
                    let new = json!(with_policy(old, policy));
                    text = edits::set(&text, &[at[0], at[1], "runtimeArgs"], &new);
                }
            }
        }
    }
    Ok(text)
}

/// Take runtimes out.
pub fn unregister(text: &str, names: &[String]) -> Result<String, EditError> {
    let root = edits::read(text)?;
    if let Some(name) = root.get(DEFAULT).and_then(Value::as_str)
        && names.iter().any(|one| one == name)
    {
        return Err(EditError::IsDefault {
            key: DEFAULT,
            name: name.to_owned(),
        });
    }
    let mut new = text.to_owned();
    for name in names {
        new = edits::remove(&new, &[RUNTIMES, name]);
    }
    if new != text && runtimes(&new)?.is_empty() {
        new = edits::remove(&new, &[RUNTIMES]);
    }
    Ok(new)
}

/// The arguments of an entry.
fn arguments(text: &str, name: &str, entry: &Value) -> Result<Vec<String>, EditError> {
    let Some(list) = entry.get("runtimeArgs") else {
        return Ok(Vec::new());
    };
    let words = list.as_array().and_then(|list| {
        let words = list.iter().map(|word| word.as_str().map(str::to_owned));
        words.collect::<Option<Vec<_>>>()
    });
    words.ok_or_else(|| shape(text, &[RUNTIMES, name, "runtimeArgs"], "list of texts"))
}

/// The arguments with one policy, in its old place if it had one.
fn with_policy(mut arguments: Vec<String>, policy: &str) -> Vec<String> {
    match arguments.iter().position(|word| word == POLICY) {
        Some(at) => match arguments.get_mut(at + 1) {
            Some(old) => policy.clone_into(old),
            None => arguments.push(policy.to_owned()),
        },
        None => arguments.extend([POLICY.to_owned(), policy.to_owned()]),
    }
    arguments
}

fn shape(text: &str, path: &[&str], expected: &'static str) -> EditError {
    EditError::Shape {
        place: edits::place(text, path),
        key: path.join("."),
        expected,
    }
}
