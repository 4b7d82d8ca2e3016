//! Strict reading.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Json, Object};

/// Why bytes are no JSON that has one meaning only. It says where, never what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// The grammar is broken, it is deeper than 128 levels, or it is not UTF-8.
    #[error("not well-formed JSON of at most 128 levels (line {line}, column {column})")]
    Broken {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// Two readers could take one of two values.
    #[error(
        "an object with a key that stands twice or holds a NUL (before line {line}, column {column})"
    )]
    Twice {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
    /// More small values than any request has: reading them takes many times their own memory.
    #[error(
        "JSON of more than {MOST_VALUES} values, or with an object of more than {MOST_KEYS} keys (before line {line}, column {column})"
    )]
    TooMany {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
}

/// How many values a request may have, all together.
const MOST_VALUES: usize = 400_000;
/// How many keys an object in a request may have.
const MOST_KEYS: usize = 1024;

/// Beyond this many keys twins are looked for by sorting.
const FEW: usize = 16;

/// Read a whole text; a `bounded` one is not believed to be of a sensible size.
pub fn read(bytes: &[u8], bounded: bool) -> Result<Json, NotJson> {
    let left = Left {
        values: Cell::new(if bounded { MOST_VALUES } else { usize::MAX }),
        keys: if bounded { MOST_KEYS } else { usize::MAX },
        out: Cell::new(false),
    };
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let value = Strict(&left)
        .deserialize(&mut from)
        .map_err(|error| told(&error, &left))?;
    from.end().map_err(|error| told(&error, &left))?;
    Ok(value)
}

fn told(error: &serde_json::Error, left: &Left) -> NotJson {
    let (line, column) = (error.line(), error.column());
    if left.out.get() {
        NotJson::TooMany { line, column }
    } else if error.is_data() {
        NotJson::Twice { line, column }
    } else {
        NotJson::Broken { line, column }
    }
}

/// How much may still come.
struct Left {
    values: Cell<usize>,
    /// In each object.
    keys: usize,
    /// Whether there was more.
    out: Cell<bool>,
}

impl Left {
    fn take<E: Error>(&self, keys: usize) -> Result<(), E> {
        match self.values.get().checked_sub(1) {
            Some(values) if keys <= self.keys => {
                self.values.set(values);
                Ok(())
            }
            _ => {
                self.out.set(true);
                Err(E::custom("too many values"))
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Strict<'l>(&'l Left);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        self.0.take(0)?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without a key that stands twice")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(Number::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Number::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        while let Some(key) = members.next_key::<String>()? {
            self.0.take(object.len() + 1)?;
            let twice = object.len() < FEW && object.iter().any(|(other, _)| *other == key);
            if twice || key.contains('\0') {
                return Err(A::Error::custom("a key stands twice or holds a NUL"));
            }
            object.push((key, members.next_value_seed(self)?));
        }
        if object.len() > FEW && has_twins(&object) {
            return Err(A::Error::custom("a key stands twice"));
        }
        Ok(Json::Object(Object(object)))
    }
}

fn has_twins(object: &[(String, Json)]) -> bool {
    let mut keys: Vec<&str> = object.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}
