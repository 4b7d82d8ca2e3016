//! `inference` and `privacy` together: what one policy says of models.

use super::{Inference, Privacy, inference, privacy};
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
