//! Streams of chat and of completions: chunks with choices, each with a delta, and `[DONE]`.

use super::relay::Edited;
use super::strings::Strings;
use super::{BadStream, Channel, ChannelKind, Rewrite};
use crate::json::{Json, Object, json};
use crate::reply::without_logprobs;

/// Put a chunk's pieces through, and end the strings that end with it.
pub fn edit<R: Rewrite>(strings: &mut Strings<R>, chunk: &mut Json) -> Result<Edited, BadStream> {
    let mut edited = Edited::default();
    if !strings.rewrite.is_idle()
        && chunk
            .list("choices")
            .iter()
            .any(|c| c.get("logprobs").is_some())
    {
        without_logprobs(chunk);
        edited.changed = true;
    }
    let envelope = envelope(chunk);
    if chunk.get("choices").is_none() && chunk.get("usage").is_some() {
        // Some servers count in a chunk without any.
        return Ok(edited);
    }
    let Some(Json::Array(choices)) = chunk.get_mut("choices") else {
        return Err(BadStream::Shape("choices"));
    };
    for (at, choice) in choices.iter_mut().enumerate() {
        one(strings, choice, at, &envelope, &mut edited)?;
    }
    Ok(edited)
}

fn one<R: Rewrite>(
    strings: &mut Strings<R>,
    choice: &mut Json,
    at: usize,
    envelope: &Object,
    edited: &mut Edited,
) -> Result<(), BadStream> {
    let index = number(choice.get("index"), at);
    let finished = choice.text("finish_reason").is_some();
    let mut touched = Vec::new();
    let body = if choice.get("delta").is_some() {
        choice.get_mut("delta")
    } else {
        Some(choice)
    };
    let Some(body) = body else { return Ok(()) };
    if !strings.rewrite.is_idle() && body.get("reasoning_details").is_some() {
        // It tells again what `reasoning` tells.
        body.object_or_default().remove("reasoning_details");
        edited.changed = true;
    }
    let mut switched = !body.list("tool_calls").is_empty();
    each_slot(body, index, &mut |channel, text| {
        // A call begins with its name, before there are arguments: what was said before it has ended.
        let call = matches!(channel.kind, ChannelKind::Tool(_) | ChannelKind::Input(_));
        if text.is_empty() && !call {
            return Ok(());
        }
        touched.push(channel);
        switched = true;
        edited.changed |= strings.piece(channel, text)?;
        Ok(())
    })?;
    let before = strings
        .end(|open| open.choice == index && (finished || switched) && !touched.contains(open));
    for (channel, tail) in before {
        edited.before.push(tail_chunk(envelope, channel, tail));
    }
    if finished {
        for (channel, tail) in strings.end(|open| open.choice == index) {
            edited.changed = true;
            append(body, channel, &tail)?;
        }
        edited.finished = true;
    }
    Ok(())
}

/// What is left of strings that are still open when the stream ends.
pub fn end<R: Rewrite>(strings: &mut Strings<R>, last: &Object) -> Vec<Json> {
    strings
        .end(|_| true)
        .into_iter()
        .map(|(channel, tail)| tail_chunk(last, channel, tail))
        .collect()
}

/// What a chunk says of itself, for chunks of ours that stand before it.
pub fn envelope(chunk: &Json) -> Object {
    let mut envelope = Object::default();
    for key in ["id", "object", "created", "model", "system_fingerprint"] {
        if let Some(value) = chunk.get(key) {
            envelope.set(key, value.clone());
        }
    }
    envelope
}

fn tail_chunk(envelope: &Object, channel: Channel, tail: String) -> Json {
    let mut chunk = envelope.clone();
    let completion = envelope.get("object").and_then(Json::as_str) == Some("text_completion");
    let index = u64::from(channel.choice);
    let choice = if completion {
        json! { "index": index, "text": tail, "logprobs": Json::Null, "finish_reason": Json::Null }
    } else {
        let delta = match channel.kind {
            ChannelKind::Text => json! { "content": tail },
            ChannelKind::Reasoning => json! { "reasoning_content": tail },
            ChannelKind::Refusal => json! { "refusal": tail },
            ChannelKind::Input(call) => json! {
                "tool_calls": vec![json! { "index": u64::from(call), "custom": json! { "input": tail } }],
            },
            ChannelKind::Tool(call) => json! {
                "tool_calls": vec![json! { "index": u64::from(call), "function": json! { "arguments": tail } }],
            },
        };
        json! { "index": index, "delta": delta, "finish_reason": Json::Null }
    };
    chunk.set("choices", vec![choice]);
    Json::Object(chunk)
}

type Slot<'f> = dyn FnMut(Channel, &mut String) -> Result<(), BadStream> + 'f;

/// Each string of a delta, or of a completion's choice, that is a piece of one.
fn each_slot(body: &mut Json, choice: u32, each: &mut Slot<'_>) -> Result<(), BadStream> {
    let channel = |kind| Channel { choice, kind };
    let twin = body.text("reasoning").is_some()
        && body.text("reasoning") == body.text("reasoning_content");
    let Json::Object(members) = body else {
        return Ok(());
    };
    for (key, value) in members.iter_mut() {
        let kind = match key {
            "content" | "text" => ChannelKind::Text,
            "reasoning_content" => ChannelKind::Reasoning,
            "reasoning" if !twin => ChannelKind::Reasoning,
            "refusal" => ChannelKind::Refusal,
            "tool_calls" => {
                for (at, call) in value.as_array_mut().into_iter().flatten().enumerate() {
                    let number = number(call.get("index"), at);
                    if let Some((kind, text)) = arguments(call, number) {
                        each(channel(kind), text)?;
                    }
                }
                continue;
            }
            "function_call" => {
                if let Some(Json::String(text)) = value.get_mut("arguments") {
                    each(channel(ChannelKind::Tool(0)), text)?;
                }
                continue;
            }
            _ => continue,
        };
        match value {
            Json::String(text) => each(channel(kind), text)?,
            Json::Null => {}
            _ => return Err(BadStream::Shape("delta.content")),
        }
    }
    if twin {
        let same = body
            .text("reasoning_content")
            .unwrap_or_default()
            .to_owned();
        body.object_or_default().set("reasoning", same);
    }
    Ok(())
}

fn arguments(call: &mut Json, number: u32) -> Option<(ChannelKind, &mut String)> {
    let (kind, group, key) = match call.get("custom") {
        Some(_) => (ChannelKind::Input(number), "custom", "input"),
        None => (ChannelKind::Tool(number), "function", "arguments"),
    };
    match call.get_mut(group)?.get_mut(key)? {
        Json::String(text) => Some((kind, text)),
        _ => None,
    }
}

fn append(body: &mut Json, channel: Channel, tail: &str) -> Result<(), BadStream> {
    each_slot(body, channel.choice, &mut |slot, text| {
        if slot == channel {
            text.push_str(tail);
        }
        Ok(())
    })
}

pub fn number(value: Option<&Json>, or: usize) -> u32 {
    let number = value.and_then(Json::as_u64).unwrap_or(or as u64);
    u32::try_from(number).unwrap_or(u32::MAX)
}
