//! From text to tree, with every freedom of YAML that a policy does not need switched off.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, MergeKeyPolicy, Options, Spanned};

use super::{Key, Node, Value, fault};
use crate::source::{Diagnostic, Location, MAX_TEXT_BYTES, Source};

/// Nesting of a policy is at most seven deep; more is no policy.
const MAX_DEPTH: usize = 16;
/// Keys and values in one text: the longest lawful file has some ten thousand.
const MAX_NODES: usize = 100_000;

/// Read one document.
pub(crate) fn parse(source: &Source) -> Result<Node, Box<Diagnostic>> {
    if source.text.len() > MAX_TEXT_BYTES {
        let at = Location {
            file: source.name.as_str().into(),
            line: 1,
            column: 1,
        };
        return Err(source.fault(at, "the text is longer than 1 MiB"));
    }
    serde_saphyr::from_str_with_options::<Node>(&source.text, options())
        .map_err(|error| fault::explain(source, &error))
}

/// Strict: no anchors, no aliases, no merge keys, no foreign tags, one document, `true` and `false` only.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
            max_documents: 1,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_total_scalar_bytes: MAX_TEXT_BYTES,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

/// A place as the parser reports it; unknown places become the text's beginning.
pub(super) fn place(at: serde_saphyr::Location) -> (u32, u32) {
    let fit = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    (fit(at.line()), fit(at.column()))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let (line, column) = place(spanned.referenced);
        Ok(Node {
            value: spanned.value,
            line,
            column,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Int(v.into()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Value, E> {
        Ok(Value::Int(v))
    }

    fn visit_u128<E: serde::de::Error>(self, v: u128) -> Result<Value, E> {
        i128::try_from(v)
            .map(Value::Int)
            .map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Float(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element::<Node>()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut pairs: Vec<(Key, Node)> = Vec::new();
        while let Some(node) = map.next_key::<Node>()? {
            let key = Key {
                text: key_text(node.value).map_err(A::Error::custom)?,
                line: node.line,
                column: node.column,
            };
            pairs.push((key, map.next_value::<Node>()?));
        }
        Ok(Value::Map(pairs))
    }
}

/// Keys are texts; `443:` or `true:` is shown as written so that the fault about it reads well.
fn key_text(value: Value) -> Result<String, &'static str> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Int(number) => Ok(number.to_string()),
        Value::Bool(word) => Ok(word.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => Err("a key must be a text"),
    }
}
