//! YAML as a tree in which every key and value knows its place.
//!
//! The checks of `policy` and `node` walk this tree themselves instead of deriving `Deserialize`, because a fault
//! must name the line and column of the key that is wrong, and must tell a misspelt key from one that we do not
//! support yet.

mod fault;
mod read;
mod view;

pub(crate) use read::parse;
pub(crate) use view::{Fields, View};

/// A value and where it begins (both from 1; columns count characters).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub value: Value,
    pub line: u32,
    pub column: u32,
}

/// What stands there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

impl Value {
    /// The kind's name for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// A key of a mapping and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub text: String,
    pub line: u32,
    pub column: u32,
}
