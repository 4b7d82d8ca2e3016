//! Typed access to the tree; each wrong type, missing key or unknown key is a fault at its own place.

use std::sync::Arc;
use std::time::Duration;

use super::{Key, Node, Value};
use crate::source::{Diagnostic, Location, Source};
use crate::suggest;

type Fault = Box<Diagnostic>;

/// A node with the source it came from and the name people know it by.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub source: &'a Source,
    pub file: &'a Arc<str>,
    pub node: &'a Node,
    /// What messages call it: the key it stands under.
    pub name: &'a str,
}

/// The keys of a mapping that were all known.
pub(crate) struct Fields<'a> {
    view: View<'a>,
    pairs: &'a [(Key, Node)],
}

impl<'a> View<'a> {
    /// The whole document.
    pub fn root(source: &'a Source, file: &'a Arc<str>, node: &'a Node) -> View<'a> {
        View {
            source,
            file,
            node,
            name: "the document",
        }
    }

    /// Where the value begins.
    pub fn at(&self) -> Location {
        Location {
            file: self.file.clone(),
            line: self.node.line,
            column: self.node.column,
        }
    }

    /// A fault at this value.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        self.source.fault(self.at(), message)
    }

    fn wrong_type(&self, wanted: &str) -> Fault {
        self.fault(format!(
            "`{}` must be {wanted}, not {}",
            self.name,
            self.node.value.kind()
        ))
    }

