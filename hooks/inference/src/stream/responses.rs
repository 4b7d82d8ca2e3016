//! Streams of responses: deltas of an item's parts, and events that repeat a part, an item and the answer when they end.

use super::chat::number;
use super::relay::Edited;
use super::strings::Strings;
use super::{BadStream, Channel, ChannelKind, Rewrite};
use crate::json::{Json, Object};
use crate::reply::without_logprobs;

/// What this interface needs to remember of a stream.
#[derive(Default)]
pub struct Memory {
    /// Events of ours so far: those of the server's have numbers.
    inserted: u64,
    /// For each open string a delta without its piece, for what is held back of it.
    deltas: Vec<(Channel, Object)>,
}

impl Memory {
    fn keep(&mut self, channel: Channel, event: &Json) {
        if self.deltas.iter().any(|(known, _)| *known == channel) {
            return;
        }
        let mut delta = Object::default();
        for key in [
            "type",
            "sequence_number",
            "item_id",
            "output_index",
            "content_index",
            "summary_index",
        ] {
            if let Some(value) = event.get(key) {
                delta.set(key, value.clone());
            }
        }
        self.deltas.push((channel, delta));
    }

    /// One more delta for each string that ended with something held back.
    fn tails<R: Rewrite>(
        &mut self,
        strings: &mut Strings<R>,
        which: impl Fn(&Channel) -> bool,
    ) -> Vec<Json> {
        let mut tails = Vec::new();
        for (channel, tail) in strings.end(&which) {
            if let Some((_, delta)) = self.deltas.iter().find(|(known, _)| *known == channel) {
                let mut delta = delta.clone();
                delta.set("delta", tail);
                if delta.get("type").and_then(Json::as_str) == Some("response.output_text.delta") {
                    delta.set("logprobs", Vec::new());
                }
                tails.push(Json::Object(delta));
            }
        }
        self.deltas.retain(|(channel, _)| !which(channel));
        tails
    }
}

/// A summary's part beside a thought's part of the same number.
const SUMMARY: u32 = 0x8000;

/// Put an event's piece through, or the whole strings that it repeats.
pub fn edit<R: Rewrite>(
    strings: &mut Strings<R>,
    memory: &mut Memory,
    event: &mut Json,
) -> Result<Edited, BadStream> {
    let mut edited = Edited::default();
    let kind = event
        .text("type")
        .ok_or(BadStream::Shape("type"))?
        .to_owned();
    if !strings.rewrite.is_idle() && event.get("logprobs").is_some() {
        event.object_or_default().set("logprobs", Vec::new());
        edited.changed = true;
    }
    if let Some(string) = kind.strip_suffix(".delta") {
        if let Some(channel) = channel(string, event)
            && let Some(Json::String(piece)) = event.get_mut("delta")
        {
            let mut whole = std::mem::take(piece);
            let begun = !whole.is_empty();
            edited.changed |= strings.piece(channel, &mut whole)?;
            if begun {
                memory.keep(channel, event);
            }
            event.object_or_default().set("delta", whole);
        }
    } else if let Some(string) = kind.strip_suffix(".done") {
        ended(strings, memory, string, event, &mut edited);
    } else if let Some(answer) = event.get_mut("response") {
        let last = matches!(kind.as_str(), "response.completed" | "response.incomplete");
        if last {
            edited.before = memory.tails(strings, |_| true);
            edited.finished = true;
            edited.last = true;
        }
        if !strings.rewrite.is_idle() {
            edited.changed |= whole_items(strings, answer);
        }
    }
    renumber(memory, event, &mut edited);
    Ok(edited)
}

