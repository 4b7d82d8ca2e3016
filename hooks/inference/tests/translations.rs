//! Calls and answers said in another interface.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail like a test")]

mod samples;

use nemoclaw_inference::{
    Api, Call, Dialect, ErrorReply, Json, Refusal, Reply, Usage, error_body, estimate_tokens,
    models_reply,
};
use proptest::prelude::*;
use samples::*;

fn call(api: Api, text: &str) -> Call {
    Call::read(api, text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text:.300}"))
}

fn text(call: &Call) -> String {
    String::from_utf8(call.to_bytes()).unwrap()
}

fn into(from: Api, body: &str, to: Api) -> Result<String, String> {
    let call = call(from, body)
        .into_api(to)
        .map_err(|error| error.to_string())?;
    assert_eq!(call.api(), to);
    Call::read(to, &call.to_bytes()).unwrap();
    Ok(text(&call))
}

#[test]
fn a_request_of_claude_code_becomes_one_of_chat() {
    let chat = into(Api::Messages, CLAUDE_CODE, Api::Chat).unwrap();
    let want = concat!(
        r#"{"model":"claude-sonnet-4-5","max_tokens":32000,"temperature":1,"stream":true,"stream_options":{"include_usage":true},"#,
        r#""stop":["MARK-stop"],"user":"MARK-user","#,
        r#""tools":[{"type":"function","function":{"name":"Bash","description":"MARK-tool","parameters":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"command":{"type":"string","description":"MARK-schema"}},"required":["command"],"additionalProperties":false}}}],"#,
        r#""tool_choice":{"type":"function","function":{"name":"Bash"}},"parallel_tool_calls":false,"#,
        r#""messages":[{"role":"system","content":"MARK-system\n\nMARK-env"},"#,
        r#"{"role":"user","content":[{"type":"text","text":"MARK-reminder"},{"type":"text","text":"MARK-question"}]},"#,
        r#"{"role":"assistant","content":"MARK-said","tool_calls":[{"id":"toolu_01A","type":"function","function":{"name":"Bash","arguments":"{\"command\":\"MARK-command\",\"MARK-input-key\":{\"type\":\"MARK-hidden-as-type\",\"role\":\"MARK-hidden-as-role\",\"id\":\"MARK-hidden-as-id\",\"model\":\"MARK-hidden-as-model\"}}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"toolu_01A","content":"MARK-result"},"#,
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},"#,
        r#"{"type":"text","text":"MARK-title\n\nMARK-context\n\nMARK-document"},"#,
        r#"{"type":"image_url","image_url":{"url":"https://example.org/MARK-image"}},"#,
        r#"{"type":"text","text":"MARK-found\nMARK-source\n\nMARK-passage"}]}]}"#,
    );
    assert_eq!(chat, want);
}

#[test]
fn a_request_of_chat_becomes_one_of_messages() {
    let messages = into(Api::Chat, CHAT_TOOLS, Api::Messages).unwrap();
    let want = concat!(
        r#"{"model":"gpt-5","max_tokens":512,"stream":true,"temperature":0.2,"stop_sequences":["MARK-stop"],"metadata":{"user_id":"MARK-end-user"},"#,
        r#""tools":[{"name":"MARK-tool","description":"MARK-description","input_schema":{"type":"object","properties":{"MARK-property":{"type":"string","description":"MARK-schema","enum":["MARK-enum"],"default":"MARK-default"}},"required":["MARK-property"]}}],"#,
        r#""tool_choice":{"type":"auto"},"system":[{"type":"text","text":"MARK-system"}],"#,
        r#""messages":[{"role":"user","content":[{"type":"text","text":"MARK-user é \n@"}]},"#,
        r#"{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"pay","input":{"to":"MARK-argument","card":4111111111111111,"deep":[{"MARK-argument-key":true}]}}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"MARK-result"}]}]},"#,
        r#"{"role":"assistant","content":[{"type":"text","text":"MARK-said"}]},"#,
        r#"{"role":"user","content":[{"type":"text","text":"MARK-last"}]}]}"#,
    );
    assert_eq!(messages, want);
    let messages = into(Api::Chat, CHAT_PARTS, Api::Messages).unwrap();
    for part in [
        r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}"#,
        r#"{"type":"image","source":{"type":"url","url":"https://example.org/MARK-url.png"}}"#,
        r#"{"type":"document","source":{"type":"base64","media_type":"text/plain","data":"TUFSSw=="},"title":"MARK-file.txt"}"#,
        r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object","description":"MARK-wanted"}}}"#,
    ] {
        assert!(messages.contains(part), "{messages}");
    }
}

