//! Docker's `daemon.json`: our runtime in it and out of it, as text in and text out.

pub mod diff;

use std::path::Path;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};

/// The runtime's name in Docker.
pub const NAME: &str = "nemoclaw";

/// Why the file cannot be edited.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Not JSON.
    #[error("the file is not JSON")]
    Syntax(#[source] serde_json::Error),
    /// JSON, but not what Docker reads.
    #[error("{0}")]
    Shape(&'static str),
    /// Docker would not start.
    #[error("`default-runtime` is `{NAME}`, and Docker would not start without it")]
    IsDefault,
    /// A value that JSON cannot write; a path that is no UTF-8.
    #[error("the new text cannot be written")]
    Write(#[source] serde_json::Error),
}

/// Add or correct `runtimes.nemoclaw`; every other key stays, in its order.
pub fn register(text: &str, runtime: &Path) -> Result<String, EditError> {
    let mut root = read(text)?;
    let runtimes = root.entry("runtimes").or_insert_with(|| json!({}));
    let runtimes = runtimes
        .as_object_mut()
        .ok_or(EditError::Shape("`runtimes` is no object"))?;
    let entry = runtimes.entry(NAME).or_insert_with(|| json!({}));
    let entry = entry
        .as_object_mut()
        .ok_or(EditError::Shape("`runtimes.nemoclaw` is no object"))?;
    entry.insert(
        "path".to_owned(),
        serde_json::to_value(runtime).map_err(EditError::Write)?,
    );
    write(&root, text)
}

/// Take `runtimes.nemoclaw` out; the same text when it is not there.
pub fn unregister(text: &str) -> Result<String, EditError> {
    let mut root = read(text)?;
    let Some(runtimes) = root.get_mut("runtimes").and_then(Value::as_object_mut) else {
        return Ok(text.to_owned());
    };
    if runtimes.shift_remove(NAME).is_none() {
        return Ok(text.to_owned());
    }
    if runtimes.is_empty() {
        root.shift_remove("runtimes");
    }
    if root.get("default-runtime").is_some_and(|name| name == NAME) {
        return Err(EditError::IsDefault);
    }
    write(&root, text)
}

fn read(text: &str) -> Result<Map<String, Value>, EditError> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_str(text).map_err(EditError::Syntax)? {
        Value::Object(root) => Ok(root),
        _ => Err(EditError::Shape("the file holds no object")),
    }
}

/// Pretty, with the indentation that the old text has.
fn write(root: &Map<String, Value>, old: &str) -> Result<String, EditError> {
    let indented = old
        .lines()
        .find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
    let indent = indented.map_or("  ", |line| &line[..line.len() - line.trim_start().len()]);
    let mut out = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent.as_bytes());
    root.serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .map_err(EditError::Write)?;
    out.push(b'\n');
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "{\n    \"log-driver\": \"local\",\n    \"runtimes\": {\n        \"z\": {\n            \"path\": \"/z\"\n        }\n    },\n    \"a\": 1\n}\n";

    #[test]
    fn other_keys_keep_their_order_and_the_indentation_stays() {
        let new = register(OLD, Path::new("/usr/bin/nemoclaw-runtime")).unwrap();
        assert!(
            new.starts_with(
                "{\n    \"log-driver\": \"local\",\n    \"runtimes\": {\n        \"z\""
            ),
            "{new}"
        );
        assert!(new.find("\"log-driver\"") < new.find("\"a\""));
        assert!(new.contains(
            "        \"nemoclaw\": {\n            \"path\": \"/usr/bin/nemoclaw-runtime\"\n"
        ));
    }

    #[test]
    fn registering_twice_changes_nothing_and_unregistering_restores_the_text() {
        let path = Path::new("/x");
        let once = register(OLD, path).unwrap();
        assert_eq!(register(&once, path).unwrap(), once);
        assert_eq!(unregister(&once).unwrap(), OLD);
        assert_eq!(unregister(OLD).unwrap(), OLD);
        assert_eq!(unregister(&register("", path).unwrap()).unwrap(), "{}\n");
    }

    #[test]
    fn arguments_that_a_person_added_stay() {
        let old = "{\"runtimes\":{\"nemoclaw\":{\"path\":\"/old\",\"runtimeArgs\":[\"--policy\",\"strict\"]}}}";
        let new = register(old, Path::new("/new")).unwrap();
        assert!(
            new.contains("strict") && new.contains("/new") && !new.contains("/old"),
            "{new}"
        );
    }

    #[test]
    fn a_file_that_is_not_docker_s_is_left_alone() {
        assert!(matches!(
            register("{", Path::new("/x")),
            Err(EditError::Syntax(_))
        ));
        assert!(matches!(
            register("[]", Path::new("/x")),
            Err(EditError::Shape(_))
        ));
        assert!(matches!(
            register("{\"runtimes\": 1}", Path::new("/x")),
            Err(EditError::Shape(_))
        ));
        let default =
            "{\"runtimes\":{\"nemoclaw\":{\"path\":\"/x\"}},\"default-runtime\":\"nemoclaw\"}";
        assert!(matches!(unregister(default), Err(EditError::IsDefault)));
    }
}
