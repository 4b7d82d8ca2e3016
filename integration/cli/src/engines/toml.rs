//! TOML that keeps its text: tables of runtimes, with the indentation of their neighbours.

use toml_edit::{Decor, Document, DocumentMut, Item, Table, TableLike, Value};

use super::error::{EditError, Place};

/// A file: its text, to tell places, and its tables, to edit.
#[derive(Debug)]
pub struct File {
    read: Document<String>,
    edited: DocumentMut,
}

impl File {
    /// Read a text.
    pub fn read(text: &str) -> Result<Self, EditError> {
        let read = Document::parse(text.to_owned()).map_err(|error| EditError::Syntax {
            place: Place::of_span(text, error.span()),
            message: format!("no TOML: {}", error.message().trim().replace('\n', "; ")),
        })?;
        let edited = read.clone().into_mut();
        Ok(Self { read, edited })
    }

    /// The text after all edits: the same text after none. A file whose lines end in CR LF keeps them.
    pub fn text(&self) -> String {
        let text = self.edited.to_string();
        let raw = self.read.raw();
        if text == self.read.clone().into_mut().to_string() {
            return raw.to_owned();
        }
        if raw.contains("\r\n") && !raw.replace("\r\n", "").contains('\n') {
            return text.replace("\r\n", "\n").replace('\n', "\r\n");
        }
        text
    }

    /// Whether there is nothing in it but comments.
    pub fn is_empty(&self) -> bool {
        self.edited.is_empty()
    }

    /// The root table.
    pub fn root(&mut self) -> &mut Table {
        self.edited.as_table_mut()
    }

    /// The item at `path`, if all on the way are tables.
    pub fn get(&self, path: &[&str]) -> Option<&Item> {
        get(self.edited.as_item(), path)
    }

    /// The table at `path`; `None` when it is not there.
    pub fn table(&self, path: &[&str]) -> Result<Option<&dyn TableLike>, EditError> {
        for length in 1..=path.len() {
            let path = &path[..length];
            if self.get(path).is_some_and(|item| !item.is_table_like()) {
                return Err(self.shape(path, "table"));
            }
        }
        Ok(self.get(path).and_then(Item::as_table_like))
    }

    /// The table at `path`, made where it is missing, without a header of its own until it has a value.
    pub fn make(&mut self, path: &[&str]) -> Result<&mut dyn TableLike, EditError> {
        self.table(path)?;
        let mut here: &mut dyn TableLike = self.edited.as_table_mut();
        for key in path {
            let mut missing = Table::new();
            missing.set_implicit(true);
            here = here
                .entry(key)
                .or_insert(Item::Table(missing))
                .as_table_like_mut()
                .ok_or_else(|| EditError::Shape {
                    place: Place::at(1, 1),
                    key: path.join("."),
                    expected: "table",
                })?;
        }
        Ok(here)
    }

    /// The table `name` in the table at `parent`, made with `style` (else set off as its neighbours are) where it is
    /// missing. Gives how its keys are set off.
    pub fn section(
        &mut self,
        parent: &[&str],
        name: &str,
        style: Option<Style>,
    ) -> Result<Style, EditError> {
        if let Some(table) = self.table(&[parent, &[name]].concat())? {
            return Ok(Style::of_keys(table));
        }
        let first = self.is_empty();
        let tables = self.make(parent)?;
        let style = style.unwrap_or_else(|| match first {
            true => Style::default(),
            false => Style::of_neighbours(tables),
        });
        tables.insert(name, Item::Table(style.table()));
        Ok(style)
    }

    /// Take the table at `path` out, and those above it that nobody wrote and nobody needs any more.
    pub fn remove(&mut self, path: &[&str]) {
        let mut path = path;
        while let Some((last, before)) = path.split_last() {
            let mut here: &mut dyn TableLike = self.edited.as_table_mut();
            for key in before {
                match here.get_mut(key).and_then(Item::as_table_like_mut) {
                    Some(inner) => here = inner,
                    None => return,
                }
            }
            here.remove(last);
            let needed = !here.is_empty();
            let written = match get(self.edited.as_item(), before) {
                Some(Item::Table(table)) => !table.is_implicit(),
                _ => true,
            };
            if needed || written {
                return;
            }
            path = before;
        }
    }

