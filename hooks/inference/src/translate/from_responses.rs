//! A call of responses as one of chat.

use super::parts::{content, text_part, texts, tool_call};
use super::{Untranslatable, copy, no};
use crate::json::{Json, Object, json, object};

pub fn to_chat(body: &Json) -> Result<Json, Untranslatable> {
    for key in ["previous_response_id", "conversation", "prompt"] {
        if body.get(key).is_some() {
            return Err(no(key));
        }
    }
    if body.get("background").and_then(Json::as_bool) == Some(true) {
        return Err(no("background"));
    }
    let mut chat = Object::default();
    copy(
        body,
        &mut chat,
        &["model", "temperature", "top_p", "stream", "user"],
    );
    if body.get("stream").and_then(Json::as_bool) == Some(true) {
        chat.set("stream_options", object! { "include_usage": true });
    }
    if let Some(most) = body.get("max_output_tokens") {
        chat.set("max_tokens", most.clone());
    }
    if let Some(effort) = body
        .get("reasoning")
        .and_then(|reasoning| reasoning.get("effort"))
    {
        chat.set("reasoning_effort", effort.clone());
    }
    tools(body, &mut chat)?;
    format(body, &mut chat)?;
    let mut messages: Vec<Json> = Vec::new();
    match body.get("instructions") {
        Some(Json::String(text)) => {
            messages.push(json! { "role": "system", "content": text.as_str() })
        }
        Some(Json::Array(items)) => self::items(items, "instructions", &mut messages)?,
        _ => {}
    }
    match body.get("input") {
        Some(Json::String(text)) => {
            messages.push(json! { "role": "user", "content": text.as_str() })
        }
        Some(Json::Array(items)) => self::items(items, "input", &mut messages)?,
        _ => {}
    }
    chat.set("messages", messages);
    Ok(Json::Object(chat))
}

fn items(items: &[Json], path: &str, messages: &mut Vec<Json>) -> Result<(), Untranslatable> {
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        match item.text("type") {
            Some("message") | None => messages.push(message(item, &path)?),
            Some("function_call") => called(item, messages),
            Some("function_call_output") => {
                let output = item.get("output").map(texts).unwrap_or_default();
                messages.push(json! {
                    "role": "tool",
                    "tool_call_id": item.text("call_id").unwrap_or_default(),
                    "content": output,
                });
            }
            // Thoughts are for the server that had them.
            Some("reasoning") => {}
            Some(_) => return Err(no(format!("{path}.type"))),
        }
    }
    Ok(())
}

fn message(item: &Json, path: &str) -> Result<Json, Untranslatable> {
    let role = match item.text("role") {
        Some("developer") => "system",
        role => role.unwrap_or("user"),
    };
    let mut parts = Vec::new();
    for (at, part) in item.list("content").iter().enumerate() {
        parts.push(self::part(part, &format!("{path}.content[{at}]"))?);
    }
    let content = match item.get("content") {
        Some(Json::String(text)) => text.as_str().into(),
        _ if role == "assistant" => texts(&Json::Array(parts)).into(),
        _ => content(parts),
    };
    Ok(json! { "role": role, "content": content })
}

fn part(part: &Json, path: &str) -> Result<Json, Untranslatable> {
    match part.text("type") {
        Some("input_text" | "output_text" | "text" | "summary_text") => {
            Ok(text_part(part.text("text").unwrap_or_default()))
        }
        Some("refusal") => Ok(text_part(part.text("refusal").unwrap_or_default())),
        Some("input_image") => {
            let url = part
                .text("image_url")
                .ok_or_else(|| no(format!("{path}.file_id")))?;
            let mut image = object! { "url": url };
            copy(part, &mut image, &["detail"]);
            Ok(json! { "type": "image_url", "image_url": image })
        }
        Some("input_file") if part.get("file_data").is_some() => {
            let mut file = Object::default();
            copy(part, &mut file, &["filename", "file_data"]);
            Ok(json! { "type": "file", "file": file })
        }
        _ => Err(no(format!("{path}.type"))),
    }
}

/// Calls that follow each other, or what the model said, are one message.
fn called(item: &Json, messages: &mut Vec<Json>) {
    let call = tool_call(
        item.text("call_id").unwrap_or_default(),
        item.text("name").unwrap_or_default(),
        item.text("arguments").unwrap_or("{}"),
    );
    if let Some(Json::Object(last)) = messages.last_mut()
        && last.get("role").and_then(Json::as_str) == Some("assistant")
    {
        match last.get_mut("tool_calls").and_then(Json::as_array_mut) {
            Some(calls) => calls.push(call),
            None => last.set("tool_calls", vec![call]),
        }
        return;
    }
    messages.push(json! { "role": "assistant", "content": Json::Null, "tool_calls": vec![call] });
}

fn tools(body: &Json, chat: &mut Object) -> Result<(), Untranslatable> {
    let asked = body.list("tools");
    let is_function = |tool: &&Json| tool.text("type") == Some("function");
    let tools: Vec<Json> = asked
        .iter()
        .filter(is_function)
        .map(|tool| {
            let mut function = Object::default();
            copy(
                tool,
                &mut function,
                &["name", "description", "parameters", "strict"],
            );
            json! { "type": "function", "function": function }
        })
        .collect();
    if tools.is_empty() {
        return if asked.is_empty() {
            Ok(())
        } else {
            Err(no("tools"))
        };
    }
    chat.set("tools", tools);
    copy(body, chat, &["parallel_tool_calls"]);
    match body.get("tool_choice") {
        None => {}
        Some(Json::String(word)) => chat.set("tool_choice", word.as_str()),
        Some(choice) if choice.text("type") == Some("function") => {
            let name = choice.text("name").unwrap_or_default();
            chat.set(
                "tool_choice",
                json! { "type": "function", "function": json! { "name": name } },
            );
        }
        Some(_) => return Err(no("tool_choice.type")),
    }
    Ok(())
}

fn format(body: &Json, chat: &mut Object) -> Result<(), Untranslatable> {
    let Some(format) = body.get("text").and_then(|text| text.get("format")) else {
        return Ok(());
    };
    match format.text("type") {
        Some("text") => {}
        Some("json_object") => chat.set("response_format", object! { "type": "json_object" }),
        Some("json_schema") => {
            let mut schema = Object::default();
            copy(
                format,
                &mut schema,
                &["name", "description", "schema", "strict"],
            );
            chat.set(
                "response_format",
                json! { "type": "json_schema", "json_schema": schema },
            );
        }
        _ => return Err(no("text.format.type")),
    }
    Ok(())
}
