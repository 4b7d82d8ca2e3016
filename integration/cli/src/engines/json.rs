//! JSON that keeps its text: members put into objects and taken out by cutting and pasting.
//!
//! A text is read by `serde_json` first. What follows only looks for where things stand in a text that is known to be
//! JSON, so it can be short.

use std::ops::Range;

use serde_json::Value;

use super::error::{EditError, Place};

/// A member of an object by its bytes.
#[derive(Debug)]
struct Member {
    key: String,
    /// From the key's quote to the value's end.
    whole: Range<usize>,
    value: Range<usize>,
}

/// Read a text whose root must be an object; nothing at all is an empty one.
pub fn read(text: &str) -> Result<Value, EditError> {
    if text.trim().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let place = Place::at(error.line(), error.column());
        let said = error.to_string();
        let message = said.split(" at line ").next().unwrap_or(&said);
        EditError::Syntax {
            place,
            message: format!("no JSON: {message}"),
        }
    })?;
    if value.is_object() {
        return Ok(value);
    }
    Err(EditError::Shape {
        place: Place::of(text, text.len() - text.trim_start().len()),
        key: "the file".to_owned(),
        expected: "object",
    })
}

/// The place of the value at `path`.
pub fn place(text: &str, path: &[&str]) -> Place {
    Place::of(text, find(text, path).map_or(0, |range| range.start))
}

/// Set the value at `path`; objects on the way that are missing are made. The text's root is an object, or nothing.
pub fn set(text: &str, path: &[&str], value: &Value) -> String {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    if let Some(range) = find(text, path) {
        let indent = indent_of_line(text, range.start);
        return splice(text, range, &pretty(value, &indent, unit(text)));
    }
    let (last, before) = path.split_last().unwrap_or((&"", &[]));
    match find(text, before) {
        Some(object) => append(text, object.start, last, value),
        None => {
            let mut inner = serde_json::Map::new();
            inner.insert((*last).to_owned(), value.clone());
            set(text, before, &Value::Object(inner))
        }
    }
}

/// Take the member at `path` out, if it is there.
pub fn remove(text: &str, path: &[&str]) -> String {
    let Some((last, before)) = path.split_last() else {
        return text.to_owned();
    };
    let Some(object) = find(text, before) else {
        return text.to_owned();
    };
    let members = members(text, object.start);
    let Some(at) = members.iter().rposition(|member| member.key == *last) else {
        return text.to_owned();
    };
    let cut = match (at.checked_sub(1), members.get(at + 1)) {
        (Some(previous), _) => members[previous].whole.end..members[at].whole.end,
        (None, Some(next)) => members[at].whole.start..next.whole.start,
        (None, None) => object.start + 1..object.end - 1,
    };
    splice(text, cut, "")
}

/// Put a member at the end of the object that begins at `start`.
fn append(text: &str, start: usize, key: &str, value: &Value) -> String {
    let quoted = Value::from(key).to_string();
    let line_indent = indent_of_line(text, start);
    match members(text, start).last() {
        None => {
            let indent = format!("{line_indent}{}", unit(text));
            let value = pretty(value, &indent, unit(text));
            let inner = format!("\n{indent}{quoted}: {value}\n{line_indent}");
            splice(text, start + 1..end_of(text, start) - 1, &inner)
        }
        Some(last) => {
            let line = text[..last.whole.start].rfind('\n').map_or(0, |at| at + 1);
            let alone = text[line..last.whole.start].trim().is_empty();
            let new = if alone {
                let indent = indent_of_line(text, last.whole.start);
                format!(
                    ",\n{indent}{quoted}: {}",
                    pretty(value, &indent, unit(text))
                )
            } else {
                format!(", {quoted}: {value}")
            };
            splice(text, last.whole.end..last.whole.end, &new)
        }
    }
}

/// The bytes of the value at `path`.
fn find(text: &str, path: &[&str]) -> Option<Range<usize>> {
    let start = text.len() - text.trim_start().len();
    let mut range = start..end_of(text, start);
    for key in path {
        if text.as_bytes().get(range.start) != Some(&b'{') {
            return None;
        }
        // Of two members with one key, readers take the last.
        let members = members(text, range.start);
        range = members
            .into_iter()
            .rfind(|member| member.key == *key)?
            .value;
    }
    Some(range)
}

