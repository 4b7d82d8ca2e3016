//! JSON that can be read in one way only.
//!
//! A sender who wants two readers to see two requests writes a key twice, or in other letters (some readers take `Query`
//! for `query`), or hides what follows behind a NUL. None of that is read here.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Read a whole text as one value. `None`: it is no JSON, deeper than `serde_json` reads (128 levels), not UTF-8, or has
/// a key twice in one object or a NUL in a key.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Value> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some(value)
}

/// Whether every key that some reader could take for one of `known` is written exactly so.
#[must_use]
pub fn in_known_letters(object: &Map<String, Value>, known: &[&str]) -> bool {
    object.keys().all(|key| is_exact_or_other(key, known))
}

/// Whether `key` is one of `known`, or unlike all of them however its letters are folded.
#[must_use]
pub fn is_exact_or_other(key: &str, known: &[&str]) -> bool {
    known.contains(&key) || {
        let folded = fold(key);
        known.iter().all(|word| fold(word) != folded)
    }
}

/// Letters as the most lenient reader compares them: `ſ` is an `s`, the Kelvin sign a `k`.
fn fold(text: &str) -> String {
    text.chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect()
}

/// A text member: `Ok(None)` where it is missing or null.
///
/// # Errors
/// It is something else, or holds a NUL.
pub fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, NotText> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.contains('\0') => Ok(Some(text)),
        Some(_) => Err(NotText),
    }
}

/// A member that should be a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotText;

/// Reads a value, each object with distinct keys.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a key that stands twice")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if key.contains('\0') || object.contains_key(&key) {
                return Err(A::Error::custom("a key stands twice or holds a NUL"));
            }
            object.insert(key, members.next_value_seed(Strict)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth_and_however_it_is_escaped() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"[{"x":{"y":[{"k":1,"k":1}]}}]"#,
            r#"{"a\u0000b":1}"#,
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
        assert!(read(br#"[{"a":1},{"a":2}]"#).is_some(), "two objects");
    }

    #[test]
    fn what_is_not_exactly_one_text_of_json_is_refused() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
        for text in [
            "\u{feff}{}",
            "{} {}",
            "{}\0",
            "{}x",
            "",
            "{a:1}",
            "{'a':1}",
            "[1,]",
            "{} // c",
            "NaN",
            "1e999",
            "01",
            "\"\u{1}\"",
            r#""\ud800""#,
            &deep,
            &objects,
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text:.40}");
        }
        assert_eq!(read(b"\"\xff\""), None, "not UTF-8");
        assert_eq!(read(b"{\"\xc0\xa0\":1}"), None, "an overlong form");
    }

    #[test]
    fn letters_are_compared_as_the_most_lenient_reader_does() {
        let object = |text: &str| match read(text.as_bytes()) {
            Some(Value::Object(object)) => object,
            other => panic!("{other:?}"),
        };
        let known = ["query", "kind", "params"];
        assert!(in_known_letters(
            &object(r#"{"query":1,"other":2}"#),
            &known
        ));
        for text in [
            r#"{"Query":1}"#,
            r#"{"query":1,"QUERY":1}"#,
            "{\"\u{212a}ind\":1}",
            "{\"param\u{17f}\":1}",
        ] {
            assert!(!in_known_letters(&object(text), &known), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_any_reader_of_json_sees(text in "[\\[\\]{}:,\"a-c0-2.eE+\\\\u -]{0,40}|\\PC{0,24}") {
            if let Some(value) = read(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
            }
        }

        #[test]
        fn every_value_without_twins_is_read(keys in proptest::collection::btree_set("\\PC{0,6}", 0..6), number in any::<f64>()) {
            let object: Map<String, Value> = keys.into_iter().map(|key| (key, Value::from(number))).collect();
            let text = Value::Object(object.clone()).to_string();
            prop_assert_eq!(read(text.as_bytes()), serde_json::from_str(&text).ok());
        }
    }
}
