//! Answers said in another interface.

use super::answer::{Answer, Stop};
use super::parts::{arguments, tool_call};
use super::responses;
use crate::api::Api;
use crate::json::{Json, Object, json, object};
use crate::usage::Usage;

/// `body`, an answer to `from`, as one to `to`. `None`: there is no way.
pub fn translate(from: Api, to: Api, body: &Json, model: &str) -> Option<Json> {
    let answer = Answer::read(from, body)?;
    match to {
        Api::Chat => Some(chat(&answer, model)),
        Api::Messages => Some(messages(&answer, model)),
        Api::Responses => Some(responses::whole(&answer, model)),
        _ => None,
    }
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn chat(answer: &Answer, model: &str) -> Json {
    let mut message = object! { "role": "assistant", "content": filled(&answer.text) };
    if !answer.reasoning.is_empty() {
        message.set("reasoning_content", answer.reasoning.as_str());
    }
    message.set("refusal", filled(&answer.refusal));
    if !answer.calls.is_empty() {
        let calls: Vec<Json> = answer
            .calls
            .iter()
            .map(|call| tool_call(&call.id, &call.name, &call.arguments))
            .collect();
        message.set("tool_calls", calls);
    }
    let choice = json! {
        "index": 0u64,
        "message": message,
        "logprobs": Json::Null,
        "finish_reason": answer.stop.chat(),
    };
    json! {
        "id": answer.id.as_str(),
        "object": "chat.completion",
        "created": 0u64,
        "model": model,
        "choices": vec![choice],
        "usage": answer.usage.map(chat_usage),
    }
}

fn messages(answer: &Answer, model: &str) -> Json {
    let mut content = Vec::new();
    if !answer.reasoning.is_empty() {
        content.push(
            json! { "type": "thinking", "thinking": answer.reasoning.as_str(), "signature": "" },
        );
    }
    for text in [&answer.text, &answer.refusal] {
        if !text.is_empty() {
            content.push(json! { "type": "text", "text": text.as_str() });
        }
    }
    for call in &answer.calls {
        content.push(json! {
            "type": "tool_use",
            "id": call.id.as_str(),
            "name": call.name.as_str(),
            "input": arguments(&call.arguments),
        });
    }
    let mut body = message(&answer.id, model, answer.usage.unwrap_or_default());
    body.set("content", content);
    body.set("stop_reason", answer.stop.messages());
    if answer.stop == Stop::Sequence {
        body.set("stop_sequence", answer.sequence.as_deref());
    }
    Json::Object(body)
}

/// A message that nothing has been said in yet.
pub fn message(id: &str, model: &str, usage: Usage) -> Object {
    object! {
        "id": format!("msg_{id}"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": Vec::new(),
        "stop_reason": Json::Null,
        "stop_sequence": Json::Null,
        "usage": messages_usage(usage),
    }
}

pub fn chat_usage(usage: Usage) -> Object {
    object! {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input.saturating_add(usage.output),
        "prompt_tokens_details": object! { "cached_tokens": usage.cached },
    }
}

pub fn messages_usage(usage: Usage) -> Object {
    object! {
        "input_tokens": usage.input.saturating_sub(usage.cached),
        "cache_creation_input_tokens": 0u64,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }
}
