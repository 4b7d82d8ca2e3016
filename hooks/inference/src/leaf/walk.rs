//! Going through a body, text by text.

use super::image::Slot;
use super::vocabulary::{is_handle, is_known};
use super::words::is_word;
use super::{Kind, Leaf, Place};
use crate::json::{Json, Object};

/// What a visitor does with a text: `Some` takes its place.
pub type Visit<'f> = dyn FnMut(Leaf<'_>, &str) -> Option<String> + 'f;

/// Shorter numbers are counts and settings.
const DIGITS: usize = 7;

/// One walk.
pub struct Walk<'f, 'v> {
    visit: &'f mut Visit<'v>,
    /// Whether numbers are shown where an interface names the member. In an answer they are times and counts.
    settings: bool,
    /// Whether something was replaced.
    pub changed: bool,
}

/// Where the walk is.
#[derive(Clone, Copy)]
struct Area {
    /// What texts are for here, if their key does not say otherwise.
    kind: Kind,
    /// Nothing here is defined by an interface: no key and no word is skipped.
    free: bool,
    /// What of an image stands here, which `Call::has_images` tells of.
    slot: Slot,
}

impl<'f, 'v> Walk<'f, 'v> {
    pub fn new(visit: &'f mut Visit<'v>, settings: bool) -> Self {
        Self {
            visit,
            settings,
            changed: false,
        }
    }

    /// Show every text of `body`. `kind` is what those are for of which nothing else is known.
    pub fn body(&mut self, body: &mut Json, kind: Kind) {
        self.value(
            body,
            &Place::TOP,
            Area {
                kind,
                free: false,
                slot: Slot::None,
            },
        );
    }

    fn value(&mut self, value: &mut Json, place: &Place<'_>, area: Area) {
        match value {
            Json::Null | Json::Bool(_) => {}
            Json::Number(_) if !area.free && !self.settings => {}
            Json::Number(number) => {
                let text = number.to_string();
                if text.bytes().filter(u8::is_ascii_digit).count() < DIGITS {
                    return;
                }
                if !area.free {
                    // Where an interface names the member nothing but a number has a meaning: what the visitor would put
                    // in its place is not used.
                    let leaf = Leaf {
                        kind: Kind::Handle,
                        name: place.name(),
                        place: *place,
                    };
                    let _ = (self.visit)(leaf, &text);
                } else if let Some(new) = self.show(Kind::Number, place, &text) {
                    *value = new.parse().map_or_else(|_| Json::String(new), Json::Number);
                }
            }
            Json::String(text) => self.text(text, place, area),
            Json::Array(items) => {
                let area = Area {
                    slot: Slot::None,
                    ..area
                };
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, &place.index(index), area);
                }
            }
            Json::Object(_) => self.object(value, place, area),
        }
    }

    fn object(&mut self, value: &mut Json, place: &Place<'_>, area: Area) {
        let shape = value
            .as_object()
            .map_or_else(Shape::default, |object| Shape::of(object, area));
        let slots = slots(value, area);
        for (key, value) in value.as_object_mut().into_iter().flat_map(Object::iter_mut) {
            let known = is_known(key);
            if !known {
                // What the visitor would put in its place is not used: the key's meaning would be lost.
                let _ = self.show(Kind::Key, &place.key(key), key);
            }
            let free = area.free || !known || shape.frees(key);
            let kind = if known {
                shape.kind(key, area.kind)
            } else if area.free {
                area.kind
            } else {
                Kind::Other
            };
            self.value(
                value,
                &place.key(key),
                Area {
                    kind,
                    free,
                    slot: slots
                        .iter()
                        .find(|(name, _)| *name == key)
                        .map_or(Slot::None, |(_, slot)| *slot),
                },
            );
        }
    }

    fn text(&mut self, text: &mut String, place: &Place<'_>, area: Area) {
        let name = place.name();
        if !area.free {
            if place.is_top("model") || is_word(name, text) || text.is_empty() {
                return;
            }
            if name == "arguments" && self.arguments(text, place) {
                return;
            }
        }
        if area.slot.holds(text) {
            return;
        }
        let kind = match area.kind {
            _ if !area.free && is_handle(name) => Kind::Handle,
            _ if is_data_url(text) => Kind::File,
            _ if !area.free && is_address(name) => Kind::Url,
            kind => kind,
        };
        if let Some(new) = self.show(kind, place, text) {
            *text = new;
        }
    }

    /// A tool call's arguments: JSON in a text. Its own texts are shown; where it is no JSON, `false`.
    fn arguments(&mut self, text: &mut String, place: &Place<'_>) -> bool {
        let Ok(mut value @ (Json::Object(_) | Json::Array(_))) =
            Json::read_bounded(text.as_bytes())
        else {
            return false;
        };
        let before = std::mem::replace(&mut self.changed, false);
        let area = Area {
            kind: Kind::ToolCall,
            free: true,
            slot: Slot::None,
        };
        self.value(&mut value, place, area);
        if self.changed {
            let mut out = Vec::with_capacity(text.len());
            value.write(&mut out);
            *text = String::from_utf8(out).unwrap_or_default();
        }
        self.changed |= before;
        true
    }

    fn show(&mut self, kind: Kind, place: &Place<'_>, text: &str) -> Option<String> {
        let leaf = Leaf {
            kind,
            name: place.name(),
            place: *place,
        };
        let new = (self.visit)(leaf, text)?;
        self.changed |= kind != Kind::Key;
        Some(new)
    }
}

