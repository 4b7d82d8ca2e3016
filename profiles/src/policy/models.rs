//! `inference` and `privacy` together: what one policy says of models.

use std::collections::BTreeSet;

use super::{Inference, Policy, Privacy, inference, privacy};
use crate::source::Diagnostic;
use crate::yaml::Fields;

/// What one text says of models.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelLayer {
    /// The policy's name.
    pub policy: String,
    /// `inference`; `None` asks no model.
    pub inference: Option<Inference>,
    /// `privacy`; `None` looks at nothing.
    pub privacy: Option<Privacy>,
}

impl Policy {
    /// What its layers say of models that may be asked; a layer that asks none says nothing here.
    pub fn inference_layers(&self) -> impl Iterator<Item = &Inference> {
        self.models
            .iter()
            .filter_map(|layer| layer.inference.as_ref())
    }

    /// What its layers say of what models may see; a layer that looks at nothing says nothing here.
    pub fn privacy_layers(&self) -> impl Iterator<Item = &Privacy> {
        self.models
            .iter()
            .filter_map(|layer| layer.privacy.as_ref())
    }

    /// The services that find names, each once (`privacy.ner`).
    #[must_use]
    pub fn services(&self) -> BTreeSet<&str> {
        self.privacy_layers()
            .filter_map(|privacy| privacy.ner.as_deref())
            .collect()
    }
}

pub(super) fn load(policy: &str, fields: &Fields<'_>) -> Result<ModelLayer, Box<Diagnostic>> {
    let (inference_view, privacy_view) = (fields.get("inference"), fields.get("privacy"));
    if let (Some(view), None) = (privacy_view, inference_view) {
        return Err(view
            .fault("`privacy` means nothing where no model may be asked")
            .with_hint("add `inference: {}`"));
    }
    Ok(ModelLayer {
        policy: policy.to_owned(),
        inference: inference_view
            .map(|view| inference::load(&view))
            .transpose()?,
        privacy: privacy_view.map(|view| privacy::load(&view)).transpose()?,
    })
}
