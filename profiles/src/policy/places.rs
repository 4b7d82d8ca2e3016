//! Where a policy's keys stand, for whoever must show the line that asks for something.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::source::Location;
use crate::yaml::{Value, View};

/// Whose keys are not listed: entries have places of their own.
const ELSEWHERE: &str = "network_policies";

/// The places of the keys outside `network_policies`. They say nothing about what a policy allows, so all are equal.
#[derive(Clone, Default)]
pub struct Places(Arc<BTreeMap<String, Location>>);

impl Places {
    /// Those of a document: `landlock.minimum_abi`, and `ports.80` for an item of a list.
    pub(super) fn of(root: &View<'_>) -> Places {
        let mut places = BTreeMap::new();
        places.insert(String::new(), root.at());
        list(root, "", &mut places);
        Places(Arc::new(places))
    }

    /// Where `path` stands, or else the nearest key above it; of a policy without a text its name.
    #[must_use]
    pub fn find(&self, path: &str, name: &str) -> Location {
        let mut path = path;
        loop {
            if let Some(place) = self.0.get(path) {
                return place.clone();
            }
            match path.rfind('.') {
                Some(end) => path = &path[..end],
                None if !path.is_empty() => path = "",
                None => {
                    return Location {
                        file: name.into(),
                        line: 1,
                        column: 1,
                    };
                }
            }
        }
    }

    /// Those of both; the first one's where both have one.
    pub(crate) fn join(&self, other: &Places) -> Places {
        let mut places = BTreeMap::clone(&other.0);
        places.extend(
            self.0
                .iter()
                .map(|(key, place)| (key.clone(), place.clone())),
        );
        Places(Arc::new(places))
    }
}

fn list(view: &View<'_>, above: &str, places: &mut BTreeMap<String, Location>) {
    let path = |word: &str| match above {
        "" => word.to_owned(),
        _ => format!("{above}.{word}"),
    };
    if let Ok(pairs) = view.entries() {
        for (key, child) in pairs.into_iter().filter(|(key, _)| key.text != ELSEWHERE) {
            let path = path(&key.text);
            list(&child, &path, places);
            places.entry(path).or_insert(child.at());
        }
    } else if let Ok(items) = view.list() {
        for item in items {
            let path = match &item.node.value {
                Value::Text(text) => path(text),
                Value::Int(number) => path(&number.to_string()),
                _ => continue,
            };
            places.entry(path).or_insert(item.at());
        }
    }
}

impl PartialEq for Places {
    fn eq(&self, _: &Places) -> bool {
        true
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}
