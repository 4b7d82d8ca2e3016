//! Answers as the Responses API gives them: a list of items.

use super::answer::{Answer, Stop, ToolCall};
use crate::json::{Json, Object, json, object};
use crate::usage::Usage;

/// A whole answer.
pub fn whole(answer: &Answer, model: &str) -> Json {
    let mut items = Vec::new();
    if !answer.reasoning.is_empty() {
        items.push(reasoning(&format!("rs_{}", answer.id), &answer.reasoning));
    }
    if !answer.text.is_empty() || !answer.refusal.is_empty() {
        let mut parts = Vec::new();
        if !answer.text.is_empty() {
            parts.push(text_part(&answer.text));
        }
        if !answer.refusal.is_empty() {
            parts.push(refusal_part(&answer.refusal));
        }
        items.push(said(&format!("msg_{}", answer.id), "completed", parts));
    }
    for call in &answer.calls {
        items.push(called(&format!("fc_{}", call.id), "completed", call));
    }
    Json::Object(response(
        &answer.id,
        model,
        Some(answer.stop),
        items,
        answer.usage,
    ))
}

/// A response. It is not complete where `stop` is not known.
pub fn response(
    id: &str,
    model: &str,
    stop: Option<Stop>,
    output: Vec<Json>,
    usage: Option<Usage>,
) -> Object {
    let (status, reason) = match stop {
        None => ("in_progress", None),
        Some(Stop::Length) => ("incomplete", Some("max_output_tokens")),
        Some(Stop::Filter) => ("incomplete", Some("content_filter")),
        Some(_) => ("completed", None),
    };
    object! {
        "id": format!("resp_{id}"),
        "object": "response",
        "created_at": 0u64,
        "status": status,
        "error": Json::Null,
        "incomplete_details": reason.map(|reason| object! { "reason": reason }),
        "instructions": Json::Null,
        "metadata": object! {},
        "model": model,
        "output": output,
        "parallel_tool_calls": true,
        "temperature": Json::Null,
        "tool_choice": "auto",
        "tools": Vec::new(),
        "top_p": Json::Null,
        "usage": usage.map(self::usage),
    }
}

fn usage(usage: Usage) -> Object {
    object! {
        "input_tokens": usage.input,
        "input_tokens_details": object! { "cached_tokens": usage.cached },
        "output_tokens": usage.output,
        "output_tokens_details": object! { "reasoning_tokens": 0u64 },
        "total_tokens": usage.input.saturating_add(usage.output),
    }
}

pub fn text_part(text: &str) -> Json {
    json! { "type": "output_text", "text": text, "annotations": Vec::new(), "logprobs": Vec::new() }
}

pub fn refusal_part(text: &str) -> Json {
    json! { "type": "refusal", "refusal": text }
}

pub fn summary_part(text: &str) -> Json {
    json! { "type": "summary_text", "text": text }
}

pub fn said(id: &str, status: &str, parts: Vec<Json>) -> Json {
    json! { "type": "message", "id": id, "status": status, "role": "assistant", "content": parts }
}

pub fn reasoning(id: &str, text: &str) -> Json {
    let summary = if text.is_empty() {
        Vec::new()
    } else {
        vec![summary_part(text)]
    };
    json! { "type": "reasoning", "id": id, "summary": summary }
}

pub fn called(id: &str, status: &str, call: &ToolCall) -> Json {
    json! {
        "type": "function_call",
        "id": id,
        "call_id": call.id.as_str(),
        "name": call.name.as_str(),
        "arguments": call.arguments.as_str(),
        "status": status,
    }
}
