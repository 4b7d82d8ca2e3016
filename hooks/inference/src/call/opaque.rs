//! What a reader of texts cannot see into.

use crate::api::Api;
use crate::json::Json;
use crate::leaf::image::{Slot, is_encoded_text, is_url};

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

impl Opaque {
    /// Whether nobody who is to look into a request can let it pass. What else is opaque is a medium, or was a model's own.
    #[must_use]
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Tokens | Self::Stored)
    }

    /// Whether it is a medium, as a picture is.
    #[must_use]
    pub fn is_medium(self) -> bool {
        matches!(self, Self::Audio | Self::File)
    }
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
    look(body, Slot::None, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn look(value: &Json, slot: Slot, found: &mut Vec<Opaque>) {
    match value {
        Json::String(text) if is_unreadable_url(text) => found.push(Opaque::File),
        Json::Array(items) => items.iter().for_each(|item| look(item, Slot::None, found)),
        Json::Object(object) => {
            for (key, member) in object.iter() {
                match (key, member) {
                    ("input_audio" | "audio", Json::Object(_)) => found.push(Opaque::Audio),
                    ("file_data", Json::String(data)) if !is_text(data) => {
                        found.push(Opaque::File);
                    }
                    ("file_id" | "file_ids" | "vector_store_ids", _) => found.push(Opaque::Stored),
                    ("encrypted_content", Json::String(_)) => found.push(Opaque::Encrypted),
                    _ => {}
                }
                look(member, slot.of_member(value, key), found);
            }
            match value.text("type") {
                Some("base64") if !is_source(value, slot) => found.push(Opaque::File),
                Some("redacted_thinking") => found.push(Opaque::Encrypted),
                Some("item_reference" | "container_upload") => found.push(Opaque::Stored),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Whether a source in base64 is an image in an image's place, or a text.
fn is_source(source: &Json, slot: Slot) -> bool {
    let data = source.text("data").unwrap_or_default();
    let says_text = source
        .text("media_type")
        .is_some_and(|media| media.starts_with("text/"));
    slot.of_member(source, "data").holds(data) || (says_text && is_encoded_text(data))
}

/// Whether a file's data is a text in clear or in base64: whoever looks for something sees it in both.
fn is_text(data: &str) -> bool {
    data.starts_with("data:text/") && !is_unreadable_url(data)
}

/// Whether a text is an address of bytes in base64 that are neither an image nor a text.
fn is_unreadable_url(text: &str) -> bool {
    let is_data = text
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("data:"));
    // The mark is written in any letters; what stands before it is short.
    is_data
        && text.split_once(',').is_some_and(|(head, data)| {
            head.len() <= 256
                && head.to_ascii_lowercase().ends_with("base64")
                && !is_url(text)
                && !is_encoded_text(data)
        })
}