#[test]
fn a_request_of_codex_becomes_one_of_chat_and_of_messages() {
    let chat = into(Api::Responses, CODEX, Api::Chat).unwrap();
    let want = concat!(
        r#"{"model":"gpt-5-codex","stream":true,"stream_options":{"include_usage":true},"reasoning_effort":"medium","#,
        r#""tools":[{"type":"function","function":{"name":"shell","description":"MARK-tool","parameters":{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"MARK-schema"}}},"strict":false}}],"#,
        r#""parallel_tool_calls":false,"tool_choice":"auto","#,
        r#""messages":[{"role":"system","content":"MARK-instructions"},{"role":"system","content":"MARK-permissions"},"#,
        r#"{"role":"user","content":[{"type":"text","text":"MARK-question"},{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/4AAQ"}}]},"#,
        r#"{"role":"assistant","content":"MARK-said","tool_calls":[{"id":"call_9","type":"function","function":{"name":"shell","arguments":"{\"command\":[\"bash\",\"-lc\",\"MARK-command\"]}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"call_9","content":"MARK-output"}]}"#,
    );
    assert_eq!(chat, want);
    let messages = into(Api::Responses, CODEX, Api::Messages).unwrap();
    assert!(
        messages.contains(r#""input":{"command":["bash","-lc","MARK-command"]}"#),
        "{messages}"
    );
}

#[test]
fn what_the_other_side_has_no_word_for_is_refused_by_its_place() {
    for (from, to, body, field) in [
        (
            Api::Chat,
            Api::Messages,
            r#"{"model":"m","messages":[],"n":2}"#,
            "`n`",
        ),
        (
            Api::Chat,
            Api::Messages,
            r#"{"model":"m","messages":[],"logprobs":true}"#,
            "`logprobs`",
        ),
        (
            Api::Chat,
            Api::Messages,
            r#"{"model":"m","messages":[],"functions":[{"name":"f"}]}"#,
            "`functions`",
        ),
        (
            Api::Chat,
            Api::Messages,
            r#"{"model":"m","messages":[],"response_format":{"type":"json_object"}}"#,
            "`response_format.type`",
        ),
        (
            Api::Chat,
            Api::Messages,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"x","format":"wav"}}]}]}"#,
            "`messages[0].content[0].type`",
        ),
        (
            Api::Messages,
            Api::Chat,
            r#"{"model":"m","messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
            "`tools`",
        ),
        (
            Api::Messages,
            Api::Chat,
            r#"{"model":"m","messages":[],"mcp_servers":[{"type":"url","url":"u","name":"n"}]}"#,
            "`mcp_servers`",
        ),
        (
            Api::Messages,
            Api::Chat,
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"u"}}]}]}"#,
            "`messages[0].content[0].source.type`",
        ),
        (
            Api::Responses,
            Api::Chat,
            r#"{"model":"m","input":"a","previous_response_id":"r"}"#,
            "`previous_response_id`",
        ),
        (
            Api::Responses,
            Api::Chat,
            r#"{"model":"m","input":[{"type":"item_reference","id":"r"}]}"#,
            "`input[0].type`",
        ),
        (
            Api::Embeddings,
            Api::Messages,
            r#"{"model":"m","input":"a"}"#,
            "`the call`",
        ),
    ] {
        let error = into(from, body, to).unwrap_err();
        assert!(error.contains(field), "{error}");
    }
    let mixed = r#"{"model":"m","messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"},{"name":"mine","input_schema":{}}]}"#;
    assert!(
        !into(Api::Messages, mixed, Api::Chat)
            .unwrap()
            .contains("web_search"),
        "the server's own is left out"
    );
}