fn is_address(name: &str) -> bool {
    matches!(
        name,
        "url" | "file_url" | "image_url" | "server_url" | "uri"
    )
}

fn is_data_url(text: &str) -> bool {
    text.get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("data:"))
}

/// The members of an object that are an image, or hold one.
fn slots(object: &Json, area: Area) -> [(&'static str, Slot); 5] {
    ["url", "data", "image_url", "source", "result"].map(|key| {
        let slot = match area.free {
            true => Slot::None,
            false => area.slot.of_member(object, key),
        };
        (key, slot)
    })
}

/// What an object says of its members.
#[derive(Default)]
struct Shape {
    role: Option<Kind>,
    call: bool,
    bytes: Option<Bytes>,
}

#[derive(Clone, Copy)]
enum Bytes {
    Document,
    Redacted,
}

impl Shape {
    fn of(object: &Object, area: Area) -> Self {
        let mut shape = Self::default();
        if area.free {
            return shape;
        }
        let text = |key: &str| object.get(key).and_then(Json::as_str);
        shape.role = text("role").and_then(|role| match role {
            "system" | "developer" => Some(Kind::Instruction),
            "user" => Some(Kind::User),
            "assistant" | "model" => Some(Kind::Assistant),
            "tool" | "function" => Some(Kind::ToolResult),
            _ => None,
        });
        let kind = text("type").unwrap_or_default();
        match kind {
            "reasoning" | "thinking" | "summary_text" | "reasoning_text" => {
                shape.role = Some(Kind::Reasoning);
            }
            "output_text" => shape.role = Some(Kind::Assistant),
            "redacted_thinking" => shape.bytes = Some(Bytes::Redacted),
            "base64" => shape.bytes = Some(Bytes::Document),
            _ if kind.ends_with("tool_use") => shape.call = true,
            _ if kind.ends_with("_output") || kind.ends_with("tool_result") => {
                shape.role = Some(Kind::ToolResult);
            }
            _ if kind.ends_with("_call") => shape.role = Some(Kind::ToolCall),
            _ => {}
        }
        shape
    }

    /// Whether nothing below this member is defined by an interface.
    fn frees(&self, key: &str) -> bool {
        match key {
            "metadata"
            | "parameters"
            | "input_schema"
            | "schema"
            | "logit_bias"
            | "variables"
            | "headers"
            | "chat_template_kwargs"
            | "input_examples"
            | "action"
            | "environment"
            | "guided_json" => true,
            "input" => self.call,
            _ => false,
        }
    }

    fn kind(&self, key: &str, above: Kind) -> Kind {
        match key {
            "system" | "instructions" => Kind::Instruction,
            "tools" | "functions" | "tool_choice" | "response_format" | "format"
            | "json_schema" | "mcp_servers" => Kind::Tool,
            "reasoning_content" | "thinking" | "reasoning" => Kind::Reasoning,
            "tool_calls" | "function_call" | "arguments" => Kind::ToolCall,
            "input" if self.call => Kind::ToolCall,
            "metadata" | "user" | "stop" | "stop_sequences" | "safety_identifier"
            | "prompt_cache_key" => Kind::Other,
            "file_data" => Kind::File,
            "data" => match self.bytes {
                Some(Bytes::Document) => Kind::File,
                Some(Bytes::Redacted) => Kind::Handle,
                None => self.role.unwrap_or(above),
            },
            _ => self.role.unwrap_or(above),
        }
    }
}
