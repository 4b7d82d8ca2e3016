//! OpenAI's answers: chat, completions, responses, embeddings, models.

use http::StatusCode;
use serde_json::{Value, json};

use super::plan::{Plan, Said};

/// Tokens that it says it has read; the tests count on them.
pub const READ: u64 = 11;
/// Tokens that it says it has written.
pub const WRITTEN: u64 = 7;

fn usage() -> Value {
    json!({ "prompt_tokens": READ, "completion_tokens": WRITTEN, "total_tokens": READ + WRITTEN })
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// An error.
pub fn error(code: StatusCode, why: &str) -> Value {
    let kind = match code.as_u16() {
        401 => "authentication_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    json!({ "error": { "message": why, "type": kind, "param": null, "code": code.as_u16() } })
}

fn message(said: &Said) -> Value {
    match said {
        Said::Text(text) => json!({ "role": "assistant", "content": text }),
        Said::Call(name, arguments) => {
            json!({ "role": "assistant", "content": null, "tool_calls": [
            { "id": "call_1", "type": "function", "function": { "name": name, "arguments": arguments.to_string() } } ] })
        }
    }
}

fn reason(said: &Said) -> &'static str {
    match said {
        Said::Text(_) => "stop",
        Said::Call(..) => "tool_calls",
    }
}

/// A chat completion.
pub fn chat(request: &Value, said: &Said) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request["model"], "usage": usage(),
        "choices": [ { "index": 0, "message": message(said), "finish_reason": reason(said), "logprobs": null } ] })
}

/// A chat completion as a stream.
pub fn chat_events(request: &Value, said: &Said, plan: &Plan) -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": request["model"], "choices": choices });
        if request["stream_options"]["include_usage"] == true {
            chunk["usage"] = usage;
        }
        data(&chunk)
    };
    let delta = |delta: Value, reason: Value| {
        chunk(
            json!([{ "index": 0, "delta": delta, "finish_reason": reason, "logprobs": null }]),
            Value::Null,
        )
    };
    let mut events = vec![delta(
        json!({ "role": "assistant", "content": "" }),
        Value::Null,
    )];
    match said {
        Said::Text(text) => events.extend(
            plan.pieces(text)
                .iter()
                .map(|piece| delta(json!({ "content": piece }), Value::Null)),
        ),
        Said::Call(name, arguments) => {
            let call = |call: Value| delta(json!({ "tool_calls": [call] }), Value::Null);
            events.push(call(json!({ "index": 0, "id": "call_1", "type": "function", "function": { "name": name, "arguments": "" } })));
            events.extend(
                plan.pieces(&arguments.to_string())
                    .iter()
                    .map(|piece| call(json!({ "index": 0, "function": { "arguments": piece } }))),
            );
        }
    }
    events.push(delta(json!({}), reason(said).into()));
    if request["stream_options"]["include_usage"] == true {
        events.push(chunk(json!([]), usage()));
    }
    events.push("data: [DONE]\n\n".into());
    events
}

fn words(said: &Said) -> String {
    match said {
        Said::Text(text) => text.clone(),
        Said::Call(_, arguments) => arguments.to_string(),
    }
}

/// A completion of the older kind.
pub fn completion(request: &Value, said: &Said) -> Value {
    json!({ "id": "cmpl-1", "object": "text_completion", "created": 1, "model": request["model"], "usage": usage(),
        "choices": [ { "index": 0, "text": words(said), "finish_reason": "stop", "logprobs": null } ] })
}

/// The same as a stream.
pub fn completion_events(request: &Value, said: &Said, plan: &Plan) -> Vec<String> {
    let chunk = |text: &str, reason: Value| {
        data(
            &json!({ "id": "cmpl-1", "object": "text_completion", "created": 1, "model": request["model"],
            "choices": [ { "index": 0, "text": text, "finish_reason": reason, "logprobs": null } ] }),
        )
    };
    let pieces = plan.pieces(&words(said));
    let mut events: Vec<String> = pieces
        .iter()
        .map(|piece| chunk(piece, Value::Null))
        .collect();
    events.push(chunk("", "stop".into()));
    events.push("data: [DONE]\n\n".into());
    events
}

