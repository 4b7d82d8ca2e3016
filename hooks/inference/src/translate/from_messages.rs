//! A call of messages as one of chat.

use super::parts::{arguments_text, content, from_block, text_part, texts, tool_call};
use super::{Untranslatable, copy, no};
use crate::json::{Json, Object, json, object};

pub fn to_chat(body: &Json) -> Result<Json, Untranslatable> {
    for key in ["mcp_servers", "container"] {
        if body
            .get(key)
            .is_some_and(|value| !matches!(value, Json::Array(items) if items.is_empty()))
        {
            return Err(no(key));
        }
    }
    let mut chat = Object::default();
    copy(
        body,
        &mut chat,
        &["model", "max_tokens", "temperature", "top_p", "stream"],
    );
    if body.get("stream").and_then(Json::as_bool) == Some(true) {
        chat.set("stream_options", object! { "include_usage": true });
    }
    if let Some(stops) = body.get("stop_sequences") {
        chat.set("stop", stops.clone());
    }
    if let Some(user) = body
        .get("metadata")
        .and_then(|metadata| metadata.get("user_id"))
    {
        chat.set("user", user.clone());
    }
    tools(body, &mut chat)?;
    format(body, &mut chat);
    chat.set("messages", messages(body)?);
    Ok(Json::Object(chat))
}

fn messages(body: &Json) -> Result<Vec<Json>, Untranslatable> {
    let mut out = Vec::new();
    if let Some(system) = body.get("system") {
        out.push(json! { "role": "system", "content": texts(system) });
    }
    for (index, message) in body.list("messages").iter().enumerate() {
        let path = format!("messages[{index}].content");
        let role = message.text("role").unwrap_or_default();
        match (role, message.get("content")) {
            (_, Some(Json::String(text))) => {
                out.push(json! { "role": role, "content": text.as_str() })
            }
            ("assistant", Some(Json::Array(blocks))) => out.push(assistant(blocks, &path)?),
            (_, Some(Json::Array(blocks))) => user(role, blocks, &path, &mut out)?,
            _ => {}
        }
    }
    Ok(out)
}

fn assistant(blocks: &[Json], path: &str) -> Result<Json, Untranslatable> {
    let (mut words, mut calls) = (Vec::new(), Vec::new());
    for (at, block) in blocks.iter().enumerate() {
        match block.text("type") {
            Some("text") => words.push(block.text("text").unwrap_or_default()),
            Some("tool_use") => calls.push(tool_call(
                block.text("id").unwrap_or_default(),
                block.text("name").unwrap_or_default(),
                &arguments_text(block.get("input")),
            )),
            // Thoughts are for the server that had them.
            Some("thinking" | "redacted_thinking") => {}
            _ => return Err(no(format!("{path}[{at}].type"))),
        }
    }
    let words = (!words.is_empty()).then(|| words.join("\n\n"));
    let mut message = object! { "role": "assistant", "content": words };
    if !calls.is_empty() {
        message.set("tool_calls", calls);
    }
    Ok(Json::Object(message))
}

/// What tools answered goes first: it must follow the calls. Images in it go to the user's own message.
fn user(
    role: &str,
    blocks: &[Json],
    path: &str,
    out: &mut Vec<Json>,
) -> Result<(), Untranslatable> {
    let mut parts = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let path = format!("{path}[{at}]");
        if block.text("type") != Some("tool_result") {
            parts.push(from_block(block, &path)?);
            continue;
        }
        let mut words = Vec::new();
        match block.get("content") {
            Some(Json::Array(inside)) => {
                for (at, inner) in inside.iter().enumerate() {
                    let part = from_block(inner, &format!("{path}.content[{at}]"))?;
                    match part.text("text") {
                        Some(text) => words.push(text.to_owned()),
                        None => parts.push(part),
                    }
                }
            }
            Some(inside) => words.push(texts(inside)),
            None => {}
        }
        out.push(json! {
            "role": "tool",
            "tool_call_id": block.text("tool_use_id").unwrap_or_default(),
            "content": words.join("\n\n"),
        });
    }
    if !parts.is_empty() {
        out.push(json! { "role": role, "content": content(parts) });
    }
    Ok(())
}

fn tools(body: &Json, chat: &mut Object) -> Result<(), Untranslatable> {
    let asked = body.list("tools");
    let tools: Vec<Json> = asked.iter().filter_map(tool).collect();
    if tools.is_empty() && !asked.is_empty() {
        return Err(no("tools"));
    }
    if !tools.is_empty() {
        chat.set("tools", tools);
    }
    let Some(choice) = body.get("tool_choice") else {
        return Ok(());
    };
    if chat.get("tools").is_none() {
        return Ok(());
    }
    match choice.text("type") {
        Some("auto") => chat.set("tool_choice", "auto"),
        Some("any") => chat.set("tool_choice", "required"),
        Some("none") => chat.set("tool_choice", "none"),
        Some("tool") => {
            let name = choice.text("name").unwrap_or_default();
            chat.set(
                "tool_choice",
                json! { "type": "function", "function": json! { "name": name } },
            );
        }
        _ => return Err(no("tool_choice.type")),
    }
    if choice
        .get("disable_parallel_tool_use")
        .and_then(Json::as_bool)
        == Some(true)
    {
        chat.set("parallel_tool_calls", false);
    }
    Ok(())
}

/// A tool that the client runs. Those that a server knows by their type have no schema.
fn tool(tool: &Json) -> Option<Json> {
    let schema = tool.get("input_schema")?;
    let mut function = object! { "name": tool.text("name").unwrap_or_default() };
    copy(tool, &mut function, &["description", "strict"]);
    function.set("parameters", schema.clone());
    Some(json! { "type": "function", "function": function })
}

fn format(body: &Json, chat: &mut Object) {
    let format = body
        .get("output_config")
        .and_then(|config| config.get("format"))
        .or_else(|| body.get("output_format"));
    if let Some(schema) = format.and_then(|format| format.get("schema")) {
        let wanted = json! { "name": "answer", "strict": true, "schema": schema.clone() };
        chat.set(
            "response_format",
            json! { "type": "json_schema", "json_schema": wanted },
        );
    }
}

/// A plain text as the only part, for callers that need parts.
pub fn as_parts(content: &Json) -> Vec<Json> {
    match content {
        Json::String(text) => vec![text_part(text)],
        Json::Array(parts) => parts.clone(),
        _ => Vec::new(),
    }
}
