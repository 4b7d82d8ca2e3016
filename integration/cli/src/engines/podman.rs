//! Podman's `containers.conf`: `[engine.runtimes]`, a list of paths by name.

use toml_edit::{Array, Value};

use super::error::EditError;
use super::toml::{File, set, text_at};
use super::{Runtime, text_of};

const ENGINE: [&str; 1] = ["engine"];
const RUNTIMES: [&str; 2] = ["engine", "runtimes"];

/// All runtimes of the file, each with the first of its paths.
pub fn runtimes(text: &str) -> Result<Vec<Runtime>, EditError> {
    let file = File::read(text)?;
    let Some(table) = file.table(&RUNTIMES)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (name, item) in table.iter() {
        let paths = item
            .as_array()
            .ok_or_else(|| file.shape(&[&RUNTIMES[..], &[name]].concat(), "list of paths"))?;
        let first = paths.iter().find_map(Value::as_str);
        found.push(Runtime {
            name: name.to_owned(),
            program: first.unwrap_or_default().into(),
            policy: None,
        });
    }
    Ok(found)
}

/// Add or correct runtimes.
pub fn register(text: &str, wanted: &[Runtime]) -> Result<String, EditError> {
    let mut file = File::read(text)?;
    for runtime in wanted {
        let program = text_of(&runtime.program)?;
        let style = file.section(&ENGINE, "runtimes", None)?;
        let table = file.make(&RUNTIMES)?;
        set(table, &runtime.name, Array::from_iter([program]), &style);
    }
    Ok(file.text())
}

/// Take runtimes out.
pub fn unregister(text: &str, names: &[String]) -> Result<String, EditError> {
    let mut file = File::read(text)?;
    if let Some(engine) = file.table(&ENGINE)?
        && let Some(name) = text_at(engine, "runtime")
        && names.iter().any(|one| one == name)
    {
        return Err(EditError::IsDefault {
            key: "runtime",
            name: name.to_owned(),
        });
    }
    for name in names {
        file.remove(&[&RUNTIMES[..], &[name]].concat());
    }
    Ok(file.text())
}