fn item(said: &Said, state: &str) -> Value {
    match said {
        Said::Text(text) => {
            json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": state,
            "content": [ { "type": "output_text", "text": text, "annotations": [] } ] })
        }
        Said::Call(name, arguments) => {
            json!({ "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name,
            "arguments": arguments.to_string(), "status": state })
        }
    }
}

/// A response.
pub fn response(request: &Value, said: &Said) -> Value {
    json!({ "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": request["model"],
        "output": [item(said, "completed")], "error": null, "incomplete_details": null, "instructions": null, "metadata": {},
        "parallel_tool_calls": true, "temperature": 1, "tool_choice": "auto", "tools": [], "top_p": 1,
        "usage": { "input_tokens": READ, "output_tokens": WRITTEN, "total_tokens": READ + WRITTEN,
            "input_tokens_details": { "cached_tokens": 0 }, "output_tokens_details": { "reasoning_tokens": 0 } } })
}

/// A response as a stream.
pub fn response_events(request: &Value, said: &Said, plan: &Plan) -> Vec<String> {
    let mut events: Vec<(&str, Value)> = Vec::new();
    let mut begun = response(request, said);
    begun["status"] = "in_progress".into();
    begun["output"] = json!([]);
    begun["usage"] = Value::Null;
    let place = json!({ "item_id": "msg_1", "output_index": 0, "content_index": 0 });
    events.push(("response.created", json!({ "response": begun })));
    match said {
        Said::Text(text) => {
            let mut empty = item(said, "in_progress");
            empty["content"] = json!([]);
            events.push((
                "response.output_item.added",
                json!({ "output_index": 0, "item": empty }),
            ));
            let part =
                |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
            events.push((
                "response.content_part.added",
                with(&place, &[("part", part(""))]),
            ));
            for piece in plan.pieces(text) {
                events.push((
                    "response.output_text.delta",
                    with(&place, &[("delta", piece.into()), ("logprobs", json!([]))]),
                ));
            }
            events.push((
                "response.output_text.done",
                with(
                    &place,
                    &[("text", text.as_str().into()), ("logprobs", json!([]))],
                ),
            ));
            events.push((
                "response.content_part.done",
                with(&place, &[("part", part(text))]),
            ));
        }
        Said::Call(_, arguments) => {
            let mut empty = item(said, "in_progress");
            empty["arguments"] = "".into();
            events.push((
                "response.output_item.added",
                json!({ "output_index": 0, "item": empty }),
            ));
            let place = json!({ "item_id": "fc_1", "output_index": 0 });
            for piece in plan.pieces(&arguments.to_string()) {
                events.push((
                    "response.function_call_arguments.delta",
                    with(&place, &[("delta", piece.into())]),
                ));
            }
            events.push((
                "response.function_call_arguments.done",
                with(&place, &[("arguments", arguments.to_string().into())]),
            ));
        }
    }
    events.push((
        "response.output_item.done",
        json!({ "output_index": 0, "item": item(said, "completed") }),
    ));
    events.push((
        "response.completed",
        json!({ "response": response(request, said) }),
    ));
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(number, (kind, mut value))| {
            value["type"] = kind.into();
            value["sequence_number"] = number.into();
            format!("event: {kind}\ndata: {value}\n\n")
        })
        .collect()
}

fn with(place: &Value, more: &[(&str, Value)]) -> Value {
    let mut value = place.clone();
    for (key, part) in more {
        value[*key] = part.clone();
    }
    value
}

/// Embeddings, one for each input.
pub fn embeddings(request: &Value) -> Value {
    let count = request["input"].as_array().map_or(1, Vec::len);
    let data: Vec<Value> = (0..count)
        .map(|index| json!({ "object": "embedding", "index": index, "embedding": [0.25, -0.5] }))
        .collect();
    json!({ "object": "list", "model": request["model"], "data": data, "usage": { "prompt_tokens": READ, "total_tokens": READ } })
}

/// The list of models.
pub fn models() -> Value {
    json!({ "object": "list", "data": [ { "id": "fake", "object": "model", "created": 1, "owned_by": "test" } ] })
}
