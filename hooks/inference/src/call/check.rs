//! Whether a body has the shape of its call. What is not checked here is shown to the visitor of texts all the same.

use super::Unreadable;
use crate::api::Api;
use crate::json::Json;
use crate::leaf::known_otherwise_spelt;

const TEXT: &str = "a text";
const LIST: &str = "a list of objects";
const COUNT: &str = "a whole number";
const SWITCH: &str = "true or false";

pub fn shape(api: Api, body: &Json) -> Result<(), Unreadable> {
    if api == Api::Models {
        return Err(Unreadable::NoBody);
    }
    let Json::Object(object) = body else {
        return Err(wrong("the top", "an object"));
    };
    model(body)?;
    members(body)?;
    for key in [
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "n",
        "best_of",
    ] {
        if object
            .get(key)
            .is_some_and(|value| value.as_u64().is_none())
        {
            return Err(wrong(key, COUNT));
        }
    }
    if body
        .get("stream")
        .is_some_and(|value| value.as_bool().is_none())
    {
        return Err(wrong("stream", SWITCH));
    }
    for key in ["tools", "functions"] {
        objects(body, key, "")?;
    }
    options(body)?;
    match api {
        Api::Chat => chat(body),
        Api::Completions => prompts(body, "prompt"),
        Api::Embeddings => prompts(body, "input"),
        Api::Responses => responses(body),
        Api::Messages | Api::CountTokens => messages(body),
        Api::Models => Ok(()),
    }
}

/// Nobody's data fits into a name, and no reader of it sees another one.
fn model(body: &Json) -> Result<(), Unreadable> {
    let name = body.text("model").unwrap_or_default();
    let fits = (1..=256).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(()).ok_or_else(|| {
        wrong(
            "model",
            "1 to 256 printable ASCII characters without blanks",
        )
    })
}

fn wrong(field: &str, wanted: &'static str) -> Unreadable {
    Unreadable::Shape {
        field: field.to_owned(),
        wanted,
    }
}

fn options(body: &Json) -> Result<(), Unreadable> {
    match body.get("stream_options") {
        Some(options) if options.as_object().is_none() => Err(wrong("stream_options", "an object")),
        _ => Ok(()),
    }
}

fn text(object: &Json, key: &str) -> Result<(), Unreadable> {
    match object.get(key) {
        None | Some(Json::String(_)) => Ok(()),
        _ => Err(wrong(key, TEXT)),
    }
}

/// `key` of `object`, which is absent or a list of objects.
fn objects<'a>(object: &'a Json, key: &str, path: &str) -> Result<&'a [Json], Unreadable> {
    match object.get(key) {
        None => Ok(&[]),
        Some(Json::Array(items)) if items.iter().all(|item| item.as_object().is_some()) => {
            Ok(items)
        }
        Some(_) => Err(wrong(&format!("{path}{key}"), LIST)),
    }
}

fn chat(body: &Json) -> Result<(), Unreadable> {
    if body.get("messages").is_none() {
        return Err(wrong("messages", LIST));
    }
    for (index, message) in objects(body, "messages", "")?.iter().enumerate() {
        let path = format!("messages[{index}].");
        role(
            message,
            &path,
            &[
                "system",
                "developer",
                "user",
                "assistant",
                "tool",
                "function",
            ],
        )?;
        content(message, &path)?;
        for (at, call) in objects(message, "tool_calls", &path)?.iter().enumerate() {
            let arguments = call
                .get("function")
                .and_then(|function| function.get("arguments"));
            if arguments.is_some_and(|arguments| arguments.as_str().is_none()) {
                return Err(wrong(
                    &format!("{path}tool_calls[{at}].function.arguments"),
                    TEXT,
                ));
            }
        }
    }
    Ok(())
}

