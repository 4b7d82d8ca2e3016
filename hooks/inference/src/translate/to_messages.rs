//! A call of chat as one of messages.

use super::from_messages::as_parts;
use super::parts::{arguments, to_block};
use super::{Untranslatable, copy, no};
use crate::json::{Json, Object, json, object};

/// Messages need a limit where chat needs none.
const MAX_TOKENS: u64 = 8192;

pub fn from_chat(body: &Json) -> Result<Json, Untranslatable> {
    refuse(body)?;
    let mut out = Object::default();
    copy(body, &mut out, &["model"]);
    let most = body
        .get("max_completion_tokens")
        .or_else(|| body.get("max_tokens"));
    out.set(
        "max_tokens",
        most.and_then(Json::as_u64).unwrap_or(MAX_TOKENS),
    );
    copy(body, &mut out, &["top_p", "stream"]);
    if let Some(Json::Number(number)) = body.get("temperature") {
        // Chat goes up to 2, messages to 1.
        let above = number.as_f64().is_some_and(|value| value > 1.0);
        out.set(
            "temperature",
            if above {
                1u64.into()
            } else {
                Json::Number(number.clone())
            },
        );
    }
    match body.get("stop") {
        Some(Json::String(stop)) => out.set("stop_sequences", vec![stop.as_str().into()]),
        Some(stops) => out.set("stop_sequences", stops.clone()),
        None => {}
    }
    if let Some(user) = body.get("user").or_else(|| body.get("safety_identifier")) {
        out.set("metadata", object! { "user_id": user.clone() });
    }
    tools(body, &mut out)?;
    format(body, &mut out)?;
    messages(body, &mut out)?;
    Ok(Json::Object(out))
}

fn refuse(body: &Json) -> Result<(), Untranslatable> {
    for key in ["functions", "function_call", "audio", "web_search_options"] {
        if body.get(key).is_some() {
            return Err(no(key));
        }
    }
    if body.get("n").and_then(Json::as_u64).unwrap_or(1) > 1 {
        return Err(no("n"));
    }
    if body.get("logprobs").and_then(Json::as_bool) == Some(true) {
        return Err(no("logprobs"));
    }
    Ok(())
}

fn messages(body: &Json, out: &mut Object) -> Result<(), Untranslatable> {
    let mut system: Vec<Json> = Vec::new();
    let mut list: Vec<(&str, Vec<Json>)> = Vec::new();
    for (index, message) in body.list("messages").iter().enumerate() {
        let path = format!("messages[{index}]");
        let parts = || blocks(message, &path);
        let (role, blocks) = match message.text("role").unwrap_or_default() {
            "system" | "developer" => {
                system.extend(parts()?);
                continue;
            }
            "assistant" => ("assistant", assistant(message, parts()?, &path)?),
            "tool" => {
                let id = message.text("tool_call_id").unwrap_or_default();
                let result =
                    json! { "type": "tool_result", "tool_use_id": id, "content": parts()? };
                ("user", vec![result])
            }
            "user" => ("user", parts()?),
            _ => return Err(no(format!("{path}.role"))),
        };
        // Answers to calls made together must stand together.
        match list.last_mut() {
            Some((last, before)) if *last == role => before.extend(blocks),
            _ if blocks.is_empty() => {}
            _ => list.push((role, blocks)),
        }
    }
    if !system.is_empty() {
        out.set("system", system);
    }
    let list = list
        .into_iter()
        .map(|(role, blocks)| json! { "role": role, "content": blocks })
        .collect::<Vec<_>>();
    out.set("messages", list);
    Ok(())
}

/// A message's content. Blocks of no text are not taken there.
fn blocks(message: &Json, path: &str) -> Result<Vec<Json>, Untranslatable> {
    let parts = message.get("content").map(as_parts).unwrap_or_default();
    let mut blocks = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        if part.text("text") != Some("") {
            blocks.push(to_block(part, &format!("{path}.content[{at}]"))?);
        }
    }
    Ok(blocks)
}

fn assistant(
    message: &Json,
    mut blocks: Vec<Json>,
    path: &str,
) -> Result<Vec<Json>, Untranslatable> {
    if message.get("function_call").is_some() {
        return Err(no(format!("{path}.function_call")));
    }
    for (at, call) in message.list("tool_calls").iter().enumerate() {
        let function = call
            .get("function")
            .ok_or_else(|| no(format!("{path}.tool_calls[{at}]")))?;
        blocks.push(json! {
            "type": "tool_use",
            "id": call.text("id").unwrap_or_default(),
            "name": function.text("name").unwrap_or_default(),
            "input": arguments(function.text("arguments").unwrap_or_default()),
        });
    }
    Ok(blocks)
}

fn tools(body: &Json, out: &mut Object) -> Result<(), Untranslatable> {
    let mut tools = Vec::new();
    for (at, tool) in body.list("tools").iter().enumerate() {
        let function = tool
            .get("function")
            .ok_or_else(|| no(format!("tools[{at}].type")))?;
        let mut made = object! { "name": function.text("name").unwrap_or_default() };
        copy(function, &mut made, &["description"]);
        let schema = function.get("parameters").cloned();
        made.set(
            "input_schema",
            schema.unwrap_or_else(|| json! { "type": "object", "properties": json! {} }),
        );
        tools.push(Json::Object(made));
    }
    if tools.is_empty() {
        return Ok(());
    }
    out.set("tools", tools);
    let mut choice = match body.get("tool_choice") {
        None => object! { "type": "auto" },
        Some(Json::String(word)) => match word.as_str() {
            "auto" => object! { "type": "auto" },
            "required" => object! { "type": "any" },
            "none" => object! { "type": "none" },
            _ => return Err(no("tool_choice")),
        },
        Some(choice) => match choice
            .get("function")
            .and_then(|function| function.text("name"))
        {
            Some(name) => object! { "type": "tool", "name": name },
            None => return Err(no("tool_choice.type")),
        },
    };
    let one = body.get("parallel_tool_calls").and_then(Json::as_bool) == Some(false);
    if one && choice.get("type").and_then(Json::as_str) != Some("none") {
        choice.set("disable_parallel_tool_use", true);
    }
    if one || body.get("tool_choice").is_some() {
        out.set("tool_choice", choice);
    }
    Ok(())
}

fn format(body: &Json, out: &mut Object) -> Result<(), Untranslatable> {
    let Some(format) = body.get("response_format") else {
        return Ok(());
    };
    match format.text("type") {
        Some("text") => Ok(()),
        Some("json_schema") => {
            let schema = format
                .get("json_schema")
                .and_then(|schema| schema.get("schema"));
            let schema = schema.ok_or_else(|| no("response_format.json_schema"))?;
            let wanted = object! { "type": "json_schema", "schema": schema.clone() };
            out.set("output_config", object! { "format": wanted });
            Ok(())
        }
        _ => Err(no("response_format.type")),
    }
}