#[test]
fn thoughts_without_a_signature_do_not_go_to_a_server_of_messages() {
    let body = r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"a"}]}]}"#;
    assert!(!text(&call(Api::Messages, body)).contains("hm"));
    assert!(
        text(&call(
            Api::Messages,
            &body.replace(r#""signature":"""#, r#""signature":"Eq""#)
        ))
        .contains("hm")
    );
}

const CHAT_REPLY: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"qwen3","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","reasoning_content":"Hm","tool_calls":[{"id":"call_1","type":"function","function":{"name":"find","arguments":"{\"a\": 1}"}},{"id":"call_2","type":"function","function":{"name":"now","arguments":""}}]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}"#;
const MESSAGES_REPLY: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"Hm","signature":"Eq"},{"type":"text","text":"Hello"},{"type":"tool_use","id":"toolu_1","name":"find","input":{"a":1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":6,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"output_tokens":5}}"#;

fn reply(from: Api, body: &str, to: Api) -> String {
    let reply = Reply::read(from, body.as_bytes()).unwrap();
    assert_eq!(
        reply.usage(),
        Some(Usage {
            input: 10,
            output: 5,
            cached: 4
        })
    );
    let reply = reply.into_api(to, "shown").unwrap();
    assert_eq!(
        reply.usage(),
        Some(Usage {
            input: 10,
            output: 5,
            cached: 4
        })
    );
    String::from_utf8(reply.to_bytes()).unwrap()
}

#[test]
fn an_answer_is_said_in_the_callers_interface() {
    assert_eq!(
        reply(Api::Chat, CHAT_REPLY, Api::Messages),
        r#"{"id":"msg_chatcmpl-1","type":"message","role":"assistant","model":"shown","content":[{"type":"thinking","thinking":"Hm","signature":""},{"type":"text","text":"Hello"},{"type":"tool_use","id":"call_1","name":"find","input":{"a":1}},{"type":"tool_use","id":"call_2","name":"now","input":{}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":5}}"#
    );
    assert_eq!(
        reply(Api::Messages, MESSAGES_REPLY, Api::Chat),
        r#"{"id":"msg_1","object":"chat.completion","created":0,"model":"shown","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","reasoning_content":"Hm","refusal":null,"tool_calls":[{"id":"toolu_1","type":"function","function":{"name":"find","arguments":"{\"a\":1}"}}]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}}"#
    );
    let response = reply(Api::Chat, CHAT_REPLY, Api::Responses);
    for part in [
        r#""status":"completed""#,
        r#"{"type":"reasoning","id":"rs_chatcmpl-1","summary":[{"type":"summary_text","text":"Hm"}]}"#,
        r#"{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}"#,
        r#""call_id":"call_1","name":"find","arguments":"{\"a\": 1}","status":"completed"}"#,
    ] {
        assert!(response.contains(part), "{response}");
    }
}

#[test]
fn an_answer_of_the_same_interface_keeps_its_bytes_but_for_the_models_name() {
    let reply = Reply::read(Api::Chat, CHAT_REPLY.as_bytes()).unwrap();
    assert_eq!(reply.finish(), Some("stop"));
    assert_eq!(
        reply.into_api(Api::Chat, "qwen3").unwrap().to_bytes(),
        CHAT_REPLY.as_bytes()
    );
    let reply = Reply::read(Api::Chat, CHAT_REPLY.as_bytes()).unwrap();
    let shown = reply.into_api(Api::Chat, "fast").unwrap().to_bytes();
    assert_eq!(
        String::from_utf8(shown).unwrap(),
        CHAT_REPLY.replace("qwen3", "fast")
    );
}

#[test]
fn texts_of_an_answer_are_shown_and_what_repeats_an_old_one_goes() {
    let body = r#"{"id":"c","choices":[{"index":0,"message":{"content":"MARK-a","refusal":"MARK-b","reasoning":"MARK-c","tool_calls":[{"function":{"name":"f","arguments":"{\"x\":\"MARK-d\"}"}}]},"logprobs":{"content":[{"token":"MARK-a"}]}}],"MARK":"MARK-e"}"#;
    let mut reply = Reply::read(Api::Chat, body.as_bytes()).unwrap();
    let mut seen = Vec::new();
    reply.leaves(&mut |leaf, text| {
        seen.push(text.to_owned());
        (leaf.name == "content").then(|| "new".to_owned())
    });
    for mark in ["MARK-a", "MARK-b", "MARK-c", "MARK-d", "MARK-e"] {
        assert!(seen.iter().any(|text| text == mark), "{mark}");
    }
    let new = String::from_utf8(reply.to_bytes()).unwrap();
    assert!(
        new.contains(r#""content":"new""#) && new.contains(r#""logprobs":null"#),
        "{new}"
    );
}

#[test]
fn what_is_no_answer_is_refused() {
    for (api, body) in [
        (Api::Chat, "{}"),
        (Api::Messages, r#"{"content":"x"}"#),
        (Api::Embeddings, "[1]"),
        (Api::CountTokens, "{}"),
        (Api::Chat, "<html>"),
    ] {
        assert!(Reply::read(api, body.as_bytes()).is_err(), "{body}");
    }
    assert!(Reply::read(Api::CountTokens, br#"{"input_tokens":5}"#).is_ok());
    let embeddings = Reply::read(
        Api::Embeddings,
        br#"{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}"#,
    )
    .unwrap();
    assert_eq!(embeddings.usage().unwrap().input, 3);
    assert!(embeddings.into_api(Api::Messages, "m").is_err());
}

#[test]
fn errors_of_any_server_are_told_in_the_callers_dialect() {
    for (body, message) in [
        (
            r#"{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}"#,
            "slow down",
        ),
        (
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#,
            "slow down",
        ),
        (
            r#"[{"error":{"code":429,"message":"slow down","status":"X"}}]"#,
            "slow down",
        ),
        (r#"{"error":"slow down"}"#, "slow down"),
        (r#"{"detail":"slow down"}"#, "slow down"),
        (
            r#"{"object":"error","message":"slow down","code":429}"#,
            "slow down",
        ),
        ("<html>", "the model server answered 429"),
    ] {
        let error = ErrorReply::read(429, body.as_bytes());
        assert_eq!(
            (error.kind, error.message.as_str()),
            (Refusal::TooMany, message)
        );
        let told = Json::read(&error.to_bytes(Dialect::Anthropic)).unwrap();
        assert_eq!(
            (told.text("type"), told.get("error").unwrap().text("type")),
            (Some("error"), Some("rate_limit_error"))
        );
        let told = Json::read(&error.to_bytes(Dialect::OpenAi)).unwrap();
        assert_eq!(told.get("error").unwrap().text("message"), Some(message));
    }
    let ours = error_body(
        Dialect::OpenAi,
        Refusal::Forbidden,
        "no_clearance",
        "m",
        &serde_json::json!({"class": "secret"}),
    );
    assert_eq!(
        String::from_utf8(ours).unwrap(),
        r#"{"error":{"message":"m","type":"permission_error","param":null,"code":"no_clearance","class":"secret"}}"#
    );
}

#[test]
fn models_are_listed_in_either_dialect() {
    let list = String::from_utf8(models_reply(&["a", "b"], Dialect::OpenAi)).unwrap();
    assert!(
        list.starts_with(r#"{"object":"list","data":[{"id":"a","object":"model","#),
        "{list}"
    );
    let list = String::from_utf8(models_reply(&["a", "b"], Dialect::Anthropic)).unwrap();
    assert!(
        list.ends_with(r#""has_more":false,"first_id":"a","last_id":"b"}"#),
        "{list}"
    );
}

#[test]
fn the_estimate_of_tokens_is_near_and_an_image_is_not_its_base64() {
    let words = "The quick brown fox jumps over the lazy dog. ".repeat(100);
    let plain = call(
        Api::CountTokens,
        &format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{words}"}}]}}"#),
    );
    let estimate = estimate_tokens(&plain);
    assert!(
        (900..1500).contains(&estimate),
        "{estimate}: about 1000 by the usual tokenizers"
    );
    let image = "A".repeat(1_000_000);
    let image = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{image}"}}}}]}}]}}"#
    );
    assert!((1000..3000).contains(&estimate_tokens(&call(Api::CountTokens, &image))));
}

fn turn() -> impl Strategy<Value = (bool, String, Vec<(String, String)>)> {
    (
        any::<bool>(),
        "\\PC{1,20}",
        proptest::collection::vec(("[a-z]{1,6}", "\\PC{0,12}"), 0..3),
    )
}

proptest! {
    #[test]
    fn texts_and_tool_calls_survive_there_and_back(turns in proptest::collection::vec(turn(), 1..6)) {
        let mut messages = Vec::new();
        for (at, (user, words, calls)) in turns.iter().enumerate() {
            if *user {
                messages.push(serde_json::json!({"role": "user", "content": words}));
                continue;
            }
            let mut message = serde_json::json!({"role": "assistant", "content": words});
            if !calls.is_empty() {
                message["tool_calls"] = calls.iter().enumerate().map(|(which, (name, value))| serde_json::json!({
                    "id": format!("call_{at}_{which}"), "type": "function",
                    "function": {"name": name, "arguments": serde_json::json!({"v": value}).to_string()},
                })).collect();
            }
            messages.push(message);
            for (which, (_, value)) in calls.iter().enumerate() {
                messages.push(serde_json::json!({"role": "tool", "tool_call_id": format!("call_{at}_{which}"), "content": format!("r{value}")}));
            }
        }
        let body = serde_json::json!({"model": "m", "messages": messages}).to_string();
        let there = call(Api::Chat, &body).into_dialect(Dialect::Anthropic).unwrap();
        let back = Call::read(Api::Messages, &there.to_bytes()).unwrap().into_dialect(Dialect::OpenAi).unwrap();
        let strings = |text: &str| {
            // Neighbours of one role become one message; what is said in it, and in which order, stays.
            let mut said: Vec<String> = Vec::new();
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            for message in value["messages"].as_array().unwrap() {
                let role = message["role"].as_str().unwrap();
                let mut texts: Vec<String> = match &message["content"] {
                    serde_json::Value::String(text) => text.split("\n\n").map(str::to_owned).collect(),
                    serde_json::Value::Array(parts) => parts.iter().map(|part| part["text"].as_str().unwrap().to_owned()).collect(),
                    _ => Vec::new(),
                };
                texts.extend(message["tool_calls"].as_array().into_iter().flatten().map(|call| format!("{} {}", call["function"]["name"], call["function"]["arguments"])));
                said.extend(texts.into_iter().map(|text| format!("{role} {text}")));
            }
            said.sort();
            said
        };
        prop_assert_eq!(strings(&body), strings(&text(&back)));
    }

    #[test]
    fn garbage_is_no_answer_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100), at in 0usize..2000, with in any::<u8>()) {
        let _ = ErrorReply::read(500, &bytes).to_bytes(Dialect::OpenAi);
        for (api, body) in [(Api::Chat, CHAT_REPLY), (Api::Messages, MESSAGES_REPLY)] {
            let mut broken = body.as_bytes().to_vec();
            let at = at % broken.len();
            broken[at] = with;
            for to in [Api::Chat, Api::Messages, Api::Responses] {
                if let Ok(reply) = Reply::read(api, &broken) && let Ok(reply) = reply.into_api(to, "m") {
                    prop_assert!(Reply::read(to, &reply.to_bytes()).is_ok());
                }
            }
        }
    }
}
