//! Streams of messages: blocks that begin, grow and end one after the other, between the message's own begin and end.

use super::chat::number;
use super::relay::Edited;
use super::strings::Strings;
use super::{BadStream, Channel, ChannelKind, Rewrite};
use crate::json::{Json, json};

/// Put an event's piece through, and end the strings that end with it.
pub fn edit<R: Rewrite>(strings: &mut Strings<R>, event: &mut Json) -> Result<Edited, BadStream> {
    let mut edited = Edited::default();
    let index = number(event.get("index"), 0);
    let Some(kind) = event.text("type").map(str::to_owned) else {
        return Err(BadStream::Shape("type"));
    };
    match kind.as_str() {
        "content_block_start" => {
            let block = event
                .get_mut("content_block")
                .ok_or(BadStream::Shape("content_block"))?;
            for (key, kind) in [
                ("text", ChannelKind::Text),
                ("thinking", ChannelKind::Reasoning),
            ] {
                if let Some(Json::String(text)) = block.get_mut(key) {
                    edited.changed |= strings.piece(
                        Channel {
                            choice: index,
                            kind,
                        },
                        text,
                    )?;
                }
            }
        }
        "content_block_delta" => {
            let delta = event.get_mut("delta").ok_or(BadStream::Shape("delta"))?;
            if delta.text("type") == Some("signature_delta") {
                let ended = strings.end(|open| open.choice == index);
                edited.before = tails(ended);
            } else {
                edited.changed = piece(strings, delta, index)?;
            }
        }
        "content_block_stop" => edited.before = tails(strings.end(|open| open.choice == index)),
        "message_delta" => {
            edited.before = tails(strings.end(|_| true));
            edited.finished = event
                .get("delta")
                .is_some_and(|delta| delta.text("stop_reason").is_some());
        }
        "message_stop" => {
            edited.before = tails(strings.end(|_| true));
            edited.finished = true;
            edited.last = true;
        }
        _ => {}
    }
    Ok(edited)
}

fn piece<R: Rewrite>(
    strings: &mut Strings<R>,
    delta: &mut Json,
    index: u32,
) -> Result<bool, BadStream> {
    let channel = |kind| Channel {
        choice: index,
        kind,
    };
    let (key, kind) = match delta.text("type") {
        Some("text_delta") => ("text", ChannelKind::Text),
        Some("thinking_delta") => ("thinking", ChannelKind::Reasoning),
        Some("input_json_delta") => ("partial_json", ChannelKind::Tool(index)),
        Some("citations_delta") => {
            let cited = delta
                .get_mut("citation")
                .and_then(|citation| citation.get_mut("cited_text"));
            return Ok(match cited {
                Some(Json::String(text)) => strings.whole(channel(ChannelKind::Text), text),
                _ => false,
            });
        }
        _ => return Ok(false),
    };
    match delta.get_mut(key) {
        Some(Json::String(text)) => strings.piece(channel(kind), text),
        _ => Err(BadStream::Shape("delta.text")),
    }
}

fn tails(ended: Vec<(Channel, String)>) -> Vec<Json> {
    ended
        .into_iter()
        .map(|(channel, tail)| {
            let delta = match channel.kind {
                ChannelKind::Text | ChannelKind::Refusal => json! { "type": "text_delta", "text": tail },
                ChannelKind::Reasoning => json! { "type": "thinking_delta", "thinking": tail },
                ChannelKind::Tool(_) | ChannelKind::Input(_) => json! { "type": "input_json_delta", "partial_json": tail },
            };
            json! { "type": "content_block_delta", "index": u64::from(channel.choice), "delta": delta }
        })
        .collect()
}
