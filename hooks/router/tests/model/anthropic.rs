//! Anthropic's answers: messages and their count of tokens.

use http::StatusCode;
use serde_json::{Value, json};

use super::openai::{READ, WRITTEN};
use super::plan::{Plan, Said};

/// An error.
pub fn error(code: StatusCode, why: &str) -> Value {
    let kind = match code.as_u16() {
        401 => "authentication_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": why }, "request_id": "req_1" })
}

fn reason(said: &Said) -> &'static str {
    match said {
        Said::Text(_) => "end_turn",
        Said::Call(..) => "tool_use",
    }
}

/// A message.
pub fn message(request: &Value, said: &Said) -> Value {
    let block = match said {
        Said::Text(text) => json!({ "type": "text", "text": text }),
        Said::Call(name, arguments) => {
            json!({ "type": "tool_use", "id": "toolu_1", "name": name, "input": arguments })
        }
    };
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": [block],
        "stop_reason": reason(said), "stop_sequence": null, "usage": { "input_tokens": READ, "output_tokens": WRITTEN } })
}

/// A message as a stream.
pub fn events(request: &Value, said: &Said, plan: &Plan) -> Vec<String> {
    let mut begun = message(request, said);
    begun["content"] = json!([]);
    begun["stop_reason"] = Value::Null;
    begun["usage"]["output_tokens"] = 1.into();
    let mut events = vec![
        ("message_start", json!({ "message": begun })),
        ("ping", json!({})),
    ];
    let (block, pieces) = match said {
        Said::Text(text) => {
            let delta = |piece: String| json!({ "type": "text_delta", "text": piece });
            let pieces: Vec<Value> = plan.pieces(text).into_iter().map(delta).collect();
            (json!({ "type": "text", "text": "" }), pieces)
        }
        Said::Call(name, arguments) => {
            let delta =
                |piece: String| json!({ "type": "input_json_delta", "partial_json": piece });
            let pieces = plan.pieces(&arguments.to_string());
            let pieces: Vec<Value> = pieces.into_iter().map(delta).collect();
            let block = json!({ "type": "tool_use", "id": "toolu_1", "name": name, "input": {} });
            (block, pieces)
        }
    };
    events.push((
        "content_block_start",
        json!({ "index": 0, "content_block": block }),
    ));
    for piece in pieces {
        events.push(("content_block_delta", json!({ "index": 0, "delta": piece })));
    }
    events.push(("content_block_stop", json!({ "index": 0 })));
    events.push((
        "message_delta",
        json!({ "delta": { "stop_reason": reason(said), "stop_sequence": null }, "usage": { "output_tokens": WRITTEN } }),
    ));
    events.push(("message_stop", json!({})));
    events
        .into_iter()
        .map(|(kind, mut value)| {
            value["type"] = kind.into();
            format!("event: {kind}\ndata: {value}\n\n")
        })
        .collect()
}

/// How many tokens a request has: here its words.
pub fn count(request: &Value) -> Value {
    let words = request["messages"].to_string().split_whitespace().count();
    json!({ "input_tokens": words })
}
