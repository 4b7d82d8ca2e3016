//! Images in a request.

use crate::api::Api;
use crate::json::{Json, json};
use crate::leaf::image::{is_part, is_url};

/// Whether there is one, anywhere.
pub fn any(value: &Json) -> bool {
    match value {
        Json::String(text) => is_url(text),
        Json::Array(items) => items.iter().any(any),
        Json::Object(object) => is_part(value) || object.iter().any(|(_, value)| any(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Put a text in the place of each. Where a part cannot be one, as in a computer's screenshot, its members are emptied.
pub fn replace(value: &mut Json, api: Api, note: &str) -> usize {
    if is_part(value) {
        let kind = match api {
            Api::Responses => "input_text",
            _ => "text",
        };
        *value = json! { "type": kind, "text": note };
        return 1;
    }
    match value {
        Json::String(text) if is_url(text) => {
            note.clone_into(text);
            1
        }
        Json::Array(items) => items.iter_mut().map(|item| replace(item, api, note)).sum(),
        Json::Object(object) => object
            .iter_mut()
            .map(|(_, value)| replace(value, api, note))
            .sum(),
        _ => 0,
    }
}
