//! Parts of a content, each on its own.

use super::{Untranslatable, no};
use crate::json::{Json, json};

/// All texts of a content, a blank line between parts.
pub fn texts(content: &Json) -> String {
    match content {
        Json::String(text) => text.clone(),
        Json::Array(parts) => parts
            .iter()
            .filter_map(|part| part.text("text").or_else(|| part.text("refusal")))
            .collect::<Vec<_>>()
            .join("\n\n"),
        _ => String::new(),
    }
}

/// A part of chat as a block of messages.
pub fn to_block(part: &Json, path: &str) -> Result<Json, Untranslatable> {
    match part.text("type") {
        Some("text") => Ok(text_block(part.text("text").unwrap_or_default())),
        Some("refusal") => Ok(text_block(part.text("refusal").unwrap_or_default())),
        Some("image_url") => {
            let url = part.get("image_url").and_then(|image| image.text("url"));
            let source = match url.and_then(data_url) {
                Some((media, data)) => {
                    json! { "type": "base64", "media_type": media, "data": data }
                }
                None => {
                    json! { "type": "url", "url": url.ok_or_else(|| no(format!("{path}.image_url")))? }
                }
            };
            Ok(json! { "type": "image", "source": source })
        }
        Some("file") => {
            let file = part.get("file");
            let data = file.and_then(|file| file.text("file_data"));
            let (media, data) = data
                .map(|data| data_url(data).unwrap_or(("application/pdf", data)))
                .ok_or_else(|| no(format!("{path}.file")))?;
            let mut block = json! {
                "type": "document",
                "source": json! { "type": "base64", "media_type": media, "data": data },
            };
            if let Some(name) = file.and_then(|file| file.text("filename")) {
                block.object_or_default().set("title", name);
            }
            Ok(block)
        }
        _ => Err(no(format!("{path}.type"))),
    }
}

/// A block of messages as a part of chat.
pub fn from_block(block: &Json, path: &str) -> Result<Json, Untranslatable> {
    let source = block.get("source");
    let text = |key: &str| source.and_then(|source| source.text(key));
    match block.text("type") {
        Some("text") => Ok(text_part(block.text("text").unwrap_or_default())),
        Some("image") => {
            let url = match text("type") {
                Some("base64") => format!(
                    "data:{};base64,{}",
                    text("media_type").unwrap_or("image/png"),
                    text("data").unwrap_or_default()
                ),
                Some("url") => text("url").unwrap_or_default().to_owned(),
                _ => return Err(no(format!("{path}.source"))),
            };
            Ok(json! { "type": "image_url", "image_url": json! { "url": url } })
        }
        Some("document") => document(block, path),
        Some("search_result") => {
            let title = block.text("title").unwrap_or_default();
            let from = block.text("source").unwrap_or_default();
            let words = texts(&Json::Array(block.list("content").to_vec()));
            Ok(text_part(&format!("{title}\n{from}\n\n{words}")))
        }
        _ => Err(no(format!("{path}.type"))),
    }
}

fn document(block: &Json, path: &str) -> Result<Json, Untranslatable> {
    let source = block
        .get("source")
        .ok_or_else(|| no(format!("{path}.source")))?;
    let mut words: Vec<&str> = ["title", "context"]
        .iter()
        .filter_map(|key| block.text(key))
        .collect();
    match source.text("type") {
        Some("text") => {
            words.extend(source.text("data"));
            Ok(text_part(&words.join("\n\n")))
        }
        Some("content") => {
            let inside = source.get("content").map(texts).unwrap_or_default();
            words.push(&inside);
            Ok(text_part(&words.join("\n\n")))
        }
        Some("base64") => {
            let media = source.text("media_type").unwrap_or("application/pdf");
            let data = format!(
                "data:{media};base64,{}",
                source.text("data").unwrap_or_default()
            );
            Ok(json! {
                "type": "file",
                "file": json! { "filename": block.text("title").unwrap_or("document"), "file_data": data },
            })
        }
        _ => Err(no(format!("{path}.source.type"))),
    }
}

/// A content of parts, as the plain text where it is one.
pub fn content(mut parts: Vec<Json>) -> Json {
    if let [only] = parts.as_mut_slice()
        && only.text("type") == Some("text")
    {
        return only.text("text").unwrap_or_default().into();
    }
    Json::Array(parts)
}

pub fn text_part(text: &str) -> Json {
    json! { "type": "text", "text": text }
}

pub fn text_block(text: &str) -> Json {
    text_part(text)
}

/// The media type and the base64 of a `data:` URL.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media = head.strip_suffix(";base64")?;
    Some((media.split(';').next().unwrap_or(media), data))
}

/// A tool call's arguments as a value: an object, whatever the model has written.
pub fn arguments(text: &str) -> Json {
    match Json::read(text.as_bytes()) {
        Ok(object @ Json::Object(_)) => object,
        Ok(Json::Null) => json! {},
        _ if text.trim().is_empty() => json! {},
        _ => json! { "raw": text },
    }
}

/// A value as the text of a tool call's arguments.
pub fn arguments_text(input: Option<&Json>) -> String {
    input.map_or_else(
        || "{}".to_owned(),
        |input| String::from_utf8(input.to_bytes()).unwrap_or_default(),
    )
}

/// A tool call of chat.
pub fn tool_call(id: &str, name: &str, arguments: &str) -> Json {
    json! {
        "id": id,
        "type": "function",
        "function": json! { "name": name, "arguments": arguments },
    }
}