/// The members of the object that begins at `start`.
fn members(text: &str, start: usize) -> Vec<Member> {
    let mut found = Vec::new();
    let mut at = skip_space(text, start + 1);
    while text.as_bytes().get(at) == Some(&b'"') {
        let key_end = end_of(text, at);
        let colon = skip_space(text, key_end);
        let value = skip_space(text, colon + 1);
        let end = end_of(text, value);
        found.push(Member {
            key: serde_json::from_str(&text[at..key_end]).unwrap_or_default(),
            whole: at..end,
            value: value..end,
        });
        at = skip_space(text, end);
        if text.as_bytes().get(at) == Some(&b',') {
            at = skip_space(text, at + 1);
        }
    }
    found
}

/// Where the value that begins at `start` ends.
fn end_of(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                if !in_string && depth == 0 {
                    return at + 1;
                }
            }
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            // A number or word at the end of its object or list.
            b'}' | b']' | b',' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
    }
    bytes.len()
}

fn skip_space(text: &str, from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    from + rest.len() - rest.trim_start().len()
}

fn splice(text: &str, range: Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..range.start], &text[range.end..])
}

/// The white space at the beginning of the line of a byte.
fn indent_of_line(text: &str, byte: usize) -> String {
    let line = &text[text[..byte].rfind('\n').map_or(0, |at| at + 1)..];
    line[..line.len() - line.trim_start_matches([' ', '\t']).len()].to_owned()
}

/// One step of the text's indentation: the first that is seen.
fn unit(text: &str) -> &str {
    let indented = text
        .lines()
        .find(|line| line.starts_with([' ', '\t']) && !line.trim().is_empty());
    indented.map_or("  ", |line| &line[..line.len() - line.trim_start().len()])
}

/// A value over several lines, for a place whose line begins with `indent`.
fn pretty(value: &Value, indent: &str, unit: &str) -> String {
    let inner = format!("{indent}{unit}");
    let lines = |open: char, close: char, list: Vec<String>| {
        format!(
            "{open}\n{inner}{}\n{indent}{close}",
            list.join(&format!(",\n{inner}"))
        )
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let member = |(key, value): (&String, &Value)| {
                format!(
                    "{}: {}",
                    Value::from(key.as_str()),
                    pretty(value, &inner, unit)
                )
            };
            lines('{', '}', map.iter().map(member).collect())
        }
        // The lists that are written here are argument lists: they read best in one line.
        Value::Array(list) => {
            let list: Vec<String> = list.iter().map(Value::to_string).collect();
            format!("[{}]", list.join(", "))
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any value of a few levels; texts hold what a careless scanner trips over.
    fn value() -> impl Strategy<Value = Value> {
        let text = "[a-z{}\\[\\]\",:\\\\ é\n]{0,6}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-z\"\\\\é}]{1,4}", value(), 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    fn written(value: &Value, how: u8) -> String {
        match how {
            0 => value.to_string(),
            1 => pretty(value, "", "\t"),
            _ => serde_json::to_string_pretty(value).unwrap() + "\n",
        }
    }

    proptest! {
        #[test]
        fn what_is_set_is_there_and_all_else_is_as_it_was(root in object(), new in value(), how in 0_u8..3) {
            let text = written(&root, how);
            let path = ["RUNTIMES", "x"];
            let set = set(&text, &path, &new);
            let mut expected = root.clone();
            expected["RUNTIMES"] = json!({ "x": new });
            prop_assert_eq!(&read(&set).unwrap(), &expected, "{}", set);
            // Setting again replaces, and taking out is the inverse.
            let other = super::set(&set, &path, &json!({ "y": [1] }));
            expected["RUNTIMES"]["x"] = json!({ "y": [1] });
            prop_assert_eq!(&read(&other).unwrap(), &expected, "{}", other);
            let gone = remove(&other, &["RUNTIMES"]);
            if root.as_object().is_some_and(|map| !map.is_empty()) {
                prop_assert_eq!(gone, text);
            } else {
                prop_assert_eq!(read(&gone).unwrap(), root);
            }
        }

        #[test]
        fn any_member_can_go(root in object(), how in 0_u8..3) {
            for key in root.as_object().unwrap().keys() {
                let gone = remove(&written(&root, how), &[key]);
                let mut expected = root.clone();
                expected.as_object_mut().unwrap().shift_remove(key);
                prop_assert_eq!(&read(&gone).unwrap(), &expected, "{}", gone);
            }
        }
    }
}
