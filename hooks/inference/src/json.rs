//! JSON that keeps the order of its keys, and that can be read in one way only.
//!
//! A sender who wants two readers to see two requests writes a key twice or hides what follows behind a NUL: neither is
//! read. The order is kept because a model sees the order of a tool's properties, and a server's cache of prompts too.

mod build;
mod read;

use std::fmt;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Number;
use zeroize::Zeroize;

pub(crate) use build::{json, object};
pub use read::NotJson;

/// A value. It has no printed form but what it is: bodies are the user's.
#[derive(Clone, PartialEq, Default)]
pub enum Json {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number: exact up to 64 bits, beyond that the double that servers read.
    Number(Number),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object.
    Object(Object),
}

/// An object whose keys are distinct and in the sender's order.
#[derive(Clone, PartialEq, Default)]
pub struct Object(Vec<(String, Json)>);

impl Json {
    /// Read a whole text as one value.
    ///
    /// # Errors
    /// It is no JSON, too deep, not UTF-8, or has a key twice in one object or a NUL in a key.
    pub fn read(bytes: &[u8]) -> Result<Self, NotJson> {
        read::read(bytes, false)
    }

    /// Like [`Json::read`], of somebody who may want to use up our memory or time.
    ///
    /// # Errors
    /// The same, and that it has too many values or keys.
    pub fn read_bounded(bytes: &[u8]) -> Result<Self, NotJson> {
        read::read(bytes, true)
    }

    /// Write it behind `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        // A `Vec` takes every byte, keys are texts and numbers finite: nothing here can fail.
        let written = serde_json::to_writer(out, self);
        debug_assert!(written.is_ok());
    }

    /// Its text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// As a text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// As a whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// As a truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// As a list.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// As a list that can be changed.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// As an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// As an object that can be changed.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// As an object that can be changed; what is none becomes an empty one.
    pub fn object_or_default(&mut self) -> &mut Object {
        if self.as_object().is_none() {
            *self = Self::Object(Object::default());
        }
        match self {
            Self::Object(object) => object,
            _ => unreachable!("made one above"),
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// A member, where this is an object that has it and it is not `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object().and_then(|object| object.get(key))
    }

    /// Like [`Json::get`], to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_object_mut().and_then(|object| object.get_mut(key))
    }

    /// A member that is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::as_str)
    }

    /// A member that is a list; an empty one where it is missing or something else.
    #[must_use]
    pub fn list(&self, key: &str) -> &[Self] {
        self.get(key).and_then(Self::as_array).unwrap_or_default()
    }
}

impl Object {
    /// A member that is not `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// Like [`Object::get`], to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        self.0
            .iter_mut()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// Put a member, in the place of one with this key or last.
    pub fn set(&mut self, key: &str, value: impl Into<Json>) {
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Take a member out.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// Its members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Its members, whose values can be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Json)> {
        self.0.iter_mut().map(|(key, value)| (key.as_str(), value))
    }

    /// Whether it has no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Number(number) => number.serialize(to),
            Self::String(text) => to.serialize_str(text),
            Self::Array(items) => {
                let mut list = to.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Object(object) => {
                let mut members = to.serialize_map(Some(object.0.len()))?;
                for (key, value) in &object.0 {
                    members.serialize_entry(key, value)?;
                }
                members.end()
            }
        }
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::String(_) => "a text",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        })
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of {}", self.0.len())
    }
}

impl Zeroize for Json {
    fn zeroize(&mut self) {
        match self {
            Self::String(text) => text.zeroize(),
            Self::Array(items) => items.iter_mut().for_each(Self::zeroize),
            Self::Object(object) => {
                for (key, value) in &mut object.0 {
                    key.zeroize();
                    value.zeroize();
                }
            }
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}