    /// The fault that an item is not what the engine reads.
    pub fn shape(&self, path: &[&str], expected: &'static str) -> EditError {
        EditError::Shape {
            place: self.place(path),
            key: path.join("."),
            expected,
        }
    }

    /// Where an item stands.
    pub fn place(&self, path: &[&str]) -> Place {
        let item = get(self.read.as_item(), path);
        Place::of_span(self.read.raw(), item.and_then(Item::span))
    }
}

fn get<'a>(root: &'a Item, path: &[&str]) -> Option<&'a Item> {
    path.iter()
        .try_fold(root, |item, key| item.as_table_like()?.get(key))
}

/// The text of the value at `key`, if it is one.
pub fn text_at<'a>(table: &'a dyn TableLike, key: &str) -> Option<&'a str> {
    table.get(key).and_then(Item::as_str)
}

/// Set a value, and touch nothing when it is so already.
pub fn set(table: &mut dyn TableLike, key: &str, value: impl Into<Value>, style: &Style) {
    let value: Value = value.into();
    match table.get_mut(key) {
        Some(Item::Value(old)) if same(old, &value) => {}
        Some(Item::Value(old)) => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        _ => {
            table.insert(key, Item::Value(value));
            if let Some(mut key) = table.key_mut(key) {
                key.leaf_decor_mut().set_prefix(style.key.clone());
            }
        }
    }
}

/// Equal, however they are written.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => one.value() == other.value(),
        (Value::Boolean(one), Value::Boolean(other)) => one.value() == other.value(),
        (Value::Integer(one), Value::Integer(other)) => one.value() == other.value(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        _ => false,
    }
}

/// How a table and its keys are set off: as its neighbours are.
#[derive(Debug, Clone, Default)]
pub struct Style {
    /// Before the header.
    header: String,
    /// Before a key.
    key: String,
}

impl Style {
    /// That of the last table of `runtimes`; else none.
    pub fn of_neighbours(runtimes: &dyn TableLike) -> Self {
        let tables = runtimes.iter().filter_map(|(_, item)| item.as_table());
        let Some(last) = tables.last() else {
            return Self::new_section();
        };
        let first_key = last.iter().next().and_then(|(key, _)| last.key(key));
        Self {
            header: format!("\n{}", indent(last.decor())),
            key: first_key
                .map(|key| indent(key.leaf_decor()))
                .unwrap_or_default(),
        }
    }

    /// Keys as those of `table`; no header.
    pub fn of_keys(table: &dyn TableLike) -> Self {
        let last = table.iter().last().and_then(|(key, _)| table.key(key));
        Self {
            header: String::new(),
            key: last.map(|key| indent(key.leaf_decor())).unwrap_or_default(),
        }
    }

    /// A header after an empty line.
    pub fn new_section() -> Self {
        Self {
            header: "\n".to_owned(),
            key: String::new(),
        }
    }

    /// One step further in, for a table below.
    pub fn inner(&self) -> Self {
        let step = if self.key.is_empty() { "" } else { "  " };
        Self {
            header: format!("{}{step}", self.header),
            key: format!("{}{step}", self.key),
        }
    }

    /// A table with a header of its own.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.decor_mut().set_prefix(self.header.clone());
        table
    }
}

/// The white space directly before a thing.
fn indent(decor: &Decor) -> String {
    let prefix = decor.prefix().and_then(|prefix| prefix.as_str());
    let prefix = prefix.unwrap_or_default();
    let line = prefix.rsplit('\n').next().unwrap_or_default();
    if line.trim().is_empty() {
        line.to_owned()
    } else {
        String::new()
    }
}
