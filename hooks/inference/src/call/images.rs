//! Images in a request.

use crate::api::Api;
use crate::json::{Json, json};
use crate::leaf::{is_image, is_image_data};

/// Whether there is one, anywhere.
pub fn any(value: &Json) -> bool {
    match value {
        Json::String(text) => is_image_data(text),
        Json::Array(items) => items.iter().any(any),
        Json::Object(object) => is_one(value) || object.iter().any(|(_, value)| any(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

/// Put a text in the place of each. Where a part cannot be one, as in a computer's screenshot, its members are emptied.
pub fn replace(value: &mut Json, api: Api, note: &str) -> usize {
    if is_one(value) {
        let kind = match api {
            Api::Responses => "input_text",
            _ => "text",
        };
        *value = json! { "type": kind, "text": note };
        return 1;
    }
    match value {
        Json::String(text) if is_image_data(text) => {
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

/// A part that is an image. (A tool's schema may have a property of the name, but no source beside it.)
fn is_one(value: &Json) -> bool {
    value.text("type").is_some_and(is_image)
        && ["source", "image_url", "file_id", "result"]
            .into_iter()
            .any(|key| value.get(key).is_some())
}
