//! CRI-O's `crio.conf`, or a file in `crio.conf.d`: `[crio.runtime.runtimes.NAME]`.

use super::error::EditError;
use super::toml::{File, set, text_at};
use super::{Runtime, text_of};

const RUNTIME: [&str; 2] = ["crio", "runtime"];
const RUNTIMES: [&str; 3] = ["crio", "runtime", "runtimes"];
/// Where the runtime keeps the state of this engine's containers.
const ROOT: &str = "/run/nemoclaw/crio";

/// All runtimes of the file.
pub fn runtimes(text: &str) -> Result<Vec<Runtime>, EditError> {
    let file = File::read(text)?;
    let Some(table) = file.table(&RUNTIMES)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for (name, _) in table.iter() {
        let entry = file.table(&[&RUNTIMES[..], &[name]].concat())?;
        let program = entry.and_then(|entry| text_at(entry, "runtime_path"));
        found.push(Runtime {
            name: name.to_owned(),
            program: program.unwrap_or_default().into(),
            policy: None,
        });
    }
    Ok(found)
}

/// Add or correct runtimes; settings that a person added stay.
pub fn register(text: &str, wanted: &[Runtime]) -> Result<String, EditError> {
    let mut file = File::read(text)?;
    for runtime in wanted {
        let program = text_of(&runtime.program)?;
        let at = [&RUNTIMES[..], &[&runtime.name]].concat();
        let style = file.section(&RUNTIMES, &runtime.name, None)?;
        let table = file.make(&at)?;
        set(table, "runtime_path", program, &style);
        if !table.contains_key("runtime_type") {
            set(table, "runtime_type", "oci", &style);
        }
        if !table.contains_key("runtime_root") {
            set(table, "runtime_root", ROOT, &style);
        }
    }
    Ok(file.text())
}

/// Take runtimes out.
pub fn unregister(text: &str, names: &[String]) -> Result<String, EditError> {
    let mut file = File::read(text)?;
    if let Some(runtime) = file.table(&RUNTIME)?
        && let Some(name) = text_at(runtime, "default_runtime")
        && names.iter().any(|one| one == name)
    {
        return Err(EditError::IsDefault {
            key: "default_runtime",
            name: name.to_owned(),
        });
    }
    for name in names {
        file.remove(&[&RUNTIMES[..], &[name]].concat());
    }
    Ok(file.text())
}
