//! What a reader of texts cannot see into.

use crate::api::Api;
use crate::json::Json;

/// Something in a request whose content is not in it, or not as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Opaque {
    /// A prompt as numbers of tokens.
    Tokens,
    /// Sound.
    Audio,
    /// A file's bytes.
    File,
    /// Something that the server keeps: an earlier answer, a conversation, a file, a prompt.
    Stored,
    /// A model's thoughts that only its server can read.
    Encrypted,
}

/// All kinds that are there, each once.
pub fn of(api: Api, body: &Json) -> Vec<Opaque> {
    let mut found = Vec::new();
    let prompt = match api {
        Api::Completions => body.list("prompt"),
        Api::Embeddings => body.list("input"),
        _ => &[],
    };
    if prompt.iter().any(|item| item.as_str().is_none()) {
        found.push(Opaque::Tokens);
    }
    if ["previous_response_id", "conversation", "prompt"]
        .into_iter()
        .any(|key| api == Api::Responses && body.get(key).is_some())
    {
        found.push(Opaque::Stored);
    }
    look(body, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn look(value: &Json, found: &mut Vec<Opaque>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| look(item, found)),
        Json::Object(object) => {
            for (key, member) in object.iter() {
                match (key, member) {
                    ("input_audio" | "audio", Json::Object(_)) => found.push(Opaque::Audio),
                    // A text in base64 is read like one in clear.
                    ("file_data", Json::String(data)) if data.starts_with("data:text/") => {}
                    ("file_data", Json::String(_)) => found.push(Opaque::File),
                    ("file_id" | "file_ids" | "vector_store_ids", _) => found.push(Opaque::Stored),
                    ("encrypted_content", Json::String(_)) => found.push(Opaque::Encrypted),
                    _ => {}
                }
                look(member, found);
            }
            match value.text("type") {
                Some("base64") => {
                    let media = value.text("media_type").unwrap_or_default();
                    if !media.starts_with("image/") {
                        found.push(Opaque::File);
                    }
                }
                Some("redacted_thinking") => found.push(Opaque::Encrypted),
                Some("item_reference" | "container_upload") => found.push(Opaque::Stored),
                _ => {}
            }
        }
        _ => {}
    }
}
