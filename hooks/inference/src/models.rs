//! The list of models, as either dialect's clients ask for it.

use crate::api::Dialect;
use crate::json::{Json, json};

/// The answer to `GET /models`.
#[must_use]
pub fn models_reply(names: &[&str], dialect: Dialect) -> Vec<u8> {
    let data: Vec<Json> = names.iter().map(|name| model(name, dialect)).collect();
    match dialect {
        Dialect::OpenAi => json! { "object": "list", "data": data },
        Dialect::Anthropic => json! {
            "data": data,
            "has_more": false,
            "first_id": names.first().copied(),
            "last_id": names.last().copied(),
        },
    }
    .to_bytes()
}

/// The answer to `GET /models/NAME`.
#[must_use]
pub fn model_reply(name: &str, dialect: Dialect) -> Vec<u8> {
    model(name, dialect).to_bytes()
}

fn model(name: &str, dialect: Dialect) -> Json {
    match dialect {
        Dialect::OpenAi => json! {
            "id": name, "object": "model", "created": 0u64, "owned_by": "nemoclaw",
        },
        Dialect::Anthropic => json! {
            "type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z",
        },
    }
}