    /// A mapping with no keys but `known`; a key of `later` is refused as not supported yet.
    pub fn fields(&self, known: &[&str], later: &[&str]) -> Result<Fields<'a>, Fault> {
        let pairs = self.pairs()?;
        for (key, _) in pairs {
            if known.contains(&key.text.as_str()) {
                continue;
            }
            let at = Location {
                file: self.file.clone(),
                line: key.line,
                column: key.column,
            };
            if later.contains(&key.text.as_str()) {
                return Err(self
                    .source
                    .fault(at, format!("`{}` is not supported yet", key.text)));
            }
            let fault = self.source.fault(
                at,
                format!("unknown key `{}` in {}", key.text, self.title()),
            );
            return Err(match suggest::nearest(&key.text, known) {
                Some(word) => fault.with_hint(format!("did you mean `{word}`?")),
                None => fault.with_hint(format!("known keys here: {}", known.join(", "))),
            });
        }
        Ok(Fields { view: *self, pairs })
    }

    /// Where the key `name` of this mapping stands, if it does.
    pub fn key(&self, name: &str) -> Option<Location> {
        let Value::Map(pairs) = &self.node.value else {
            return None;
        };
        pairs
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(key, _)| Location {
                file: self.file.clone(),
                line: key.line,
                column: key.column,
            })
    }

    /// The value under `name` of this mapping, if it stands there, whatever other keys there are.
    pub fn child(&self, name: &str) -> Option<View<'a>> {
        let Value::Map(pairs) = &self.node.value else {
            return None;
        };
        pairs
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(key, node)| View {
                node,
                name: &key.text,
                ..*self
            })
    }

    fn title(&self) -> String {
        if self.name == "the document" {
            self.name.to_owned()
        } else {
            format!("`{}`", self.name)
        }
    }

    fn pairs(&self) -> Result<&'a [(Key, Node)], Fault> {
        match &self.node.value {
            Value::Map(pairs) => Ok(pairs),
            Value::Null if self.name == "the document" => Err(self.fault("the text is empty")),
            _ => Err(self.wrong_type("a mapping")),
        }
    }

    /// A mapping whose keys are names of the author's choice.
    pub fn entries(&self) -> Result<Vec<(&'a Key, View<'a>)>, Fault> {
        Ok(self
            .pairs()?
            .iter()
            .map(|(key, node)| {
                (
                    key,
                    View {
                        node,
                        name: &key.text,
                        ..*self
                    },
                )
            })
            .collect())
    }

    /// A list.
    pub fn list(&self) -> Result<Vec<View<'a>>, Fault> {
        match &self.node.value {
            Value::List(nodes) => Ok(nodes.iter().map(|node| View { node, ..*self }).collect()),
            _ => Err(self.wrong_type("a list")),
        }
    }

    /// A list with at least one item.
    pub fn some_list(&self) -> Result<Vec<View<'a>>, Fault> {
        let list = self.list()?;
        if list.is_empty() {
            return Err(self.fault(format!("`{}` is an empty list", self.name)));
        }
        Ok(list)
    }

    /// A text.
    pub fn text(&self) -> Result<&'a str, Fault> {
        match &self.node.value {
            Value::Text(text) => Ok(text),
            Value::Int(_) | Value::Bool(_) | Value::Float(_) => Err(self
                .wrong_type("a text")
                .with_hint("put it in quotes if it is meant as text")),
            _ => Err(self.wrong_type("a text")),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool, Fault> {
        match self.node.value {
            Value::Bool(word) => Ok(word),
            _ => Err(self.wrong_type("`true` or `false`")),
        }
    }

    /// A whole number within bounds.
    pub fn number(&self, low: u32, high: u32) -> Result<u32, Fault> {
        let Value::Int(number) = self.node.value else {
            return Err(self.wrong_type("a whole number"));
        };
        match u32::try_from(number) {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(self.fault(format!(
                "`{}` is {number}, but must be from {low} to {high}",
                self.name
            ))),
        }
    }

    /// A whole number within bounds that may be large.
    pub fn big_number(&self, low: u64, high: u64) -> Result<u64, Fault> {
        let Value::Int(number) = self.node.value else {
            return Err(self.wrong_type("a whole number"));
        };
        match u64::try_from(number) {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(self.fault(format!(
                "`{}` is {number}, but must be from {low} to {high}",
                self.name
            ))),
        }
    }

    /// A time of 1 to `most` seconds: `90`, `90s` or `2m`.
    pub fn seconds(&self, most: u32) -> Result<Duration, Fault> {
        let number = match &self.node.value {
            Value::Int(number) => u32::try_from(*number).ok(),
            Value::Text(text) => {
                let (digits, factor) = match text.strip_suffix('m') {
                    Some(digits) => (digits, 60),
                    None => (text.strip_suffix('s').unwrap_or(text), 1),
                };
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.parse::<u32>().ok().filter(|_| plain);
                number.and_then(|number| number.checked_mul(factor))
            }
            _ => None,
        };
        number
            .filter(|number| (1..=most).contains(number))
            .map(|number| Duration::from_secs(number.into()))
            .ok_or_else(|| {
                self.fault(format!(
                    "`{}` must be a time from 1s to {most}s, such as `{}s`",
                    self.name,
                    most.min(30)
                ))
            })
    }

    /// One word of a set.
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Fault> {
        let text = self.text()?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let fault = self.fault(format!("unknown `{}` value `{text}`", self.name));
        Err(match suggest::nearest(text, &known) {
            Some(word) => fault.with_hint(format!("did you mean `{word}`?")),
            None => fault.with_hint(format!("known values: {}", known.join(", "))),
        })
    }
}

impl<'a> Fields<'a> {
    /// The value under `key`, if it stands there.
    pub fn get(&self, key: &str) -> Option<View<'a>> {
        self.pairs
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(k, node)| View {
                node,
                name: &k.text,
                ..self.view
            })
    }

    /// A fault at the mapping.
    pub fn fault(&self, message: impl Into<String>) -> Fault {
        self.view.fault(message)
    }

    /// The value under `key`, which must stand there.
    pub fn need(&self, key: &str) -> Result<View<'a>, Fault> {
        self.get(key).ok_or_else(|| {
            self.view
                .fault(format!("{} lacks `{key}`", self.view.title()))
        })
    }
}