/// The end of a string, of a part or of an item.
fn ended<R: Rewrite>(
    strings: &mut Strings<R>,
    memory: &mut Memory,
    string: &str,
    event: &mut Json,
    edited: &mut Edited,
) {
    let item = number(event.get("output_index"), 0);
    if let Some(channel) = channel(string, event) {
        edited.before = memory.tails(strings, |open| *open == channel);
        for key in ["text", "refusal", "arguments", "input", "code"] {
            if let Some(Json::String(text)) = event.get_mut(key) {
                edited.changed |= strings.whole(channel, text);
            }
        }
    } else if let Some(part) = event.get_mut("part") {
        edited.changed |= whole_part(strings, part, (item & 0x7fff) << 16);
    } else if let Some(whole) = event.get_mut("item") {
        edited.before = memory.tails(strings, |open| open.choice >> 16 == item & 0x7fff);
        edited.changed |= whole_item(strings, whole, item);
    }
}

/// The string that an event's type names.
fn channel(string: &str, event: &Json) -> Option<Channel> {
    let item = number(event.get("output_index"), 0);
    let part = |key: &str| number(event.get(key), 0) & 0x7fff;
    let (kind, part) = match string.strip_prefix("response.")? {
        "output_text" => (ChannelKind::Text, part("content_index")),
        "refusal" => (ChannelKind::Refusal, part("content_index")),
        "reasoning_text" | "reasoning" => (ChannelKind::Reasoning, part("content_index")),
        "reasoning_summary_text" | "reasoning_summary" => {
            (ChannelKind::Reasoning, part("summary_index") | SUMMARY)
        }
        "function_call_arguments" | "mcp_call_arguments" => (ChannelKind::Tool(item), 0),
        "custom_tool_call_input" | "code_interpreter_call_code" => (ChannelKind::Input(item), 0),
        _ => return None,
    };
    Some(Channel {
        choice: (item & 0x7fff) << 16 | part,
        kind,
    })
}

/// Numbers go up by one from event to event, those of ours too.
fn renumber(memory: &mut Memory, event: &mut Json, edited: &mut Edited) {
    let Some(theirs) = event.get("sequence_number").and_then(Json::as_u64) else {
        return;
    };
    for before in &mut edited.before {
        let number = theirs.saturating_add(memory.inserted);
        before.object_or_default().set("sequence_number", number);
        memory.inserted += 1;
    }
    if memory.inserted > 0 {
        let number = theirs.saturating_add(memory.inserted);
        event.object_or_default().set("sequence_number", number);
        edited.changed = true;
    }
}

/// Every string of an answer's items.
fn whole_items<R: Rewrite>(strings: &mut Strings<R>, answer: &mut Json) -> bool {
    let mut changed = false;
    if let Some(Json::Array(items)) = answer.get_mut("output") {
        for (at, item) in items.iter_mut().enumerate() {
            changed |= whole_item(strings, item, number(None, at));
        }
    }
    if changed {
        without_logprobs(answer);
    }
    changed
}

fn whole_item<R: Rewrite>(strings: &mut Strings<R>, item: &mut Json, index: u32) -> bool {
    let mut changed = false;
    let choice = (index & 0x7fff) << 16;
    for key in ["content", "summary"] {
        if let Some(Json::Array(parts)) = item.get_mut(key) {
            for part in parts {
                changed |= whole_part(strings, part, choice);
            }
        }
    }
    for (key, kind) in [
        ("arguments", ChannelKind::Tool(index)),
        ("input", ChannelKind::Input(index)),
        ("code", ChannelKind::Input(index)),
    ] {
        if let Some(Json::String(text)) = item.get_mut(key) {
            changed |= strings.whole(Channel { choice, kind }, text);
        }
    }
    changed
}

fn whole_part<R: Rewrite>(strings: &mut Strings<R>, part: &mut Json, choice: u32) -> bool {
    let kind = match part.text("type") {
        Some("reasoning_text" | "summary_text") => ChannelKind::Reasoning,
        Some("refusal") => ChannelKind::Refusal,
        _ => ChannelKind::Text,
    };
    let mut changed = false;
    for key in ["text", "refusal"] {
        if let Some(Json::String(text)) = part.get_mut(key) {
            changed |= strings.whole(Channel { choice, kind }, text);
        }
    }
    if changed {
        without_logprobs(part);
    }
    changed
}
