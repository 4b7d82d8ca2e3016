//! GraphQL matchers.

use super::GraphqlOperation;
use crate::policy::{GraphqlMatcher, OperationKind, PersistedQueries};

/// An operation as rules see it.
struct Known<'a> {
    kind: OperationKind,
    name: Option<&'a str>,
    fields: &'a [String],
}

impl GraphqlMatcher {
    /// Kind and name match, and every root field does. A stored document counts as what is registered of it.
    pub(crate) fn admits(
        &self,
        persisted: &PersistedQueries,
        operation: &GraphqlOperation,
    ) -> bool {
        let Some(known) = known(persisted, operation) else {
            return false;
        };
        self.kind == known.kind
            && self.covers_name(known.name)
            && !known.fields.is_empty()
            && (self.fields.is_empty() || known.fields.iter().all(|field| self.covers_field(field)))
    }

    /// Kind and name match, and one root field does. A stored document that nobody registered is hit by no rule, and
    /// admitted by none.
    pub(crate) fn hits(&self, persisted: &PersistedQueries, operation: &GraphqlOperation) -> bool {
        let Some(known) = known(persisted, operation) else {
            return false;
        };
        self.kind == known.kind
            && self.covers_name(known.name)
            && (self.fields.is_empty() || known.fields.iter().any(|field| self.covers_field(field)))
    }

    fn covers_name(&self, name: Option<&str>) -> bool {
        match (&self.name, name) {
            (None, _) => true,
            (Some(glob), Some(name)) => glob.matches(name),
            (Some(_), None) => false,
        }
    }

    fn covers_field(&self, field: &str) -> bool {
        self.fields.iter().any(|glob| glob.matches(field))
    }
}

fn known<'a>(
    persisted: &'a PersistedQueries,
    operation: &'a GraphqlOperation,
) -> Option<Known<'a>> {
    match operation {
        GraphqlOperation::Document { kind, name, fields } => Some(Known {
            kind: *kind,
            name: name.as_deref(),
            fields,
        }),
        GraphqlOperation::Stored { id } => match persisted {
            PersistedQueries::Deny => None,
            PersistedQueries::Registered(documents) => documents.get(id).map(|document| Known {
                kind: document.kind,
                name: document.name.as_deref(),
                fields: &document.fields,
            }),
        },
    }
}