fn messages(body: &Json) -> Result<(), Unreadable> {
    if body.get("messages").is_none() {
        return Err(wrong("messages", LIST));
    }
    match body.get("system") {
        None | Some(Json::String(_)) => {}
        Some(_) => parts(objects(body, "system", "")?, "system")?,
    }
    for (index, message) in objects(body, "messages", "")?.iter().enumerate() {
        let path = format!("messages[{index}].");
        role(message, &path, &["user", "assistant", "system"])?;
        content(message, &path)?;
        let blocks = message.list("content").iter().enumerate();
        for (at, block) in blocks.filter(|(_, block)| block.text("type") == Some("tool_result")) {
            content(block, &format!("{path}content[{at}]."))?;
        }
    }
    Ok(())
}

fn responses(body: &Json) -> Result<(), Unreadable> {
    text(body, "previous_response_id")?;
    match body.get("instructions") {
        None | Some(Json::String(_) | Json::Array(_)) => {}
        Some(_) => return Err(wrong("instructions", TEXT)),
    }
    match body.get("input") {
        None | Some(Json::String(_)) => Ok(()),
        Some(_) => {
            for (index, item) in objects(body, "input", "")?.iter().enumerate() {
                let path = format!("input[{index}].");
                if item.get("role").is_some() {
                    role(item, &path, &["system", "developer", "user", "assistant"])?;
                    content(item, &path)?;
                } else if item.text("type").is_none() {
                    return Err(wrong(&format!("{path}type"), TEXT));
                }
            }
            Ok(())
        }
    }
}

/// A text, a list of texts, or token numbers (a list, or a list of lists).
fn prompts(body: &Json, key: &str) -> Result<(), Unreadable> {
    let wanted = "a text, or a list of texts or of token numbers";
    let fits = |item: &Json| match item {
        Json::String(_) | Json::Number(_) => true,
        Json::Array(tokens) => tokens.iter().all(|token| token.as_u64().is_some()),
        _ => false,
    };
    match body.get(key) {
        Some(Json::String(_)) => Ok(()),
        Some(Json::Array(items)) if items.iter().all(fits) => Ok(()),
        _ => Err(wrong(key, wanted)),
    }
}

fn role(message: &Json, path: &str, known: &[&str]) -> Result<(), Unreadable> {
    match message.text("role") {
        Some(role) if known.contains(&role) => Ok(()),
        _ => Err(wrong(&format!("{path}role"), "a role of this call")),
    }
}

fn content(message: &Json, path: &str) -> Result<(), Unreadable> {
    match message.get("content") {
        None | Some(Json::String(_)) => Ok(()),
        Some(_) => parts(
            objects(message, "content", path)?,
            &format!("{path}content"),
        ),
    }
}

fn parts(items: &[Json], path: &str) -> Result<(), Unreadable> {
    match items.iter().position(|part| part.text("type").is_none()) {
        Some(index) => Err(wrong(&format!("{path}[{index}].type"), TEXT)),
        None => Ok(()),
    }
}

/// Whether keys are written as they are defined, and texts are none of numbers.
///
/// Servers written in Go take `Model` for `model`, so that what was checked would not be what is done. Looked for where
/// interfaces define the keys: at the top, in messages and items, and in their parts.
fn members(body: &Json) -> Result<(), Unreadable> {
    let Some(object) = body.as_object() else {
        return Ok(());
    };
    for (key, value) in object.iter() {
        if let Some(known) = known_otherwise_spelt(key) {
            return Err(Unreadable::Spelling(known));
        }
        if matches!((key, value), ("text" | "content", Json::Number(_))) {
            return Err(wrong(key, TEXT));
        }
        if matches!(
            key,
            "messages"
                | "input"
                | "output"
                | "content"
                | "system"
                | "tool_calls"
                | "function"
                | "image_url"
                | "source"
                | "stream_options"
        ) {
            for item in value.as_array().unwrap_or(std::slice::from_ref(value)) {
                let call = item
                    .text("type")
                    .is_some_and(|kind| kind.ends_with("tool_use"));
                if !call {
                    members(item)?;
                }
            }
        }
    }
    Ok(())
}
