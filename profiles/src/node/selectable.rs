//! `selectable`: what an annotation or the environment may choose, and in which Kubernetes namespaces.

use super::{NodeConfig, policy_name};
use crate::source::Diagnostic;
use crate::yaml::{self, View};

/// An entry of `selectable`: `- strict`, or `- {name: dev, widens: true, namespaces: [build]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selectable {
    /// The policy's name.
    pub name: String,
    /// Replaces the handler's policy instead of being met with it.
    pub widens: bool,
    /// Only for pods of these namespaces; `None` is for every box.
    pub namespaces: Option<Vec<String>>,
}

impl Selectable {
    /// An entry for every box, which narrows.
    #[must_use]
    pub fn everywhere(name: &str) -> Selectable {
        Selectable {
            name: name.to_owned(),
            widens: false,
            namespaces: None,
        }
    }

    /// Whether a box of this namespace (`None`: of no pod) may choose it.
    #[must_use]
    pub fn is_for(&self, namespace: Option<&str>) -> bool {
        match &self.namespaces {
            None => true,
            Some(list) => namespace.is_some_and(|name| list.iter().any(|one| one == name)),
        }
    }

    pub(super) fn read(item: &View<'_>) -> Result<Selectable, Box<Diagnostic>> {
        if let yaml::Value::Text(_) = item.node.value {
            return Ok(Selectable::everywhere(&policy_name(item)?));
        }
        let fields = item.fields(&["name", "widens", "namespaces"], &[])?;
        let widens = fields.get("widens").map(|view| view.boolean());
        Ok(Selectable {
            name: policy_name(&fields.need("name")?)?,
            widens: widens.transpose()?.unwrap_or(false),
            namespaces: fields
                .get("namespaces")
                .map(|view| namespaces(&view))
                .transpose()?,
        })
    }
}

impl NodeConfig {
    /// What a box of this namespace may choose by this name: an entry for its namespace goes before one for every box.
    #[must_use]
    pub fn selectable(&self, name: &str, namespace: Option<&str>) -> Option<&Selectable> {
        let mut entries: Vec<&Selectable> = self.selectable_in(namespace);
        entries.retain(|entry| entry.name == name);
        let own = entries.iter().find(|entry| entry.namespaces.is_some());
        own.or(entries.first()).copied()
    }

    /// All that a box of this namespace may choose.
    #[must_use]
    pub fn selectable_in(&self, namespace: Option<&str>) -> Vec<&Selectable> {
        let entries = self.selectable.iter();
        entries.filter(|entry| entry.is_for(namespace)).collect()
    }
}

fn namespaces(view: &View<'_>) -> Result<Vec<String>, Box<Diagnostic>> {
    let items = view.list()?;
    if items.is_empty() {
        return Err(view
            .fault("`namespaces` is empty, so nobody could choose it: name one, or drop the key"));
    }
    items.iter().map(namespace).collect()
}

/// A name as Kubernetes has it for namespaces.
fn namespace(view: &View<'_>) -> Result<String, Box<Diagnostic>> {
    const MAX: usize = 63;
    let text = view.text()?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let sound = (1..=MAX).contains(&text.len())
        && text.bytes().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if sound {
        return Ok(text.to_owned());
    }
    Err(view.fault(format!(
        "`{text}` is no namespace of Kubernetes: small letters, digits and `-` only, at most 63"
    )))
}
